"""Records of ``tf.train.Example``."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import google_crc32c
import pyarrow as pa

_HEADER = struct.Struct("<Q")
_SUM = struct.Struct("<I")
_MASK = 0xA282EAD8  # Source: TensorFlow, TFRecords format details
_MOST_BYTES = 1 << 31


class DamagedRecordError(Exception):
    """A record that is cut off or was changed; ``raw`` has what there is of it, ``is_last`` that none can follow."""

    def __init__(self, message: str, raw: bytes, *, is_last: bool) -> None:
        super().__init__(message)
        self.raw = raw
        self.is_last = is_last


def records(stream: BinaryIO, size_bytes: int | None) -> Iterator[bytes | DamagedRecordError]:
    """Reads records up to a place behind the current one; None for the end of the file."""
    done = 0
    while size_bytes is None or done < size_bytes:
        header = stream.read(_HEADER.size + _SUM.size)
        if not header:
            return
        if len(header) < _HEADER.size + _SUM.size:
            yield DamagedRecordError("The file ends within the record.", header, is_last=True)
            return
        (length,) = _HEADER.unpack_from(header)
        if _SUM.unpack_from(header, _HEADER.size)[0] != _masked(header[: _HEADER.size]) or length > _MOST_BYTES:
            yield DamagedRecordError("The length of the record is damaged.", header, is_last=True)
            return
        data, tail = stream.read(length), stream.read(_SUM.size)
        done += len(header) + length + len(tail)
        if len(data) < length or len(tail) < _SUM.size:
            yield DamagedRecordError("The file ends within the record.", data, is_last=True)
            return
        is_whole = _SUM.unpack(tail)[0] == _masked(data)
        yield data if is_whole else DamagedRecordError("The record is damaged: its sum is wrong.", data, is_last=False)


def parse(record: bytes) -> dict[str, list[Any]]:
    """Returns the features of an example.

    Raises:
        ValueError: If the record is none.
    """
    from rehub.runtime.tf_version import import_tensorflow

    example = import_tensorflow().train.Example()
    try:
        example.ParseFromString(record)
    except Exception as error:
        raise ValueError("The record is no tf.train.Example.") from error
    features = example.features.feature
    return {name: _values(features[name]) for name in sorted(features)}


def _values(feature: Any) -> list[Any]:
    kind = feature.WhichOneof("kind")
    return [] if kind is None else list(getattr(feature, kind).value)


def infer(examples: Sequence[Mapping[str, list[Any]]]) -> Any:
    """Returns the ``pyarrow.Schema`` of examples: a feature of one value in each is no list."""
    names = sorted({name for example in examples for name in example})
    return pa.schema([(name, _type_of([each[name] for each in examples if name in each])) for name in names])


def _type_of(lists: Sequence[list[Any]]) -> Any:
    first = next((value for values in lists for value in values), b"")
    kind = {bytes: pa.binary(), float: pa.float32(), int: pa.int64()}[type(first)]
    return kind if all(len(values) == 1 for values in lists) else pa.list_(kind)


def as_row(example: Mapping[str, list[Any]], schema: Any) -> dict[str, Any]:
    """Returns an example as a row: a list of one value as this, where the schema has no list."""
    single = {field.name for field in schema if not pa.types.is_list(field.type)}
    return {
        name: values[0] if name in single and len(values) == 1 else None if name in single and not values else values
        for name, values in example.items()
    }


def _masked(data: bytes) -> int:
    crc: int = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF
