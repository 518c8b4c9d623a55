"""What changes when the folder of a plain version does, and what is made of such folders until then."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

from anyio import to_thread

from rehub.errors import UsageError

_T = TypeVar("_T")

Fingerprint = tuple[tuple[str, int, int], ...]
"""Relative path, size in bytes and modification time in ns of every file."""


class PerFolder(Generic[_T]):
    """Makes something of each folder once, and again when the folder has changed. One event loop uses it.

    Worker processes do not share it: equal folders give equal bytes, so that their answers fit together.

    Args:
        make: Makes it, in a thread, of a folder whose fingerprint it gets, too; raises what `check_unchanged` does.
        is_there: Whether what was made is still of use.
        discard: Called with what has been made anew.
    """

    def __init__(
        self,
        make: Callable[[Path, Fingerprint], _T],
        *,
        is_there: Callable[[_T], bool] = lambda _: True,
        discard: Callable[[_T], object] = lambda _: None,
    ) -> None:
        self._make = make
        self._is_there = is_there
        self._discard = discard
        self._locks: dict[Path, asyncio.Lock] = {}
        self._made: dict[Path, tuple[Fingerprint, _T]] = {}

    async def get(self, folder: Path) -> _T:
        """Returns what is made of a folder; whoever asks while it is made waits for the same.

        Raises:
            HubError: What making it raises.
        """
        async with self._locks.setdefault(folder, asyncio.Lock()):
            now = await to_thread.run_sync(fingerprint_of, folder)
            known = self._made.get(folder)
            if known is not None and known[0] == now and self._is_there(known[1]):
                return known[1]
            made = await to_thread.run_sync(self._make, folder, now)
            self._made[folder] = (now, made)
            if known is not None:
                self._discard(known[1])
            return made


def fingerprint_of(folder: Path) -> Fingerprint:
    """Returns what changes when the files of a folder do."""
    return tuple(sorted(_files(folder, "")))


def check_unchanged(folder: Path, before: Fingerprint) -> None:
    """Sees to it that a folder is what it was before it was read.

    Raises:
        UsageError: If it is not: the version is still being written.
    """
    if fingerprint_of(folder) != before:
        raise UsageError(f"{folder} changed while it was read.", hint="Ask again when it is complete.")


def _files(folder: Path, prefix: str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = f"{prefix}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield f"{name}/", 0, 0
                yield from _files(Path(entry.path), f"{name}/")
            else:
                status = entry.stat(follow_symlinks=False)
                yield name, status.st_size, status.st_mtime_ns
