"""Archives: the ``.tar.gz`` of each plain version, built on first demand and kept while the server runs."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import tempfile
from pathlib import Path
from typing import BinaryIO, cast

from rehub.archive.writing import pack
from rehub.cache.process_folder import process_folder
from rehub.server.fingerprints import Fingerprint, PerFolder, check_unchanged


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
    """Builds archives. One store belongs to one event loop.

    Attributes:
        folder: Its own, for what goes with it; a cleaner of temporary files may remove it.

    Args:
        spool: Where its own folder goes; None for the system's folder of temporary files.
    """

    def __init__(self, spool: Path | None) -> None:
        self._open = contextlib.ExitStack()
        self.folder = self._open.enter_context(process_folder("rehub-hub-", spool))
        # A cleaner of temporary files may have been there.
        self._built: PerFolder[Archive] = PerFolder(self._build, is_there=_is_there, discard=_discard)

    async def get(self, folder: Path) -> Archive:
        """Returns the archive of a version's folder.

        Raises:
            UsageError: If files change while they are read: the version is still being written.
            FormatError: If the folder holds links or devices, or names that clients refuse.
        """
        return await self._built.get(folder)

    def close(self) -> None:
        """Deletes all archives."""
        self._open.close()

    def _build(self, folder: Path, before: Fingerprint) -> Archive:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self.folder, suffix=".tar.gz")
        path = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                hashing = _HashingWriter(file)
                pack(folder, cast(BinaryIO, hashing))
            check_unchanged(folder, before)
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


def _is_there(archive: Archive) -> bool:
    return archive.path.exists()


def _discard(archive: Archive) -> None:
    archive.path.unlink(missing_ok=True)
