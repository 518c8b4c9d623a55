"""The data shards of a checkpoint, checked against the sums in its index.

Source: TensorFlow's tensor bundle format. The sum of numbers is over their bytes. Strings are stored as their lengths,
a sum over these, and their bytes; their sum is over the lengths as 4 bytes each (8 for those of 4 GiB and more), the
stored sum, and their bytes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import BinaryIO

import google_crc32c

from rehub.formats import dtype
from rehub.formats.checkpoint_index import CheckpointIndex, DamagedError, Entry, masked, varint

_CHUNK_BYTES = 1 << 22
_MAX_RANK = 254


@dataclasses.dataclass(frozen=True)
class DamagedEntry:
    """A tensor whose bytes are not those that were saved.

    Attributes:
        entry: As the index has it.
        shard: Name of the file that holds it.
        what: What is wrong.
    """

    entry: Entry
    shard: str
    what: str


def check(index: CheckpointIndex) -> Iterator[DamagedEntry]:
    """Reads all shards, and yields the tensors that are damaged, in the order of the files.

    Tensors of the dtype variant have sums that are not documented; only that their bytes are there is checked.
    """
    shards: dict[str, list[Entry]] = {}
    for entry in sorted(index.entries, key=lambda entry: (entry.shard, entry.offset)):
        shards.setdefault(index.shard_name(entry), []).append(entry)
    for name, entries in shards.items():
        try:
            with (index.path.parent / name).open("rb") as file:
                for entry in entries:
                    what = _difference(entry, file, index.is_big_endian)
                    if what:
                        yield DamagedEntry(entry, name, what)
        except OSError as error:
            for entry in entries:
                if entry.size_bytes:
                    yield DamagedEntry(entry, name, f"cannot be read ({error.strerror})")


def _difference(entry: Entry, file: BinaryIO, is_big_endian: bool) -> str:
    """What is wrong with a tensor; empty when nothing is."""
    item = dtype.item_bytes(entry.dtype)
    if item is not None and entry.size_bytes and item * _count(entry) != entry.size_bytes:
        return f"has {entry.size_bytes} bytes, its shape needs {item * _count(entry)}"
    file.seek(0, 2)
    if file.tell() < entry.offset + entry.size_bytes:
        return f"ends at byte {entry.offset + entry.size_bytes}, the file at {file.tell()}"
    file.seek(entry.offset)
    try:
        if entry.dtype == "string":
            found = _sum_of_strings(file.read(entry.size_bytes), _count(entry), is_big_endian)
        elif item is not None:
            found = _sum(file, entry.size_bytes)
        else:
            return ""
    except DamagedError as error:
        return str(error)
    if entry.size_bytes and masked(found) != entry.crc32c:
        return f"has the checksum {masked(found):08x} instead of {entry.crc32c:08x}"
    return ""


def _sum(file: BinaryIO, size_bytes: int) -> int:
    found = 0
    while size_bytes > 0 and (chunk := file.read(min(size_bytes, _CHUNK_BYTES))):
        found = google_crc32c.extend(found, chunk)
        size_bytes -= len(chunk)
    return found


def _sum_of_strings(data: bytes, count: int, is_big_endian: bool) -> int:
    order = "big" if is_big_endian else "little"
    lengths, at = bytearray(), 0
    total = 0
    if count > len(data):
        raise DamagedError(f"has {len(data)} bytes, too few for {count} strings")
    for _ in range(count):
        length, at = varint(data, at)
        lengths += length.to_bytes(4 if length < 1 << 32 else 8, order)  # type: ignore[arg-type]
        total += length
    content = at + 4
    if content + total != len(data):
        raise DamagedError(f"has {len(data)} bytes, its strings need {content + total}")
    return int(google_crc32c.extend(google_crc32c.value(bytes(lengths)), data[at:]))


def _count(entry: Entry) -> int:
    return math.prod(entry.shape) if len(entry.shape) <= _MAX_RANK else -1
