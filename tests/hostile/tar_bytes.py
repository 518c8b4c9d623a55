"""Writes tar and gzip byte by byte, good and bad, by code that shares nothing with the reader."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping

END = bytes(1024)


def octal(value: int, width: int) -> bytes:
    return b"%0*o\0" % (width - 1, value)


def base_256(value: int, width: int = 12) -> bytes:
    """A number as GNU tar writes those that octal digits cannot hold, also negative ones."""
    return (value & (1 << 8 * width) - 1 | (0x80 << 8 * (width - 1))).to_bytes(width, "big")


def member(
    name: bytes,
    content: bytes = b"",
    *,
    kind: bytes = b"0",
    size: int | bytes | None = None,
    link: bytes = b"",
    magic: bytes = b"ustar\x0000",
    checksum: bytes = b"",
    prefix: bytes = b"",
    device: bytes = b"",
) -> bytes:
    """One header with its content; ``size`` and ``checksum`` stand there whether they are right or not."""
    size = len(content) if size is None else size
    fields = [
        (name, 100),
        (octal(0o644, 8), 8),
        (octal(0, 8), 8),
        (octal(0, 8), 8),
        (octal(size, 12) if isinstance(size, int) else size, 12),
        (octal(0, 12), 12),
        (b" " * 8, 8),
        (kind, 1),
        (link, 100),
        (magic, 8),
        (b"", 32),
        (b"", 32),
        (device, 16),
        (prefix, 155),
    ]
    assert all(len(value) <= width for value, width in fields)
    block = b"".join(value.ljust(width, b"\0") for value, width in fields).ljust(512, b"\0")
    block = block[:148] + (checksum or b"%06o\0 " % sum(block)) + block[156:]
    return block + content + bytes(-len(content) % 512)


def folder(name: bytes) -> bytes:
    return member(name, kind=b"5")


def pax_record(key: bytes, value: bytes) -> bytes:
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest) + 1
    while len(b"%d" % length) + len(rest) != length:
        length += 1
    return b"%d" % length + rest


def pax(*records: tuple[bytes, bytes], kind: bytes = b"x") -> bytes:
    return member(b"PaxHeaders/x", b"".join(pax_record(*record) for record in records), kind=kind)


def long_name(name: bytes, kind: bytes = b"L") -> bytes:
    return member(b"././@LongLink", name + b"\0", kind=kind, magic=b"ustar  \0")


def files(contents: Mapping[str, bytes]) -> bytes:
    """The members of these files, without an end mark."""
    return b"".join(member(name.encode(), data) for name, data in contents.items())


def zipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def zipped_zeros(start: bytes, size: int) -> bytes:
    """A gzip of some bytes and many zeros, made without compressing them all: and so without a good checksum."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    zeros = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + first + zeros * (size >> 20) + packer.flush() + bytes(8)
