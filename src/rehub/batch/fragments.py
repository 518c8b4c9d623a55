"""A data set in fragments: each is read, run and written by itself, always the same for the same files."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterator
from typing import BinaryIO

from rehub.batch.inputs import Inputs, is_packed
from rehub.errors import DataError

MOST_BYTES = 64 << 20
"""Of a fragment in its file. More than this, and a killed worker costs too much time."""

_RECORD_HEADER = struct.Struct("<Q4x")
_RECORD_FOOTER_BYTES = 4


@dataclasses.dataclass(frozen=True)
class Fragment:
    """Rows of a data set that come one after the other.

    Attributes:
        number: Of the fragment, from 0; its output is named by it.
        files: The file; for images, one file for each row.
        first_row: The number of the first row in its file.
        rows: How many; None if that is known only after reading.
        start: Of files with lines or records: the place of the first byte.
        stop: The place after the last byte; None for the end of the file.
    """

    number: int
    files: tuple[str, ...]
    first_row: int = 0
    rows: int | None = None
    start: int = 0
    stop: int | None = None


def split(inputs: Inputs, most_rows: int) -> tuple[Fragment, ...]:
    """Divides a data set.

    Args:
        inputs: The data set.
        most_rows: Rows in a fragment.

    Raises:
        DataError: If a file cannot be read.
    """
    if inputs.kind == "images":
        groups = [inputs.files[start : start + most_rows] for start in range(0, len(inputs.files), most_rows)]
        return tuple(Fragment(number, files, rows=len(files)) for number, files in enumerate(groups))
    found: list[Fragment] = []
    for file in inputs.files:
        try:
            pieces = list(_split_file(inputs.kind, file, most_rows))
        except OSError as error:
            raise DataError(f"'{file}' cannot be read: {error}.", hint="Write it anew.", path=file) from error
        for piece in pieces:
            found.append(dataclasses.replace(piece, number=len(found)))
    return tuple(found)


def _split_file(kind: str, file: str, most_rows: int) -> Iterator[Fragment]:
    if kind == "parquet":
        return _split_parquet(file, most_rows)
    if is_packed(file):
        return iter([Fragment(0, (file,))])
    with open(file, "rb") as stream:  # noqa: PTH123 - a text, as it travels
        ends = {"csv": _csv_ends, "jsonl": _line_ends, "tfrecord": _record_ends}[kind](stream)
        return iter(list(_group(file, ends, most_rows)))


def _split_parquet(file: str, most_rows: int) -> Iterator[Fragment]:
    from rehub.batch import parquet

    first, gathered, gathered_bytes = 0, 0, 0
    for rows, size_bytes in parquet.row_groups(file):
        if gathered and (gathered + rows > most_rows or gathered_bytes + size_bytes > MOST_BYTES):
            yield Fragment(0, (file,), first, gathered)
            first, gathered, gathered_bytes = first + gathered, 0, 0
        pieces = max(-(-rows // most_rows), -(-size_bytes // MOST_BYTES), 1)
        if pieces > 1:
            step = -(-rows // pieces)
            for start in range(0, rows, step):
                yield Fragment(0, (file,), first + start, min(step, rows - start))
            first += rows
        else:
            gathered, gathered_bytes = gathered + rows, gathered_bytes + size_bytes
    if gathered:
        yield Fragment(0, (file,), first, gathered)


def _group(file: str, ends: Iterator[int], most_rows: int) -> Iterator[Fragment]:
    """Gathers rows that end at some places; the first of these is where the first row begins."""
    start = next(ends)
    first, rows, stop = 0, 0, start
    for end in ends:
        if rows and (rows == most_rows or end - start > MOST_BYTES):
            yield Fragment(0, (file,), first, rows, start, stop)
            first, rows, start = first + rows, 0, stop
        rows, stop = rows + 1, end
    if rows:
        yield Fragment(0, (file,), first, rows, start, stop)


def _line_ends(stream: BinaryIO) -> Iterator[int]:
    place = 0
    yield place
    for line in stream:
        place += len(line)
        yield place


def _csv_ends(stream: BinaryIO) -> Iterator[int]:
    """A line break between quotes ends no row. The heading is no row either."""
    place, quotes = 0, 0
    for line in stream:
        place += len(line)
        quotes += line.count(b'"')
        if quotes % 2 == 0:
            yield place
    if quotes % 2 or not place:
        yield place


def _record_ends(stream: BinaryIO) -> Iterator[int]:
    place = 0
    yield place
    size = stream.seek(0, 2)
    while place < size:
        stream.seek(place)
        header = stream.read(_RECORD_HEADER.size)
        length = _RECORD_HEADER.unpack(header)[0] if len(header) == _RECORD_HEADER.size else size
        # What is cut off is the last record, and fails when it is read.
        place = min(size, place + _RECORD_HEADER.size + length + _RECORD_FOOTER_BYTES)
        yield place
