"""Rows without declared types, as of JSON lines: their types are those of the first rows of a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from rehub.errors import DataError


def infer(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Returns the ``pyarrow.Schema`` that some rows have in common; a value that is missing is null."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.schema([(name, _type_of([row.get(name) for row in rows], name)) for name in names])


def _type_of(values: list[Any], name: str) -> Any:
    try:
        found = pa.array(values).type
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        if all(value is None or isinstance(value, (int, float)) for value in values):
            return pa.float64()
        raise DataError(
            f"The values of {name!r} are of several types: {error}", hint="Write them as one type in all rows."
        ) from error
    return pa.string() if pt.is_null(found) else found


def to_columns(rows: Sequence[Mapping[str, Any]], schema: Any) -> tuple[Any, dict[int, str]]:
    """Returns a ``pyarrow.RecordBatch`` of the rows that fit a schema, and what is wrong with the others."""
    known = set(schema.names)
    errors = {
        place: f"It has {', '.join(map(repr, row.keys() - known))}, which the first rows of the data lack."
        for place, row in enumerate(rows)
        if row.keys() - known
    }
    try:
        return _columns([row for place, row in enumerate(rows) if place not in errors], schema), errors
    except pa.ArrowException:
        pass
    for place, row in enumerate(rows):
        if place not in errors:
            try:
                _columns([row], schema)
            except pa.ArrowException as error:
                errors[place] = f"It does not fit the first rows of the data: {error}"
    return _columns([row for place, row in enumerate(rows) if place not in errors], schema), errors


def _columns(rows: Sequence[Mapping[str, Any]], schema: Any) -> Any:
    columns = [pa.array([row.get(field.name) for row in rows], field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
