"""The sha256 of files, and the pin of a model: the one digest over all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

_CHUNK_BYTES = 1 << 20


def fingerprint(files: Mapping[str, tuple[int, str]]) -> str:
    """Returns the pin of a model: the sha256 of the sorted lines ``sha256  path`` of all its files."""
    lines = sorted(f"{sha256}  {name}\n" for name, (_, sha256) in files.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def measure(folder: Path) -> dict[str, tuple[int, str]]:
    """Returns size and sha256 of each file of a folder, by its name with ``/``.

    Raises:
        OSError: If a file cannot be read.
    """
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_size, sha256_of(path))
        for path in folder.rglob("*")
        if path.is_file()
    }


def sha256_of(path: Path) -> str:
    """Returns the sha256 of a file.

    Raises:
        OSError: If it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
