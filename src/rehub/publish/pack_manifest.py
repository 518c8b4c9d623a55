"""The manifest of a model folder: its files, hashed as a whole and in blocks."""

from __future__ import annotations

import hashlib
from pathlib import Path

from rehub.archive.members import members
from rehub.formats.manifest import BLOCK_BYTES, Manifest, ManifestFile

_PIECE_BYTES = 1 << 20


def folder_manifest(folder: Path) -> Manifest:
    """Reads all files of a folder.

    Raises:
        FormatError: If the folder holds a link, a device or a pipe, or a name that clients refuse.
        OSError: If a file cannot be read.
    """
    names = sorted(member.name for member in members(folder) if not member.is_folder)
    return Manifest(tuple(_file(folder, name) for name in names))


def _file(folder: Path, name: str) -> ManifestFile:
    whole, block = hashlib.sha256(), hashlib.sha256()
    blocks, size_bytes = list[str](), 0
    buffer = memoryview(bytearray(_PIECE_BYTES))
    with (folder / name).open("rb", buffering=0) as file:
        while count := file.readinto(buffer[: _PIECE_BYTES - size_bytes % _PIECE_BYTES]):
            whole.update(buffer[:count])
            block.update(buffer[:count])
            size_bytes += count
            if size_bytes % BLOCK_BYTES == 0:
                blocks.append(block.hexdigest())
                block = hashlib.sha256()
    if size_bytes % BLOCK_BYTES:
        blocks.append(block.hexdigest())
    return ManifestFile(name, size_bytes, whole.hexdigest(), tuple(blocks))
