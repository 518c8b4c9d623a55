"""Which columns an input of a model is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow.types as pt

from rehub.batch.options import Columns
from rehub.errors import DataError
from rehub.signature import TensorSpec

_TEXT = ("text", "texts", "sentence", "sentences", "content", "document", "review", "question", "title")
_IMAGE = ("image", "images", "img", "picture", "path", "file", "image/encoded", "jpg", "png")


def bind(inputs: Mapping[str, TensorSpec], schema: Any, chosen: Columns) -> dict[str, tuple[str, ...]]:
    """Finds the columns for each input.

    Those that are named come first; then a column that is called like the input; then, for the only input, the only
    column that can be meant, one with a usual name among several, or as many numbers as the input has.

    Args:
        inputs: Of the model.
        schema: The ``pyarrow.Schema`` of the data.
        chosen: What the user names.

    Raises:
        DataError: If a column or an input is not there, or it is not clear which is meant.
    """
    if "" in chosen:
        if len(inputs) > 1:
            raise DataError(
                f"The model has {len(inputs)} inputs: {', '.join(inputs)}.",
                hint="Name the column of each as INPUT=COLUMN.",
            )
        chosen = {next(iter(inputs)): chosen[""]}
    for name in chosen:
        if name not in inputs:
            raise DataError(f"The model has no input {name!r}.", hint=f"It has {', '.join(map(repr, inputs))}.")
    for column in (column for columns in chosen.values() for column in columns):
        if column not in schema.names:
            raise DataError(f"The data have no column {column!r}.", hint=f"They have {_listed(schema)}.")
    return {name: chosen.get(name) or _find(spec, schema, is_only=len(inputs) == 1) for name, spec in inputs.items()}


def is_image(spec: TensorSpec) -> bool:
    """Whether an input takes batches of images: ``[batch, height, width, channels]``."""
    return (
        spec.dtype != "string" and spec.shape is not None and len(spec.shape) == 4 and spec.shape[3] in (1, 3, 4, None)
    )


def _find(spec: TensorSpec, schema: Any, *, is_only: bool) -> tuple[str, ...]:
    if spec.name in schema.names:
        return (spec.name,)
    fits, usual = _fitting(spec)
    fitting = [field.name for field in schema if fits(field.type)] if is_only else []
    named = [name for name in usual if name in fitting]
    if len(fitting) == 1 or named:
        return ((named or fitting)[0],)
    numbers = tuple(field.name for field in schema if _is_number(field.type))
    if is_only and spec.shape is not None and len(spec.shape) == 2 and len(numbers) == spec.shape[1]:
        return numbers
    raise DataError(
        f"It is not clear which column the input {spec.name!r} ({spec}) of the model is made of.",
        hint=f"Name it by --column {'' if is_only else spec.name + '='}COLUMN; the data have {_listed(schema)}.",
    )


def _fitting(spec: TensorSpec) -> tuple[Callable[[Any], bool], tuple[str, ...]]:
    if spec.dtype == "string":
        return _is_text, _TEXT
    if is_image(spec):
        return lambda kind: _is_text(kind) or pt.is_binary(kind) or pt.is_struct(kind) or _is_listed(kind), _IMAGE
    if spec.shape is not None and len(spec.shape) == 1:
        return _is_number, ()
    return _is_listed, ("embedding", "features", "vector")


def _is_text(kind: Any) -> bool:
    return bool(pt.is_string(kind) or pt.is_large_string(kind) or pt.is_binary(kind) or pt.is_dictionary(kind))


def _is_number(kind: Any) -> bool:
    return bool(pt.is_integer(kind) or pt.is_floating(kind) or pt.is_boolean(kind))


def _is_listed(kind: Any) -> bool:
    return bool(pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind)) or hasattr(kind, "shape")


def _listed(schema: Any) -> str:
    return ", ".join(f"{field.name!r} ({field.type})" for field in schema) or "none"
