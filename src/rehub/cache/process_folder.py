"""Folders of temporary files that go with their process, also when that is killed: the next one removes them."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rehub.cache.lock import claim

_MARK = ".goes-with-its-process"


@contextlib.contextmanager
def claimed_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """Makes a folder, and claims it until the block, or this process and those that it forks, have ended.

    Those of this user that nobody claims any more are removed first. Whoever gets this one removes it.

    Args:
        prefix: What the names of such folders begin with.
        parent: Where they lie; None for the system's folder of temporary files.

    Raises:
        OSError: If it cannot be made.
    """
    place = parent or Path(tempfile.gettempdir())
    _remove_dead(place, prefix)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
    with claim(folder):
        (folder / _MARK).touch()  # what is not claimed yet has no mark
        yield folder


@contextlib.contextmanager
def process_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """Does what `claimed_folder` does, and removes the folder at the end of the block."""
    with claimed_folder(prefix, parent) as folder:
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_dead(place: Path, prefix: str) -> None:
    for mark in place.glob(f"{prefix}*/{_MARK}"):
        with contextlib.suppress(OSError), claim(mark.parent) as is_free:
            found = mark.parent.lstat()
            if is_free and stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid():
                shutil.rmtree(mark.parent, ignore_errors=True)
