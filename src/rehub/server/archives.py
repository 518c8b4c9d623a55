"""Archives: the ``.tar.gz`` of each version, built on first demand and kept while the server runs."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from anyio import to_thread

from rehub.archive.writing import pack
from rehub.errors import UsageError

Fingerprint = tuple[tuple[str, int, int], ...]
"""Relative path, size in bytes and modification time in ns of every file."""


@dataclasses.dataclass(frozen=True)
class Archive:
    """A finished archive.

    Attributes:
        path: The file. Its modification time is that of the newest file inside.
        sha256: Hex digest of its bytes.
    """

    path: Path
    sha256: str


class ArchiveStore:
    """Builds each archive once and again when its folder has changed. One store belongs to one event loop.

    Worker processes do not share it: equal folders give equal bytes, so that their answers fit together.

    Args:
        spool: Where its own folder goes; None for the system's folder of temporary files.
    """

    def __init__(self, spool: Path | None) -> None:
        self._spool = tempfile.TemporaryDirectory(prefix="rehub-hub-", dir=spool)
        self._locks: dict[Path, asyncio.Lock] = {}
        self._built: dict[Path, tuple[Fingerprint, Archive]] = {}

    async def get(self, folder: Path) -> Archive:
        """Returns the archive of a version's folder; whoever asks while it is built waits for the same one.

        Raises:
            UsageError: If files change while they are read: the version is still being written.
            FormatError: If the folder holds links or devices, or names that clients refuse.
        """
        async with self._locks.setdefault(folder, asyncio.Lock()):
            now = await to_thread.run_sync(fingerprint_of, folder)
            known, archive = self._built.get(folder, (None, None))
            # A cleaner of temporary files may have been here since.
            if archive is None or known != now or not archive.path.exists():
                fresh = await to_thread.run_sync(self._build, folder, now)
                self._built[folder] = (now, fresh)
                if archive is not None:
                    archive.path.unlink(missing_ok=True)
                return fresh
            return archive

    def close(self) -> None:
        """Deletes all archives."""
        self._spool.cleanup()

    def _build(self, folder: Path, before: Fingerprint) -> Archive:
        Path(self._spool.name).mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self._spool.name, suffix=".tar.gz")
        path = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                hashing = _HashingWriter(file)
                pack(folder, cast(BinaryIO, hashing))
            if fingerprint_of(folder) != before:
                raise UsageError(f"{folder} changed while it was packed.", hint="Ask again when it is complete.")
        except BaseException:
            path.unlink()
            raise
        newest_ns = max((changed_ns for _, _, changed_ns in before), default=0)
        os.utime(path, ns=(newest_ns, newest_ns))
        return Archive(path, hashing.hexdigest())


class _HashingWriter:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.flush = file.flush

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        return self._file.write(data)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def fingerprint_of(folder: Path) -> Fingerprint:
    """Returns what changes when the files of a folder do."""
    return tuple(sorted(_files(folder, "")))


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
