"""Unpacking."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

from rehub.archive.reading import Readable, unpack
from rehub.errors import FormatError

_BUFFER_BYTES = 10 << 20


def extract_file(
    tgz: tarfile.TarFile,
    tarinfo: tarfile.TarInfo,
    dst_path: str,
    buffer_size: int = _BUFFER_BYTES,
    log_function: Callable[[int], object] | None = None,
) -> None:
    """Writes one file of an open archive.

    Args:
        tgz: The archive.
        tarinfo: The member.
        dst_path: The path of the new file.
        buffer_size: How many bytes are copied at a time.
        log_function: Called with the size in bytes.

    Raises:
        FormatError: If the member is no regular file.
    """
    source = tgz.extractfile(tarinfo)
    if source is None or not tarinfo.isreg():
        raise FormatError(f"{tarinfo.name!r} in the archive is no file.", hint="Leave it out.", member=tarinfo.name)
    with source, Path(dst_path).open("wb") as file:
        shutil.copyfileobj(source, file, buffer_size)
    if log_function is not None:
        log_function(tarinfo.size)


def extract_tarfile_to_destination(
    fileobj: Readable, dst_path: str, log_function: Callable[[int], object] | None = None
) -> None:
    """Unpacks a .tar.gz or .tar into an empty folder, which is made if it is not there.

    Args:
        fileobj: The archive.
        dst_path: The folder.
        log_function: Called with the size in bytes of each file.

    Raises:
        FormatError: If it is no archive, or a damaged or unsafe one.
    """
    Path(dst_path).mkdir(parents=True, exist_ok=True)
    for size_bytes, _ in unpack(fileobj, Path(dst_path)).files.values():
        if log_function is not None:
            log_function(size_bytes)


def merge_relative_path(dst_path: str, rel_path: str) -> str:
    """Returns the path of a member of an archive in a folder.

    Raises:
        FormatError: If it would be outside of the folder.
    """
    inside = os.path.normpath(rel_path.lstrip("/"))
    if Path(inside).parts[:1] == (os.pardir,):
        raise FormatError(
            f"Relative path {rel_path!r} is invalid.", hint="It leads out of the folder.", member=rel_path
        )
    return dst_path if inside == os.curdir else os.path.join(dst_path, inside)  # noqa: PTH118 - as it was written
