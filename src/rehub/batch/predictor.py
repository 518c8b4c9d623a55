"""A model on rows: in batches of so many bytes, and around the rows that fail."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa

from rehub.batch import input_columns, output_columns
from rehub.batch.chunk import Chunk
from rehub.batch.features import Feature
from rehub.batch.model import Model
from rehub.batch.options import BATCH_BYTES, MOST_ROWS, Options
from rehub.errors import SignatureError
from rehub.runtime.tf_message import message_of

_LONGEST_ERROR = 500


@dataclasses.dataclass(frozen=True)
class Predicted:
    """What came of some rows.

    Attributes:
        chunk: The rows.
        good: The places of those that the model was run on, ascending.
        outputs: The ``pyarrow.Array`` of each output, with an entry for each of these.
        errors: What is wrong with the others, by their place.
    """

    chunk: Chunk
    good: tuple[int, ...]
    outputs: tuple[Any, ...]
    errors: Mapping[int, str]


@dataclasses.dataclass(frozen=True)
class _Prepared:
    chunk: Chunk
    inputs: Mapping[str, Any] | None
    error: Exception | None


class Predictor:
    """Runs a model on rows.

    Args:
        handle: The model's.
        options: How it is run.
        schema: The ``pyarrow.Schema`` of the rows.
        root: The folder to which paths in the rows are relative.

    Attributes:
        fields: The ``pyarrow.Field`` of each output, by its name in the model.

    Raises:
        HubError: If the model cannot be loaded, or does not fit the rows.
    """

    def __init__(self, handle: str, options: Options, schema: Any, root: str) -> None:
        self._model = Model(handle, options)
        columns = input_columns.bind(self._model.inputs, schema, options.columns)
        size = options.image_size or _attached_size(handle, options.signature, self._model)
        self._features = {name: Feature(spec, columns[name], root, size) for name, spec in self._model.inputs.items()}
        self._most_rows = min(
            self._model.fixed_rows or options.batch_size or MOST_ROWS, options.batch_size or MOST_ROWS
        )
        self._most_bytes = None if options.batch_size else BATCH_BYTES
        self.fields = output_columns.fields(self._model.outputs, schema.names)

    def predict(self, chunks: Iterable[Chunk]) -> Iterator[Predicted]:
        """Runs the model on rows; the next ones are read and prepared meanwhile."""
        batches = (self._prepare(batch) for chunk in chunks for batch in self._batches(chunk))
        with ThreadPoolExecutor(1, "rehub-prepare") as pool:
            ahead = pool.submit(next, batches, None)
            while (prepared := ahead.result()) is not None:
                ahead = pool.submit(next, batches, None)
                yield self._run(prepared)

    def _batches(self, chunk: Chunk) -> Iterator[Chunk]:
        rows = chunk.columns.num_rows
        if not rows:
            yield chunk
            return
        sizes = sum(feature.size_bytes(chunk.columns) for feature in self._features.values())
        ends = np.cumsum(sizes)
        start, unreadable = 0, chunk.unreadable
        while start < rows:
            stop = min(rows, start + self._most_rows)
            if self._most_bytes is not None:
                before = ends[start - 1] if start else 0
                fitting = int(np.searchsorted(ends, before + self._most_bytes, "right"))
                stop = min(stop, max(start + 1, fitting))
            numbers = None if chunk.rows is None else chunk.rows[start:stop]
            yield Chunk(chunk.file, chunk.columns.slice(start, stop - start), numbers, unreadable)
            start, unreadable = stop, ()

    def _prepare(self, chunk: Chunk) -> _Prepared:
        try:
            return _Prepared(chunk, self._inputs(chunk.columns) if chunk.columns.num_rows else {}, None)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is of these rows
            return _Prepared(chunk, None, error)

    def _inputs(self, columns: Any) -> dict[str, Any]:
        return {name: feature(columns) for name, feature in self._features.items()}

    def _run(self, prepared: _Prepared) -> Predicted:
        rows = prepared.chunk.columns.num_rows
        pieces: list[tuple[tuple[int, ...], tuple[Any, ...]]] = []
        errors: dict[int, str] = {}
        if rows:
            self._run_or_halve(prepared.chunk.columns, 0, rows, prepared, pieces, errors)
        good = tuple(place for places, _ in pieces for place in places)
        columns = [pa.array([], field.type) for field in self.fields.values()]
        if pieces:
            columns = [
                parts[0] if len(parts) == 1 else pa.chunked_array(parts).combine_chunks()
                for parts in zip(*(outputs for _, outputs in pieces), strict=True)
            ]
        return Predicted(prepared.chunk, good, tuple(columns), errors)

    def _run_or_halve(
        self,
        columns: Any,
        start: int,
        stop: int,
        prepared: _Prepared | None,
        pieces: list[tuple[tuple[int, ...], tuple[Any, ...]]],
        errors: dict[int, str],
    ) -> None:
        """Runs the rows from ``start`` to ``stop``; where that fails, each half of them by itself."""
        try:
            if prepared is not None and prepared.error is not None:
                raise prepared.error
            part = columns.slice(start, stop - start)
            inputs = self._inputs(part) if prepared is None or prepared.inputs is None else prepared.inputs
            outputs = self._model(inputs, stop - start)
            arrays = tuple(output_columns.to_array(outputs[key], field.type) for key, field in self.fields.items())
        except SignatureError:
            raise  # it is of the model, whatever the rows are
        except Exception as error:  # noqa: BLE001 - a stranger's model on a stranger's rows
            if stop - start == 1:
                errors[start] = _described(error)
                return
            middle = (start + stop) // 2
            self._run_or_halve(columns, start, middle, None, pieces, errors)
            self._run_or_halve(columns, middle, stop, None, pieces, errors)
        else:
            pieces.append((tuple(range(start, stop)), arrays))


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {message_of(error)}"[:_LONGEST_ERROR]


def _attached_size(handle: str, signature: str | None, model: Model) -> tuple[int, int] | None:
    """The size that the publisher attached to a module in the TF1 Hub format."""
    from rehub.tf1.images import get_expected_image_size
    from rehub.tf1.module_spec import load_module_spec

    open_images = [
        spec for spec in model.inputs.values() if input_columns.is_image(spec) and None in (spec.shape or ())[1:3]
    ]
    if not open_images:
        return None
    try:
        return get_expected_image_size(load_module_spec(handle), signature)
    except (SignatureError, ValueError):  # it takes all sizes, or is no such module
        return None
