"""Manifests: by what clients fetch a version block by block; computed on first demand, kept while the server runs."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path

from anyio import to_thread

from rehub.archive.members import Member, members
from rehub.errors import UsageError
from rehub.formats.manifest import BLOCK_BYTES, Manifest, ManifestFile, write_manifest
from rehub.server.archives import Fingerprint, fingerprint_of

_PIECE_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True)
class Published:
    """A finished manifest.

    Attributes:
        data: Its bytes.
        sha256: Hex digest of them.
        files: What it says, by the name of each file.
    """

    data: bytes
    sha256: str
    files: Mapping[str, ManifestFile]


class ManifestStore:
    """Computes each manifest once and again when its folder has changed. One store belongs to one event loop.

    Worker processes do not share it: equal folders give equal bytes.
    """

    def __init__(self) -> None:
        self._locks: dict[Path, asyncio.Lock] = {}
        self._known: dict[Path, tuple[Fingerprint, Published]] = {}

    async def get(self, folder: Path) -> Published:
        """Returns the manifest of a version's folder; whoever asks while it is computed waits for the same one.

        Raises:
            UsageError: If files change while they are read: the version is still being written.
            FormatError: If the folder holds links or devices, or names that clients refuse.
        """
        async with self._locks.setdefault(folder, asyncio.Lock()):
            now = await to_thread.run_sync(fingerprint_of, folder)
            before, published = self._known.get(folder, (None, None))
            if published is None or before != now:
                published = await to_thread.run_sync(_compute, folder, now)
                self._known[folder] = (now, published)
            return published


def _compute(folder: Path, before: Fingerprint) -> Published:
    found = tuple(members(folder))
    files = tuple(_file(member) for member in found if not member.is_folder)
    if fingerprint_of(folder) != before:
        raise UsageError(f"{folder} changed while it was read.", hint="Ask again when it is complete.")
    data = write_manifest(Manifest(files))
    return Published(data, hashlib.sha256(data).hexdigest(), {file.name: file for file in files})


def _file(member: Member) -> ManifestFile:
    whole, block = hashlib.sha256(), hashlib.sha256()
    blocks, size_bytes = [], 0
    buffer = memoryview(bytearray(_PIECE_BYTES))
    with member.path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer[: _PIECE_BYTES - size_bytes % _PIECE_BYTES]):
            whole.update(buffer[:count])
            block.update(buffer[:count])
            size_bytes += count
            if size_bytes % BLOCK_BYTES == 0:
                blocks.append(block.hexdigest())
                block = hashlib.sha256()
    if size_bytes % BLOCK_BYTES:
        blocks.append(block.hexdigest())
    return ManifestFile(member.name, size_bytes, whole.hexdigest(), tuple(blocks))
