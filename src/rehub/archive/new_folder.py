"""Folders of models, and files, that appear whole or not at all."""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from rehub.archive.members import members
from rehub.errors import FormatError, PublishError


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Makes a folder under its name only when all is in it.

    What is written goes to a hidden folder beside it, which is renamed at the end, and removed where that is not
    reached.

    Args:
        path: What must not exist yet, or be an empty folder. Folders above it are made.

    Yields:
        The folder to write to.

    Raises:
        PublishError: If there is something, the place cannot be written to, or it is a URL such as ``gs://…``; if
            what was written has a name that clients refuse.
    """
    with _draft(path, lambda draft: draft.mkdir(parents=True), replaceable="an empty folder") as draft:
        yield draft
        check_members(draft, str(path))


def drafts(path: Path) -> list[Path]:
    """Returns what `new_file` writes to for this path at this moment, and what killed processes left of that."""
    target = path.resolve()
    name = re.compile(re.escape(f".{target.name}.") + r"[0-9a-f]{8}\.tmp")
    return [other for other in target.parent.glob(".*.tmp") if name.fullmatch(other.name) and other.is_file()]


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Makes a file under its name only when all is in it; the same as `new_folder` for a file, which must not exist."""
    with _draft(path, lambda draft: draft.parent.mkdir(parents=True, exist_ok=True)) as draft:
        yield draft


def check_members(draft: Path, target: str) -> None:
    """Refuses a folder that has what no client would take.

    Args:
        draft: The folder.
        target: Where it is to go.

    Raises:
        PublishError: If there is a name that clients refuse, or a link.
    """
    try:
        for _ in members(draft):
            pass
    except FormatError as error:
        raise PublishError(f"'{target}' was not written: {error.message}", hint=error.hint) from error


@contextlib.contextmanager
def _draft(path: Path, begin: Callable[[Path], None], replaceable: str = "") -> Iterator[Path]:
    if re.match("[a-z][a-z0-9]+:/", path.as_posix()):
        raise PublishError(
            f"'{path}' is the address of another place, and this is written to this machine.",
            hint="Write to a local path, and copy it, for instance with tf.io.gfile or a tool of that place.",
        )
    target = path.resolve()
    try:
        if target.exists() and not (replaceable and target.is_dir() and next(target.iterdir(), None) is None):
            problem = f", and is not {replaceable}" if replaceable else ""
            raise PublishError(f"'{path}' exists{problem}.", hint="Choose another path, or remove it first.")
        # Not by tempfile, whose folders nobody else may read.
        draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
        begin(draft)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        yield draft
        try:
            if target.exists():
                target.rmdir()  # Windows renames to no name that is taken
            draft.rename(target)
        except OSError as error:
            raise _unwritable(path, error) from error
    finally:
        if draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        else:
            draft.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> PublishError:
    return PublishError(f"'{path}' cannot be written: {error.strerror}.", hint="Choose a place that you may write to.")
