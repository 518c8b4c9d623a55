"""Writing a model as a reproducible .tar.gz: the same files give the same bytes, from wherever they come."""

from __future__ import annotations

import dataclasses
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from rehub.archive.members import members
from rehub.errors import FormatError

_PIECE_BYTES = 1 << 20
_GZIP_HEADER = b"\x1f\x8b\x08\x00" + bytes(4) + b"\x04\xff"  # no name, no time, fastest, no operating system. RFC 1952


@dataclasses.dataclass(frozen=True)
class PackedFile:
    """A file to pack.

    Attributes:
        name: In the model folder, with ``/``.
        size_bytes: Its size.
        chunks: Begins to read it, and gives its bytes.
    """

    name: str
    size_bytes: int
    chunks: Callable[[], Iterable[bytes]]


def pack(folder: Path, out: BinaryIO) -> None:
    """Writes a folder as .tar.gz, with the folders in it that are empty.

    Raises:
        FormatError: If the folder holds what nobody would unpack: a link, a device, or a name that clients refuse; then
            nothing is written. If a file changes meanwhile.
    """
    found = tuple(members(folder))
    for chunk in _zipped(_tar(each.name if each.is_folder else _on_disk(each.path, each.name) for each in found)):
        out.write(chunk)


def packed(files: Iterable[PackedFile]) -> Iterator[bytes]:
    """Gives a .tar.gz piece by piece: the bytes that `pack` writes for a folder of these files.

    Args:
        files: In any order, under names that fit into one folder.

    Raises:
        FormatError: If a file has more bytes than its size, or fewer.
    """
    return _zipped(_tar(_with_folders(files)))


def _on_disk(path: Path, name: str) -> PackedFile:
    def chunks() -> Iterator[bytes]:
        with path.open("rb") as file:
            while data := file.read(_PIECE_BYTES):
                yield data

    return PackedFile(name, path.stat().st_size, chunks)


def _with_folders(files: Iterable[PackedFile]) -> Iterator[PackedFile | str]:
    known: set[str] = set()
    for file in sorted(files, key=lambda file: file.name.split("/")):
        segments = file.name.split("/")
        for depth in range(1, len(segments)):
            folder = "/".join(segments[:depth])
            if folder not in known:
                known.add(folder)
                yield folder
        yield file


def _tar(members: Iterable[PackedFile | str]) -> Iterator[bytes]:
    """Gives a tar: ustar, with pax headers for what does not fit. Source: POSIX.1-2017, pax."""
    size_bytes = 0
    for member in members:
        info = tarfile.TarInfo(f"./{member if isinstance(member, str) else member.name}")
        if isinstance(member, str):
            info.type, info.mode = tarfile.DIRTYPE, 0o755
        else:
            info.size = member.size_bytes
        header = info.tobuf(tarfile.PAX_FORMAT)
        yield header
        size_bytes += len(header)
        if isinstance(member, PackedFile):
            yield from _content(member)
            padding = -member.size_bytes % tarfile.BLOCKSIZE
            yield bytes(padding)
            size_bytes += member.size_bytes + padding
    end = 2 * tarfile.BLOCKSIZE
    yield bytes(end + -(size_bytes + end) % tarfile.RECORDSIZE)


def _content(file: PackedFile) -> Iterator[bytes]:
    count = 0
    for chunk in file.chunks():
        count += len(chunk)
        if count > file.size_bytes:
            break
        yield chunk
    if count != file.size_bytes:
        raise FormatError(
            f"'{file.name}' had {file.size_bytes} bytes, and has {'more' if count > file.size_bytes else count} now.",
            hint="Pack it again when nobody writes to it.",
            member=file.name,
        )


def _zipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    deflate = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    checksum = size_bytes = 0
    yield _GZIP_HEADER
    for piece in _even(chunks):
        checksum = zlib.crc32(piece, checksum)
        size_bytes += len(piece)
        yield deflate.compress(piece)
    yield deflate.flush() + checksum.to_bytes(4, "little") + (size_bytes % 2**32).to_bytes(4, "little")


def _even(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Cuts a stream into equal pieces: what comes out of some builds of zlib depends on what goes in at a time."""
    gathered = bytearray()
    for chunk in chunks:
        gathered += chunk
        while len(gathered) >= _PIECE_BYTES:
            yield bytes(gathered[:_PIECE_BYTES])
            del gathered[:_PIECE_BYTES]
    if gathered:
        yield bytes(gathered)
