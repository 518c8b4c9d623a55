"""Writing a model folder as a reproducible .tar.gz."""

from __future__ import annotations

import gzip
import os
import tarfile
from pathlib import Path
from typing import BinaryIO

from rehub.errors import FormatError

_CHUNK_BYTES = 1 << 20


def pack(folder: Path, out: BinaryIO) -> None:
    """Writes a folder as .tar.gz: the same folder gives the same bytes on every machine.

    Raises:
        FormatError: If the folder holds a link, a device or a pipe.
    """
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=out, mtime=0) as zipped,
        tarfile.TarFile(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT, copybufsize=_CHUNK_BYTES) as tar,
    ):
        _pack_folder(tar, folder, ".")


def _pack_folder(tar: tarfile.TarFile, folder: Path, name: str) -> None:
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        info = tarfile.TarInfo(f"{name}/{entry.name}")
        if entry.is_dir(follow_symlinks=False):
            info.type = tarfile.DIRTYPE
            info.mode = 0o755
            tar.addfile(info)
            _pack_folder(tar, Path(entry.path), info.name)
        elif entry.is_file(follow_symlinks=False):
            with Path(entry.path).open("rb") as file:
                info.size = os.fstat(file.fileno()).st_size
                tar.addfile(info, file)
        else:
            raise FormatError(
                f"{entry.path} is neither a regular file nor a folder.",
                hint="Put a copy of the file there: archives of models hold no links.",
                path=entry.path,
            )
