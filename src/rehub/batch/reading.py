"""Reading fragments, whatever their files are."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.csv as pa_csv

from rehub.batch import parquet, tfrecord, typed_rows
from rehub.batch.chunk import Chunk, Unreadable
from rehub.batch.fragments import MOST_BYTES, Fragment
from rehub.batch.inputs import Inputs, is_packed
from rehub.errors import DataError

CHUNK_ROWS = 1024
IMAGE_COLUMN = "path"
"""The column of a folder of images: their paths in it."""

_SAMPLE_ROWS = 256


def schema_of(inputs: Inputs) -> Any:
    """Returns the ``pyarrow.Schema`` of the columns of a data set.

    Raises:
        DataError: If a file cannot be read, or the files have different columns.
    """
    if inputs.kind == "images":
        return pa.schema([(IMAGE_COLUMN, pa.string())])
    find: Callable[[str], Any] = {"parquet": parquet.schema, "csv": _csv_schema}.get(
        inputs.kind, _sampled_schema(inputs)
    )
    first = find(inputs.files[0])
    for file in inputs.files[1:] if inputs.kind in ("parquet", "csv") else ():
        if not find(file).equals(first):
            raise DataError(
                f"'{file}' has other columns than '{inputs.files[0]}'.",
                hint="Run the model on them one by one, or write them with the same columns and types.",
                path=file,
            )
    return first


def read(inputs: Inputs, fragment: Fragment, schema: Any) -> Iterator[Chunk]:
    """Reads a fragment in chunks.

    Args:
        inputs: The data set.
        fragment: One of its fragments.
        schema: Of the data set.

    Raises:
        DataError: If a file cannot be read.
    """
    file, name = fragment.files[0], inputs.name_of(fragment.files[0])
    if inputs.kind == "images":
        yield from _images(inputs, fragment)
    elif inputs.kind == "parquet":
        first = fragment.first_row
        for batch in parquet.read(file, first, fragment.rows or 0, CHUNK_ROWS):
            yield Chunk(name, batch, tuple(range(first, first + batch.num_rows)))
            first += batch.num_rows
    else:
        try:
            with opened(file) as stream:
                stream.seek(fragment.start)
                size_bytes = None if fragment.stop is None else fragment.stop - fragment.start
                if inputs.kind == "csv":
                    yield from _csv(file, name, stream, size_bytes, schema)
                else:
                    rows = _json_rows if inputs.kind == "jsonl" else _examples
                    yield from _typed(name, rows(stream, size_bytes, schema), fragment.first_row, schema)
        except (OSError, EOFError) as error:
            raise DataError(f"'{file}' cannot be read: {error}.", hint="Write it anew.", path=file) from error


def opened(file: str) -> BinaryIO:
    """Opens a file; a compressed one shows its contents."""
    return gzip.open(file, "rb") if is_packed(file) else open(file, "rb")  # type: ignore[return-value]  # noqa: PTH123


def _images(inputs: Inputs, fragment: Fragment) -> Iterator[Chunk]:
    for start in range(0, len(fragment.files), CHUNK_ROWS):
        files = fragment.files[start : start + CHUNK_ROWS]
        names = pa.array([inputs.name_of(file) for file in files], pa.string())
        yield Chunk("", pa.RecordBatch.from_arrays([names], [IMAGE_COLUMN]), None)


# CSV


def _csv_schema(file: str) -> Any:
    with opened(file) as stream:
        names = _heading(file, stream)
    if len(set(names)) < len(names) or not names:
        raise DataError(
            f"'{file}' has no heading with different names for its columns: {', '.join(names) or 'it is empty'}.",
            hint="Write the names of the columns into the first line.",
            path=file,
        )
    # CSV knows no types: as texts, nothing is lost, such as the zeros of "007".
    return pa.schema([(name, pa.string()) for name in names])


def _heading(file: str, stream: BinaryIO) -> list[str]:
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    try:
        return next(csv.reader(text, delimiter=_delimiter(file)), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"'{file}' is no CSV file in UTF-8: {error}.", hint="Convert it.", path=file) from error
    finally:
        text.detach()


def _delimiter(file: str) -> str:
    return "\t" if file.lower().removesuffix(".gz").endswith(".tsv") else ","


def _csv(file: str, name: str, stream: BinaryIO, size_bytes: int | None, schema: Any) -> Iterator[Chunk]:
    source: Any = stream if size_bytes is None else io.BytesIO(stream.read(size_bytes))
    bad: list[Unreadable] = []

    def note(row: Any) -> str:
        error = f"It has {row.actual_columns} values, the heading has {row.expected_columns}."
        bad.append(Unreadable(None, (row.text or "").encode(), error))
        return "skip"

    try:
        batches = pa_csv.open_csv(
            source,
            pa_csv.ReadOptions(
                use_threads=False,
                block_size=max(1, size_bytes or MOST_BYTES),  # a row has to fit in
                column_names=schema.names,
                skip_rows_after_names=int(size_bytes is None),
            ),
            pa_csv.ParseOptions(delimiter=_delimiter(file), newlines_in_values=True, invalid_row_handler=note),
            # Not as texts: one that is no UTF-8 would end the reading.
            pa_csv.ConvertOptions(column_types=dict.fromkeys(schema.names, pa.binary()), strings_can_be_null=False),
        )
        for batch in batches:
            for start in range(0, batch.num_rows, CHUNK_ROWS):
                columns, undecoded = _decoded(batch.slice(start, CHUNK_ROWS), schema)
                yield Chunk(name, columns, None, (*bad, *undecoded))
                bad.clear()
    except pa.ArrowInvalid as error:
        if "Empty CSV" not in str(error):
            raise DataError(f"'{file}' cannot be read as CSV: {error}", hint="Write it anew.", path=file) from error
    if bad:
        yield Chunk(name, _no_rows(schema), None, tuple(bad))


def _no_rows(schema: Any) -> Any:
    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)


def _decoded(batch: Any, schema: Any) -> tuple[Any, list[Unreadable]]:
    try:
        return batch.cast(schema), []
    except pa.ArrowInvalid:
        pass
    good, bad = [], []
    for place in range(batch.num_rows):
        try:
            batch.slice(place, 1).cast(schema)
            good.append(place)
        except pa.ArrowInvalid:
            raw = b",".join(column[place].as_py() for column in batch.columns)
            bad.append(Unreadable(None, raw, "It is no UTF-8."))
    return batch.take(pa.array(good, pa.int64())).cast(schema), bad


# JSON lines and examples

_Row = Mapping[str, Any]
_Read = tuple[bytes, "_Row | str"]
"""The bytes of a row, and the row, or what is wrong with it."""


def _json_rows(stream: BinaryIO, size_bytes: int | None, _schema: Any) -> Iterator[_Read | None]:
    """None stands for a line without a row."""
    done = 0
    for line in stream:
        done += len(line)
        if not line.strip():
            yield None
        else:
            yield line, _json_row(line)
        if size_bytes is not None and done >= size_bytes:
            return


def _json_row(line: bytes) -> _Row | str:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"It is no JSON: {error}."
    return row if isinstance(row, dict) else f"It is no JSON object, but {type(row).__name__}."


def _examples(stream: BinaryIO, size_bytes: int | None, schema: Any) -> Iterator[_Read]:
    for record in tfrecord.records(stream, size_bytes):
        if isinstance(record, tfrecord.DamagedRecordError):
            yield record.raw, str(record)
            continue
        try:
            example = tfrecord.parse(record)
        except ValueError as error:
            yield record, str(error)
            continue
        yield record, example if schema is None else tfrecord.as_row(example, schema)


def _typed(name: str, read: Iterable[_Read | None], first_row: int, schema: Any) -> Iterator[Chunk]:
    numbered = ((first_row + place, each) for place, each in enumerate(read) if each is not None)
    while chunk := list(itertools.islice(numbered, CHUNK_ROWS)):
        good = [(number, raw, row) for number, (raw, row) in chunk if not isinstance(row, str)]
        bad = {number: Unreadable(number, raw, row) for number, (raw, row) in chunk if isinstance(row, str)}
        columns, errors = typed_rows.to_columns([row for _, _, row in good], schema)
        bad |= {good[place][0]: Unreadable(*good[place][:2], error) for place, error in errors.items()}
        rows = tuple(number for number, _, _ in good if number not in bad)
        yield Chunk(name, columns, rows, tuple(bad[number] for number in sorted(bad)))


def _sampled_schema(inputs: Inputs) -> Callable[[str], Any]:
    def find(_: str) -> Any:
        rows: list[_Row] = []
        for file in inputs.files:
            with opened(file) as stream:
                read = (_json_rows if inputs.kind == "jsonl" else _examples)(stream, None, None)
                found = (each[1] for each in read if each is not None and not isinstance(each[1], str))
                rows += itertools.islice(found, _SAMPLE_ROWS - len(rows))
            if len(rows) >= _SAMPLE_ROWS:
                break
        if not rows:
            raise DataError(f"'{inputs.files[0]}' has no rows.", hint="See that it is the right file.")
        return typed_rows.infer(rows) if inputs.kind == "jsonl" else tfrecord.infer(rows)

    return find
