"""Writing a bundle: cached models with their records in one tar.

It is laid out as a cache folder is: for each model first its record, then the manifest by which it was fetched, if it
was, then its files; in the end the notes of newest versions.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from rehub.cache import blocks, layout
from rehub.cache.inventory import Entry
from rehub.errors import ChecksumError
from rehub.formats.record import Latest, write_latest, write_record

_CHUNK_BYTES = 1 << 20


def pack(entries: Iterable[Entry], pointers: Mapping[PurePosixPath, Latest | None], out: BinaryIO) -> None:
    """Writes models into a tar, in one pass: it may go into a pipe.

    Args:
        entries: Whole models that rehub fetched.
        pointers: What is known of newest versions, by folder; what leads to none of these models is left out.
        out: Where the tar goes.

    Raises:
        ChecksumError: If a file is not what was fetched. The tar is cut off then, and nobody will take it for whole.
        OSError: If a file cannot be read, or the tar cannot be written.
    """
    packed = set()
    with tarfile.open(fileobj=out, mode="w|", bufsize=_CHUNK_BYTES, format=tarfile.PAX_FORMAT) as tar:
        for entry in entries:
            assert entry.leaf is not None, "tensorflow_hub notes nothing"
            assert entry.record is not None, "a model without its record is not whole"
            packed.add(entry.leaf.as_posix())
            _add(tar, layout.record(entry.leaf), write_record(entry.record))
            manifest = blocks.manifest_of(entry.folder, entry.record)
            if manifest is not None:
                _add(tar, layout.manifest(entry.leaf), manifest)
            for name, (size_bytes, sha256) in entry.record.files.items():
                _add_file(tar, entry, name, size_bytes, sha256)
        for folder, latest in pointers.items():
            if latest is not None and latest.leaf in packed:
                _add(tar, layout.pointer(folder), write_latest(latest))


def _add(tar: tarfile.TarFile, name: PurePosixPath, data: bytes) -> None:
    info = tarfile.TarInfo(str(name))
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _add_file(tar: tarfile.TarFile, entry: Entry, name: str, size_bytes: int, sha256: str) -> None:
    info = tarfile.TarInfo(f"{entry.leaf}/{name}")
    info.size = size_bytes
    with (entry.folder / name).open("rb") as file:
        reading: Any = _Hashed(file)  # tarfile wants no more than read()
        tar.addfile(info, reading)
    actual = reading.sha256.hexdigest()
    if actual != sha256:
        raise ChecksumError(
            f"the cached model {entry.handle} is damaged: {name} has sha256 {actual}, not {sha256}.",
            hint=f"Run: rehub cache verify --repair {entry.handle}",
            url=entry.handle,
            expected=sha256,
            actual=actual,
        )


class _Hashed:
    """Hashes what is read through it."""

    def __init__(self, file: BinaryIO) -> None:
        self.sha256 = hashlib.sha256()
        self._file = file

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.sha256.update(data)
        return data
