"""Folders beside their targets, in which models are made that come to the targets whole or not at all.

What a killed process left in one goes with the next download to the same target.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from rehub.cache.lock import hold

_NAME = re.compile(r"\.rehub-[0-9a-f]{12}(-[0-9a-f]{32}|\.lock)?")
_OLD, _FILLING, _FILLED = "old", "filling", "filling.json"


def others(target: Path) -> list[Path]:
    """Returns what is in a folder besides drafts, and besides what a killed process had moved there of its model."""
    children = list(target.iterdir())
    drafts = [child for child in children if _NAME.fullmatch(child.name)]
    moved = {name for folder in drafts for name in _moved(folder)}
    return [child for child in children if child not in drafts and child.name not in moved]


@contextlib.contextmanager
def draft(target: Path, timeout_s: float) -> Iterator[Path]:
    """Gives a folder on the disk of the target; it goes in the end, and folders above that nothing came into, too.

    Args:
        target: The folder to which a model is to come, absolute.
        timeout_s: How long to wait for another process that brings one there.

    Raises:
        LockTimeout: If that takes longer.
        OSError: If it cannot be made.
    """
    made = [folder for folder in target.parents if not folder.exists()]
    # An empty folder may be a mount point.
    place = target if target.is_dir() and not others(target) else target.parent
    folder, lock = _names(target, place)
    with contextlib.ExitStack() as stack:
        stack.callback(_remove_empty, made)
        place.mkdir(parents=True, exist_ok=True)
        if stack.enter_context(hold(lock, timeout_s)):
            _clear(folder, target)
        else:  # no locks here: nobody can tell whether who made it is still busy
            folder = folder.with_name(f"{folder.name}-{uuid.uuid4().hex}")
        stack.callback(lock.unlink, missing_ok=True)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.mkdir()
        yield folder


def clear(target: Path) -> None:
    """Removes what a process left that was killed when its model had come to the target."""
    for place in (target.parent, target):
        folder, lock = _names(target, place)
        if folder.exists() or lock.exists():
            with contextlib.suppress(OSError), hold(lock, 0) as is_held:
                if is_held:
                    shutil.rmtree(folder, ignore_errors=True)
                    lock.unlink()


def put(new: Path, target: Path, folder: Path, *, replaces: bool) -> None:
    """Moves a model to its target.

    Args:
        new: The model.
        target: Its place.
        folder: The draft.
        replaces: Whether what is there goes; else it is nothing or an empty folder.
    """
    if target.is_dir() and not replaces:
        new.rename(folder / _FILLING)
        _fill(target, folder)
        return
    if replaces:
        target.rename(folder / _OLD)
    try:
        new.rename(target)
    except BaseException:
        if replaces:
            (folder / _OLD).rename(target)
        raise


def _fill(target: Path, folder: Path) -> None:
    """Moves a model into an empty folder, which may be a mount point or somebody's current folder."""
    # A folder is a model as soon as this file is there.
    children = sorted((folder / _FILLING).iterdir(), key=lambda path: path.name.startswith("saved_model.pb"))
    (folder / _FILLED).write_text(json.dumps([child.name for child in children]))
    moved = []
    try:
        for child in children:
            moved.append(target / child.name)
            child.rename(moved[-1])
    except BaseException:
        for path in moved:
            _remove(path)
        raise


def _moved(folder: Path) -> list[str]:
    """Returns what a process may have moved to its target that was killed before all was there."""
    try:
        if not any((folder / _FILLING).iterdir()):
            return []
        names = map(str, json.loads((folder / _FILLED).read_bytes()))
        return [name for name in names if name == Path(name).name != ".."]
    except (OSError, ValueError, TypeError):
        return []


def _clear(folder: Path, target: Path) -> None:
    """Removes what a killed process left, and gives back the model that it was about to replace."""
    if (folder / _OLD).is_dir() and not target.exists():
        (folder / _OLD).rename(target)
    for name in _moved(folder):
        _remove(target / name)
    if folder.is_dir():
        shutil.rmtree(folder)


def _names(target: Path, place: Path) -> tuple[Path, Path]:
    """Returns the draft for a target, and its lock."""
    name = f".rehub-{hashlib.sha256(target.name.encode(errors='surrogateescape')).hexdigest()[:12]}"
    return place / name, place / f"{name}.lock"


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()
