"""Writing files to the disk: hashed, in space that was asked for before, and synced."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from rehub.archive.space import reserve
from rehub.archive.stage import Stage

WRITTEN_BYTES = 1 << 16
"""What is written at once: for more Linux seeks larger pieces of memory, which take it longer to get."""

_SYNCED_BYTES = 32 << 20
_RESERVED_BYTES = 64 << 20
_SMALL_BYTES = 1 << 20


class Disk:
    """Hashes and writes files on one thread and syncs them on another, while the next bytes are received and inflated.

    Args:
        target: An existing folder.

    Attributes:
        files: The size in bytes and the sha256 of each file that is written, by its name.
    """

    def __init__(self, target: Path) -> None:
        self.files: dict[str, tuple[int, str]] = {}
        self._target = target
        self._open_files: set[BinaryIO] = set()
        self._syncing = Stage(self._sync, "rehub-sync")
        self._writing = Stage(_do_all, "rehub-write")
        self._stages = contextlib.ExitStack()

    def __enter__(self) -> Disk:
        self._stages.callback(self._close_all)
        self._stages.enter_context(self._syncing)
        self._stages.enter_context(self._writing)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stages.__exit__(kind, error, trace)

    def folder(self, name: str) -> None:
        """Makes a folder."""
        self._writing.put(lambda: (self._target / name).mkdir(parents=True, exist_ok=True))

    def open(self, name: str, size_bytes: int) -> None:
        """Begins a file that must not exist.

        Args:
            name: Its name in the target, with ``/``.
            size_bytes: What it will have.
        """
        self._writing.put(lambda: self._open(name, size_bytes))

    def write(self, data: memoryview) -> None:
        """Appends to the open file."""
        self._writing.put(lambda: self._write(data))

    def close(self) -> None:
        """Ends the open file. It is on the disk when the ``with`` block has ended."""
        self._writing.put(self._close)

    def _open(self, name: str, size_bytes: int) -> None:
        path = self._target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._name, self._size_bytes = name, size_bytes
        self._digest, self._done_bytes, self._synced_bytes, self._reserved_bytes = hashlib.sha256(), 0, 0, 0
        self._file: BinaryIO = path.open("xb")
        self._open_files.add(self._file)

    def _write(self, data: memoryview) -> None:
        while self._reserved_bytes < self._done_bytes + len(data):
            self._reserve()
        for start in range(0, len(data), WRITTEN_BYTES):
            piece = data[start : start + WRITTEN_BYTES]
            self._file.write(piece)
            self._digest.update(piece)
        self._done_bytes += len(data)
        if self._done_bytes - self._synced_bytes >= _SYNCED_BYTES:
            self._synced_bytes = self._done_bytes
            self._file.flush()
            self._syncing.put((self._file, False))

    def _reserve(self) -> None:
        """Asks for the space of the next bytes: in steps, since an archive may claim any size."""
        start = self._reserved_bytes
        self._reserved_bytes += _RESERVED_BYTES
        size_bytes = min(self._reserved_bytes, self._size_bytes) - start
        if size_bytes >= _SMALL_BYTES:
            reserve(self._file.fileno(), start, size_bytes)

    def _close(self) -> None:
        self._file.flush()
        self.files[self._name] = (self._done_bytes, self._digest.hexdigest())
        self._syncing.put((self._file, True))

    def _sync(self, files: Iterator[tuple[BinaryIO, bool]]) -> None:
        for file, is_whole in files:
            os.fsync(file.fileno())
            if is_whole:
                file.close()
                self._open_files.discard(file)

    def _close_all(self) -> None:
        for file in tuple(self._open_files):
            with contextlib.suppress(OSError):
                file.close()


def _do_all(jobs: Iterator[Callable[[], object]]) -> None:
    for job in jobs:
        job()


def sync_folder(folder: Path) -> None:
    """Puts the names in a folder on the disk; Windows does that by itself and has no way to ask for it."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
