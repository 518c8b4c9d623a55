"""``variables.index``: which tensors a checkpoint holds, and where in its data shards.

The file is a table of sorted keys: blocks of entries whose keys leave out what they share with the key before, each
block followed by a type byte and a masked crc32c; at the end an index block and a footer of 48 bytes that points to it.
Source: the LevelDB table format, with TensorFlow's magic number; the values are tensor bundle messages.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import google_crc32c
from google.protobuf.message import DecodeError

from rehub.errors import FormatError
from rehub.formats import dtype, schema
from rehub.formats.whole_file import read_bytes

_FOOTER_BYTES = 48
_MAGIC = 0xDB4775248B80FB57
_TRAILER_BYTES = 5
_UNCOMPRESSED = 0
_MAX_KEYS_BYTES = 1 << 26
"""Bound for all keys together, unpacked: a million long names stay below it, a crafted file must not fill memory."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One tensor, or one slice of a partitioned one.

    Attributes:
        name: The key of the tensor.
        dtype: TensorFlow's name of the dtype.
        shape: The shape of the tensor, or of the slice.
        shard: Index of the data shard that holds the bytes.
        offset: Where they start.
        size_bytes: How many there are; 0 for a partitioned tensor, whose bytes belong to its slices.
        crc32c: Their masked checksum.
        is_slice: Whether this is a slice.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    shard: int
    offset: int
    size_bytes: int
    crc32c: int
    is_slice: bool


@dataclasses.dataclass(frozen=True)
class CheckpointIndex:
    """What a checkpoint holds.

    Attributes:
        path: The index file.
        num_shards: Number of data shards.
        is_big_endian: Byte order of the data.
        entries: Sorted by name; the slices of a partitioned tensor come first.
    """

    path: Path
    num_shards: int
    is_big_endian: bool
    entries: tuple[Entry, ...]

    def shard_name(self, entry: Entry) -> str:
        """Returns the name of the data shard that holds an entry."""
        return f"{self.path.stem}.data-{entry.shard:05d}-of-{self.num_shards:05d}"

    def shard_sizes(self) -> dict[str, int]:
        """Returns the number of bytes that each data shard must have at least, by file name."""
        sizes: dict[str, int] = {}
        for entry in self.entries:
            name = self.shard_name(entry)
            sizes[name] = max(sizes.get(name, 0), entry.offset + entry.size_bytes)
        return sizes


def read(path: Path) -> CheckpointIndex:
    """Reads an index file.

    Args:
        path: The file, such as ``variables/variables.index``.

    Raises:
        FormatError: If it cannot be read, is no checkpoint index, or is damaged.
    """
    try:
        data = read_bytes(path)
    except OSError as error:
        raise FormatError(
            f"'{path}' cannot be read: {error.strerror}.", hint="Check that it is a file you may read.", path=str(path)
        ) from error
    try:
        return _parse(path, data)
    except (DamagedError, DecodeError) as error:
        reason = "an entry is no valid message" if isinstance(error, DecodeError) else str(error)
        raise FormatError(
            f"'{path}' is not a whole checkpoint index: {reason}.",
            hint="Fetch the model again, or ask its publisher for another export.",
            path=str(path),
        ) from error


def masked(crc32c: int) -> int:
    """Returns a Castagnoli checksum as files hold it: changed so that a checksum over checksums stays a good one."""
    return ((crc32c >> 15 | crc32c << 17) + 0xA282EAD8) & 0xFFFFFFFF


class DamagedError(Exception):
    """What is wrong with the bytes; becomes a FormatError where the file's name is known."""


def _parse(path: Path, data: bytes) -> CheckpointIndex:
    rows = _rows(data)
    key, value = next(rows, (None, b""))
    if key != b"":
        raise DamagedError("its header is missing")
    header = schema.parse("tensorflow.BundleHeaderProto", value)
    if header.num_shards < 1:
        raise DamagedError(f"it has {header.num_shards} data shards")
    entries = tuple(_entry(key, value, header.num_shards) for key, value in rows)
    return CheckpointIndex(path, header.num_shards, header.endianness == 1, entries)


def _entry(key: bytes, value: bytes, num_shards: int) -> Entry:
    message = schema.parse("tensorflow.BundleEntryProto", value)
    is_slice = key.startswith(b"\0")
    try:
        name = (_name_of_slice(key) if is_slice else key).decode()
    except UnicodeDecodeError:
        raise DamagedError(f"the key {key[:80]!r} is no text") from None
    if not 0 <= message.shard_id < num_shards:
        raise DamagedError(f"'{name[:80]}' is in shard {message.shard_id} of {num_shards}")
    if message.offset < 0 or message.size < 0:
        raise DamagedError(f"'{name[:80]}' has offset {message.offset} and size {message.size}")
    return Entry(
        name=name,
        dtype=dtype.name(message.dtype),
        shape=tuple(dim.size for dim in message.shape.dim),
        shard=message.shard_id,
        offset=message.offset,
        size_bytes=message.size,
        crc32c=message.crc32c,
        is_slice=is_slice,
    )


def _name_of_slice(key: bytes) -> bytes:
    """The tensor's name in the key of a slice: behind a zero byte, ended by 00 01; where the slice lies follows."""
    name, end, _ = key[1:].partition(b"\0\x01")
    if not end:
        raise DamagedError(f"the key {key[:80]!r} of a slice has no end")
    return name


def _rows(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    if len(data) < _FOOTER_BYTES:
        raise DamagedError(f"it has {len(data)} bytes, its footer alone has {_FOOTER_BYTES}")
    footer = data[-_FOOTER_BYTES:]
    if int.from_bytes(footer[-8:], "little") != _MAGIC:
        raise DamagedError("it does not end in the magic number of its format")
    _, _, at = _handle(footer, 0)
    index_offset, index_size, _ = _handle(footer, at)
    last_key, end, keys_bytes = None, 0, 0
    for _, _, value in _block_entries(_block(data, index_offset, index_size)):
        offset, size, _ = _handle(value, 0)
        # Blocks that are read once each keep the time for a crafted file in proportion to its length.
        if offset < end:
            raise DamagedError("its blocks overlap")
        end = offset + size
        key = b""
        for shared, rest, row in _block_entries(_block(data, offset, size)):
            if shared > len(key):
                raise DamagedError("a key shares more than the key before it has")
            key = key[:shared] + rest
            keys_bytes += len(key)
            if keys_bytes > _MAX_KEYS_BYTES:
                raise DamagedError(f"its keys have more than {_MAX_KEYS_BYTES} bytes")
            if last_key is not None and key <= last_key:
                raise DamagedError(f"the key {key[:80]!r} is out of order")
            last_key = key
            yield key, row


def _block(data: bytes, offset: int, size: int) -> bytes:
    end = offset + size
    if end + _TRAILER_BYTES > len(data) - _FOOTER_BYTES:
        raise DamagedError(f"a block ends at byte {end + _TRAILER_BYTES}, the file has {len(data)}")
    stored = int.from_bytes(data[end + 1 : end + _TRAILER_BYTES], "little")
    if masked(google_crc32c.value(data[offset : end + 1])) != stored:
        raise DamagedError(f"the checksum of the block at byte {offset} is wrong")
    if data[end] != _UNCOMPRESSED:
        raise DamagedError(f"the block at byte {offset} is compressed (type {data[end]}), which is not supported")
    return data[offset:end]


def _block_entries(block: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """How many bytes each key shares with the one before, the rest of the key, and the value.

    Behind them stand the places of the keys that share nothing, 4 bytes each, and the number of these.
    """
    if len(block) < 4:
        raise DamagedError(f"a block has only {len(block)} bytes")
    end = len(block) - 4 - 4 * int.from_bytes(block[-4:], "little")
    if end < 0:
        raise DamagedError("a block is shorter than the table at its end")
    at = 0
    while at < end:
        shared, at = varint(block, at)
        unshared, at = varint(block, at)
        value_size, at = varint(block, at)
        value_at = at + unshared
        if value_at + value_size > end:
            raise DamagedError("an entry is longer than its block")
        yield shared, block[at:value_at], block[value_at : value_at + value_size]
        at = value_at + value_size


def _handle(data: bytes, at: int) -> tuple[int, int, int]:
    offset, at = varint(data, at)
    size, at = varint(data, at)
    return offset, size, at


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Reads a number of 7 bits a byte, and returns it and where the next one starts.

    Raises:
        DamagedError: If it has no end.
    """
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise DamagedError("a number is cut off")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise DamagedError("a number has more than 64 bits")
