"""Writes checkpoint indexes for tests, good and bad ones, by code that shares nothing with the reader."""

from __future__ import annotations

from collections.abc import Sequence

from rehub.formats import schema

MAGIC = bytes.fromhex("57fb808b247547db")

Row = tuple[bytes, bytes]


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 * (crc & 1))
    return crc ^ 0xFFFFFFFF


def masked(crc: int) -> int:
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) % 2**32


def block(rows: Sequence[Row], *, restart_interval: int = 16) -> bytes:
    out, restarts, last = bytearray(), [], b""
    for place, (key, value) in enumerate(rows):
        shared = 0
        if place % restart_interval == 0:
            restarts.append(len(out))
        else:
            while shared < min(len(key), len(last)) and key[shared] == last[shared]:
                shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    for restart in restarts or [0]:
        out += restart.to_bytes(4, "little")
    return bytes(out) + max(len(restarts), 1).to_bytes(4, "little")


def with_trailer(content: bytes, *, kind: int = 0) -> bytes:
    content += bytes([kind])
    return content + masked(crc32c(content)).to_bytes(4, "little")


def table(blocks: Sequence[bytes], *, kind: int = 0) -> bytes:
    """A table of these data blocks; ``kind`` is their compression type."""
    out, handles = b"", []
    for content in blocks:
        handles.append((b"\xff" * 8, varint(len(out)) + varint(len(content))))
        out += with_trailer(content, kind=kind)
    return with_index(out, handles)


def with_index(data: bytes, handles: Sequence[Row]) -> bytes:
    meta = block([])
    meta_handle = varint(len(data)) + varint(len(meta))
    data += with_trailer(meta)
    index = block(handles, restart_interval=1)
    footer = (meta_handle + varint(len(data)) + varint(len(index))).ljust(40, b"\0") + MAGIC
    return data + with_trailer(index) + footer


def header(num_shards: int = 1) -> Row:
    return b"", schema.message("tensorflow.BundleHeaderProto")(num_shards=num_shards).SerializeToString()


def entry(key: bytes, **fields: int) -> Row:
    return key, schema.message("tensorflow.BundleEntryProto")(**fields).SerializeToString()
