"""Writing a model folder as a reproducible .tar.gz."""

from __future__ import annotations

import gzip
import os
import tarfile
from pathlib import Path
from typing import BinaryIO

from rehub.archive.members import members

_CHUNK_BYTES = 1 << 20


def pack(folder: Path, out: BinaryIO) -> None:
    """Writes a folder as .tar.gz: the same folder gives the same bytes on every machine.

    Raises:
        FormatError: If the folder holds what nobody would unpack: a link, a device, or a name that clients refuse.
            Nothing is written then.
    """
    found = tuple(members(folder))
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=out, mtime=0) as zipped,
        tarfile.TarFile(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT, copybufsize=_CHUNK_BYTES) as tar,
    ):
        for member in found:
            info = tarfile.TarInfo(f"./{member.name}")
            if member.is_folder:
                info.type = tarfile.DIRTYPE
                info.mode = 0o755
                tar.addfile(info)
            else:
                with member.path.open("rb") as file:
                    info.size = os.fstat(file.fileno()).st_size
                    tar.addfile(info, file)
