"""Removing from a cache: models, notes that lead nowhere, and what killed downloads left.

A model goes by one rename, so that others find it whole or not at all; who has its files open keeps them (not on
Windows, where it then stays). Its record goes last: when this process is killed before, the model is still listed, and
removing it again ends what was begun.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from rehub.cache import layout, legacy
from rehub.cache.failures import write_error
from rehub.cache.inventory import Entry, Leftover
from rehub.cache.lock import claim, hold
from rehub.cache.store import Store
from rehub.errors import CacheError, HubError, LockTimeout
from rehub.formats.record import Latest

_TRASH_SUFFIX = ".removed"


def remove(store: Store, entry: Entry) -> None:
    """Removes a model, and the folders above it that are empty then.

    Raises:
        CacheError: If another process is busy with it, or its folder may not be changed.
    """
    if entry.leaf is None:
        _remove_legacy(entry.folder)
        return
    try:
        # In the order in which a download of the newest version takes them.
        with store.lock(entry.leaf.parent), store.lock(entry.leaf), _translated(store.root):
            with store.staging(entry.leaf) as staging:
                if entry.folder.is_dir():
                    entry.folder.rename(staging / "removed")
            (store.root / layout.manifest(entry.leaf)).unlink(missing_ok=True)
            (store.root / layout.record(entry.leaf)).unlink(missing_ok=True)
    except LockTimeout as error:
        raise CacheError(
            f"{entry.handle} was not removed: {error.owner} is busy with it.",
            hint="Try again when that process is done, or end it.",
            path=str(entry.folder),
        ) from error
    _remove_empty(store.root, entry.leaf.parent)


def forget(store: Store, pointers: Iterable[tuple[PurePosixPath, Latest | None]]) -> int:
    """Removes those notes of newest versions that lead to no whole model, and returns their number.

    Raises:
        CacheError: If one may not be removed.
    """
    count = 0
    for folder, latest in pointers:
        if latest is not None and store.find(PurePosixPath(latest.leaf), latest.leaf_location) is not None:
            continue
        with store.lock(folder), _translated(store.root):
            (store.root / layout.pointer(folder)).unlink(missing_ok=True)
        _remove_empty(store.root, folder)
        count += 1
    return count


def sweep(root: Path, leftovers: Iterable[Leftover]) -> tuple[Leftover, ...]:
    """Removes what killed downloads left; that of running ones stays.

    Returns:
        What was removed.

    Raises:
        CacheError: If the cache folder cannot be written.
    """
    return tuple(leftover for leftover in leftovers if _swept(root, leftover.path))


def _swept(root: Path, path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError, LockTimeout), _translated(root):
        lock = root / layout.LOCKS / f"{path.name.partition('.')[0]}.lock"
        lock.parent.mkdir(exist_ok=True)
        with hold(lock, 0) as locked, claim(path) as is_free:
            if not locked or is_free is False:
                return False
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
            lock.unlink(missing_ok=True)
            return True
    return False


def _remove_legacy(folder: Path) -> None:
    with _translated(folder.parent):
        for trash in folder.parent.glob(f"*{_TRASH_SUFFIX}"):
            if legacy.is_name(trash.stem):  # of a process that was killed
                shutil.rmtree(trash, ignore_errors=True)
        gone = folder.with_name(f"{folder.name}{_TRASH_SUFFIX}")
        folder.rename(gone)
        legacy.descriptor(folder).unlink(missing_ok=True)
        shutil.rmtree(gone)


def _remove_empty(root: Path, folder: PurePosixPath) -> None:
    for place in (folder, *folder.parents):
        if not place.parts:
            return
        try:
            (root / place).rmdir()
        except OSError:  # not empty, or gone already
            return


@contextlib.contextmanager
def _translated(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, (HubError, FileNotFoundError)):
            raise
        raise write_error(error, root) from error
