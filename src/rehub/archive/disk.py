"""Writing files to the disk, hashed and synced."""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


class Disk:
    """Hashes and writes files on its own thread, while the next bytes are received and inflated."""

    def __init__(self, target: Path) -> None:
        self.files: dict[str, tuple[int, str]] = {}
        self._target = target
        self._jobs: queue.Queue[Callable[[], object] | None] = queue.Queue(maxsize=16)
        self._error: Exception | None = None
        self._file: BinaryIO | None = None
        self._name = ""
        self._thread = threading.Thread(target=self._work, name="rehub-unpack", daemon=True)

    def __enter__(self) -> Disk:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._jobs.put(None)
        self._thread.join()
        if kind is None and self._error is not None:
            raise self._error

    def folder(self, name: str) -> None:
        """Makes a folder."""
        self._do(lambda: (self._target / name).mkdir(parents=True, exist_ok=True))

    def open(self, name: str) -> None:
        """Begins a file that must not exist."""
        self._do(lambda: self._open(name))

    def write(self, data: memoryview) -> None:
        """Appends to the open file."""
        self._do(lambda: self._write(data))

    def close(self) -> None:
        """Ends the open file, which is on the disk then."""
        self._do(self._close)

    def _do(self, job: Callable[[], object]) -> None:
        if self._error is not None:
            raise self._error
        self._jobs.put(job)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self._error is None:
                try:
                    job()
                except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
                    self._error = error
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()

    def _open(self, name: str) -> None:
        path = self._target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._name, self._digest, self._size_bytes = name, hashlib.sha256(), 0
        self._file = path.open("xb")

    def _write(self, data: memoryview) -> None:
        assert self._file is not None
        self._file.write(data)
        self._digest.update(data)
        self._size_bytes += len(data)

    def _close(self) -> None:
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._file = None
        self.files[self._name] = (self._size_bytes, self._digest.hexdigest())


def sync_folder(folder: Path) -> None:
    """Puts the names in a folder on the disk; Windows does that by itself and has no way to ask for it."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
