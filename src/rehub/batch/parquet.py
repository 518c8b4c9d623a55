"""Parquet files: their row groups, and rows out of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rehub.errors import DataError


def row_groups(file: str) -> list[tuple[int, int]]:
    """Returns the rows and the uncompressed bytes of each row group.

    Raises:
        DataError: If it is no Parquet file, or a damaged one.
    """
    with _translated(file), pq.ParquetFile(file) as opened:
        groups = [opened.metadata.row_group(number) for number in range(opened.num_row_groups)]
        return [(group.num_rows, group.total_byte_size) for group in groups]


def schema(file: str) -> Any:
    """Returns the ``pyarrow.Schema`` of a file; exceptions as for `row_groups`."""
    with _translated(file):
        return pq.read_schema(file).remove_metadata()


def read(file: str, first_row: int, rows: int, batch_rows: int) -> Iterator[Any]:
    """Reads some rows as ``pyarrow.RecordBatch``; exceptions as for `row_groups`."""
    with _translated(file), pq.ParquetFile(file) as opened:
        wanted: list[int] = []
        skipped = place = 0
        for number in range(opened.num_row_groups):
            count = opened.metadata.row_group(number).num_rows
            if place + count > first_row and place < first_row + rows:
                skipped = skipped if wanted else first_row - place
                wanted.append(number)
            place += count
        left = rows
        for batch in opened.iter_batches(batch_rows, row_groups=wanted):
            part = batch.slice(min(skipped, batch.num_rows), left)
            skipped = max(0, skipped - batch.num_rows)
            left -= part.num_rows
            if part.num_rows:
                yield part
            if not left:
                return


@contextlib.contextmanager
def _translated(file: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"'{file}' is no Parquet file that can be read: {error}", hint="Write it anew.", path=file
        ) from error
