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
from rehub.archive.stage import Stage
from rehub.archive.tar import BLOCK_BYTES, Blocks, Limits, Tar, damaged

try:
    from isal import isal_zlib
except ImportError:  # it has no wheel for every machine
    _zlib: Any = zlib
else:
    _zlib = isal_zlib

_LIMITS = Limits()
_CHUNK_BYTES = 1 << 20
_PIECE_BYTES = 1 << 14
_SURPLUS_BYTES = 4 << 20  # of an archive beyond what it unpacks to
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

    The stream is read, and the archive hashed, on the caller's thread; inflating, writing and syncing have threads of
    their own. All files and folders are on the disk (fsync) when it returns. What was written stays there when it
    fails.

    Raises:
        FormatError: If the stream is no archive, is damaged, ends early or goes on after its end; if a member is not
            a regular file or folder, or its name would lead out of the target or hide another; if a limit is passed.
        OSError: If a file cannot be written.
    """
    digest, count = hashlib.sha256(), 0
    with Disk(target) as disk, Stage[bytes](lambda chunks: _unpack(chunks, disk, limits), "rehub-inflate") as inflating:
        while data := stream.read(_CHUNK_BYTES):
            inflating.put(data)
            digest.update(data)
            count += len(data)
    for folder, _, _ in os.walk(target):
        sync_folder(Path(folder))
    return Unpacked(disk.files, digest.hexdigest(), count)


def looks_like_archive(start: bytes) -> bool:
    """Whether a stream that begins with these bytes (512 suffice) can be gzip or tar."""
    if start.startswith(_GZIP_MAGIC):
        return True
    try:
        tarfile.TarInfo.frombuf(start[:BLOCK_BYTES], "utf-8", "surrogateescape")
    except tarfile.TarError:
        return False
    return True


def _unpack(chunks: Iterator[bytes], disk: Disk, limits: Limits) -> None:
    tar = Tar(Blocks(_inflated(_Raw(chunks), limits)), limits)
    for name, size_bytes in tar.members():
        if size_bytes is None:
            disk.folder(name)
            continue
        disk.open(name, size_bytes)
        for piece in tar.content(size_bytes):
            disk.write(piece)
        disk.close()


class _Raw:
    """The archive, in pieces that are as long as is wanted at most, and how much of it was read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._chunk = b""
        self._at = 0
        self.count = 0

    def start(self) -> bytes:
        """Returns the first block, which stays there to be read."""
        while len(self._chunk) < BLOCK_BYTES and (more := next(self._chunks, b"")):
            self._chunk += more
        return self._chunk[:BLOCK_BYTES]

    def read(self, limit_bytes: int = _CHUNK_BYTES) -> bytes:
        if self._at == len(self._chunk):
            self._chunk, self._at = next(self._chunks, b""), 0
        data = self._chunk[self._at : self._at + limit_bytes]
        self._at += len(data)
        self.count += len(data)
        return data

    def unread(self, count: int) -> None:
        """Gives back the end of what was read last."""
        self._at -= count
        self.count -= count


def _inflated(raw: _Raw, limits: Limits) -> Iterator[bytes]:
    """Gives the bytes of the tar, whether it is gzipped or not, until the stream ends."""
    start = raw.start()
    if not looks_like_archive(start):
        raise damaged(f"begins with {start[:40]!r}, which is neither gzip nor tar")
    if start.startswith(_GZIP_MAGIC):
        yield from _gunzipped(raw, limits)
        return
    while data := raw.read():
        yield data


def _gunzipped(raw: _Raw, limits: Limits) -> Iterator[bytes]:
    count, piece_bytes = 0, _CHUNK_BYTES
    # Several gzip members in a row are one stream (RFC 1952), zeros after the last one are padding.
    while (data := raw.read(piece_bytes)).strip(b"\0"):
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
            _check_ratio(count, raw.count, limits)
            yield out
            data = member.unconsumed_tail or (b"" if member.eof else raw.read(piece_bytes))
        # A member copies what follows it, which for many short ones takes long unless that is little.
        raw.unread(len(member.unused_data))
        piece_bytes = _PIECE_BYTES
    while data:
        if data.strip(b"\0"):
            raise damaged("goes on after its end")
        _check_ratio(count, raw.count, limits)
        data = raw.read()


def _check_ratio(unpacked_bytes: int, archive_bytes: int, limits: Limits) -> None:
    if unpacked_bytes > limits.ratio_free_bytes + limits.ratio * archive_bytes:
        raise damaged(f"unpacks to more than {limits.ratio} times its size")
    # An archive without end: empty gzip members in a row, the name of a file in their header, zeros after the last one.
    if archive_bytes > _SURPLUS_BYTES + 2 * unpacked_bytes:
        raise damaged(f"unpacks to {unpacked_bytes} bytes, and goes on after {archive_bytes}")
