"""Unpacking .tar.gz and .tar in one pass.

Reading trusts nothing: names, sizes and checksums are checked, nothing is written outside the target folder, and an
archive that ends early or goes on too long is an error.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from rehub.archive.disk import Disk, sync_folder
from rehub.archive.tar import BLOCK_BYTES, Blocks, Limits, Tar, damaged

try:
    from isal import isal_zlib
except ImportError:  # it has no wheel for every machine
    _zlib: Any = zlib
else:
    _zlib = isal_zlib

_LIMITS = Limits()
_CHUNK_BYTES = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"


class Readable(Protocol):
    """What can be unpacked: a file, a response, anything that gives bytes until it gives none."""

    def read(self, size: int, /) -> bytes:
        """Returns at most that many bytes, none at the end."""
        ...


@dataclasses.dataclass(frozen=True)
class Unpacked:
    """What came out of an archive.

    Attributes:
        files: Name in the model folder, with ``/``, to its size in bytes and its sha256.
        archive_sha256: Of the archive as it was read.
        archive_bytes: Its size.
    """

    files: Mapping[str, tuple[int, str]]
    archive_sha256: str
    archive_bytes: int


def unpack(stream: Readable, target: Path, limits: Limits = _LIMITS) -> Unpacked:
    """Unpacks a .tar.gz or .tar into an existing empty folder, in one pass over the stream.

    All files and folders are on the disk (fsync) when it returns. What was written stays there when it fails.

    Raises:
        FormatError: If the stream is no archive, is damaged, ends early or goes on after its end; if a member is not
            a regular file or folder, or its name would lead out of the target or hide another; if a limit is passed.
        OSError: If a file cannot be written.
    """
    raw = _Raw(stream)
    tar = Tar(Blocks(_inflated(raw, limits)), limits)
    with Disk(target) as disk:
        for name, size_bytes in tar.members():
            if size_bytes is None:
                disk.folder(name)
                continue
            disk.open(name)
            for piece in tar.content(size_bytes):
                disk.write(piece)
            disk.close()
    for folder, _, _ in os.walk(target):
        sync_folder(Path(folder))
    return Unpacked(disk.files, raw.sha256.hexdigest(), raw.count)


def looks_like_archive(start: bytes) -> bool:
    """Whether a stream that begins with these bytes (512 suffice) can be gzip or tar."""
    if start.startswith(_GZIP_MAGIC):
        return True
    try:
        tarfile.TarInfo.frombuf(start[:BLOCK_BYTES], "utf-8", "surrogateescape")
    except tarfile.TarError:
        return False
    return True


class _Raw:
    """Hashes and counts what is read through it."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self.sha256 = hashlib.sha256()
        self.count = 0

    def read(self) -> bytes:
        data = self._stream.read(_CHUNK_BYTES)
        self.sha256.update(data)
        self.count += len(data)
        return data


def _inflated(raw: _Raw, limits: Limits) -> Iterator[bytes]:
    """Gives the bytes of the tar, whether it is gzipped or not, until the stream ends."""
    data = raw.read()
    while len(data) < BLOCK_BYTES and (more := raw.read()):
        data += more
    if not looks_like_archive(data):
        raise damaged(f"begins with {data[:40]!r}, which is neither gzip nor tar")
    if data.startswith(_GZIP_MAGIC):
        yield from _gunzipped(data, raw, limits)
        return
    while data:
        yield data
        data = raw.read()


def _gunzipped(data: bytes, raw: _Raw, limits: Limits) -> Iterator[bytes]:
    count = 0
    while data.strip(b"\0"):
        # Several gzip members in a row are one stream (RFC 1952), zeros after the last one are padding.
        if not _GZIP_MAGIC.startswith(data[:2]):
            raise damaged("goes on after its end")
        member = _zlib.decompressobj(wbits=31)
        while not member.eof:
            try:
                out = member.decompress(data, _CHUNK_BYTES)
            except (zlib.error, _zlib.error) as error:
                raise damaged(f"has damaged compressed data ({error})") from error
            if not (data or out or member.eof):
                raise damaged("ends early, inside the compressed data")
            count += len(out)
            if count > limits.ratio_free_bytes + limits.ratio * raw.count:
                raise damaged(f"unpacks to more than {limits.ratio} times its size")
            yield out
            data = member.unconsumed_tail or (b"" if member.eof else raw.read())
        data = member.unused_data or raw.read()
    while data:
        if data.strip(b"\0"):
            raise damaged("goes on after its end")
        data = raw.read()
