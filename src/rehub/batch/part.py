"""One part of the output: what came of one fragment, and beside it the rows that failed."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rehub.batch.plan import Plan
from rehub.batch.predictor import Predicted
from rehub.batch.reading import IMAGE_COLUMN
from rehub.batch.result import FAILURES

_GROUP_BYTES = 16 << 20
_GROUP_ROWS = 65_536
_ABOUT_FAILURE = pa.schema([("file", pa.string()), ("row", pa.int64()), ("error", pa.string()), ("raw", pa.binary())])
ROWS, FAILED = b"rehub.rows", b"rehub.failed"
HANDLE, SHA256, OUTPUTS = b"rehub.handle", b"rehub.model_sha256", b"rehub.outputs"
"""In the metadata of a part: the model, and the output that each column is, as JSON."""


class Part:
    """Gathers what comes of a fragment and writes it; nobody sees a part that is not whole.

    Args:
        plan: What is done.
        number: Of the fragment.
        fields: The ``pyarrow.Field`` of each output.

    Attributes:
        rows: How many rows the model was run on so far.
        failed: How many failed.
    """

    def __init__(self, plan: Plan, number: int, fields: Mapping[str, Any]) -> None:
        self._path = plan.part(number)
        self._schema = pa.schema([*plan.schema, *fields.values()])
        keys = {field.name: key for key, field in fields.items()}
        self._facts = {HANDLE: plan.handle, SHA256: plan.model_sha256, OUTPUTS: json.dumps(keys)}
        self._gathered: list[Any] = []
        self._failures: list[Any] = []
        # Where the data have columns of these names, theirs get another one.
        self._names = [f"{name}_input" if name in _ABOUT_FAILURE.names else name for name in plan.schema.names]
        renamed = [field.with_name(name) for field, name in zip(plan.schema, self._names, strict=True)]
        self._failure_schema = pa.schema([*_ABOUT_FAILURE, *renamed])
        self.rows = self.failed = 0
        self._writer: Any = None
        self._temporary = _beside(self._path)
        self._flush()  # whatever stands in the way is found before the model is run

    def add(self, predicted: Predicted) -> None:
        """Takes what came of some rows."""
        columns = predicted.chunk.columns
        if len(predicted.good) < columns.num_rows:
            columns = columns.take(pa.array(predicted.good, pa.int64()))
        if predicted.good:
            self._gathered.append(
                pa.RecordBatch.from_arrays([*columns.columns, *predicted.outputs], schema=self._schema)
            )
            self.rows += columns.num_rows
        self._note_failures(predicted)
        if sum(batch.nbytes for batch in self._gathered) > _GROUP_BYTES or self._gathered_rows() > _GROUP_ROWS:
            self._flush()

    def finish(self) -> None:
        """Writes the rest and gives the files their names; the part comes last, and tells that both are there."""
        self._flush()
        self._writer.add_key_value_metadata({ROWS: str(self.rows), FAILED: str(self.failed)})
        self._writer.close()
        self._writer = None
        side = self._path.parent / FAILURES / self._path.name
        side.unlink(missing_ok=True)
        if self._failures:
            side.parent.mkdir(exist_ok=True)
            temporary = _beside(side)
            table = pa.Table.from_batches(self._failures, self._failure_schema)
            pq.write_table(table.replace_schema_metadata(self._facts), temporary)
            _publish(temporary, side)
        _publish(self._temporary, self._path)

    def discard(self) -> None:
        """Removes what was not finished."""
        with contextlib.suppress(Exception):
            if self._writer is not None:
                self._writer.close()
        self._temporary.unlink(missing_ok=True)

    def _flush(self) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._temporary, self._schema.with_metadata(self._facts))
        if self._gathered:
            self._writer.write_table(pa.Table.from_batches(self._gathered, self._schema))
            self._gathered.clear()

    def _gathered_rows(self) -> int:
        return sum(batch.num_rows for batch in self._gathered)

    def _note_failures(self, predicted: Predicted) -> None:
        chunk = predicted.chunk
        rows = [
            {
                "file": chunk.file or chunk.columns.column(IMAGE_COLUMN)[place].as_py(),
                "row": None if chunk.rows is None else chunk.rows[place],
                "error": error,
                **{name: column[place].as_py() for name, column in zip(self._names, chunk.columns, strict=True)},
            }
            for place, error in predicted.errors.items()
        ]
        rows += [
            {"file": chunk.file, "row": each.row, "error": each.error, "raw": each.raw} for each in chunk.unreadable
        ]
        if rows:
            self.failed += len(rows)
            self._failures += pa.Table.from_pylist(rows, self._failure_schema).to_batches()


def _beside(path: Path) -> Path:
    return path.parent / f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.new"


def _publish(temporary: Path, path: Path) -> None:
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    temporary.replace(path)


def counts(path: Path) -> tuple[int, int]:
    """Returns how many rows a finished part has, and how many failed."""
    metadata = pq.read_metadata(path).metadata
    return int(metadata[ROWS]), int(metadata[FAILED])


@contextlib.contextmanager
def new_part(plan: Plan, number: int, fields: Mapping[str, Any]) -> Iterator[Part]:
    """Finishes a part at the end of the block, or discards it if that fails."""
    part = Part(plan, number, fields)
    try:
        yield part
        part.finish()
    except BaseException:
        part.discard()
        raise
