"""A model on a ``ray.data.Dataset``, as one more step of it."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from rehub import configuration
from rehub.batch.chunk import Chunk
from rehub.batch.cluster import limit_threads, pool_options
from rehub.batch.options import MOST_ROWS, Options
from rehub.batch.predictor import Predictor
from rehub.configuration import Settings
from rehub.errors import DataError
from rehub.resolvers.chain import lasting, resolve

ERROR = "error"


def predict(dataset: Any, handle: str, output: Any, options: Options, workers: int | None) -> Any:
    """Returns the dataset with what the model gives; arguments and exceptions as for `rehub.batch.predict`."""
    if "ray.data" not in sys.modules or not isinstance(dataset, sys.modules["ray.data"].Dataset):
        raise DataError(
            f"'{type(dataset).__name__}' is no data set that is read here.",
            hint="Pass the path of files, or a ray.data.Dataset.",
        )
    if output is not None:
        raise DataError(
            "An output was named for a ray.data.Dataset.",
            hint="Leave it out: what comes back is a ray.data.Dataset, whose write_parquet(output) writes it.",
        )
    import ray
    import ray.data

    if not ray.is_initialized():
        ray.init()
    pool = pool_options(ray, workers, most=None, spare_cpus=1)
    settings = dataclasses.replace(configuration.current(), progress=None)
    return dataset.map_batches(
        DatasetRunner,
        fn_constructor_args=(lasting(handle, resolve(handle)), options, settings, pool["num_cpus"]),
        batch_format="pyarrow",
        batch_size=options.batch_size or MOST_ROWS,
        **pool,
    )


class DatasetRunner:
    """What Ray runs on the blocks of a dataset."""

    def __init__(self, handle: str, options: Options, settings: Settings, cpus: float) -> None:
        self._handle = handle
        self._options = options
        self._settings = settings
        self._predictor: Predictor | None = None
        limit_threads(cpus)

    def __call__(self, table: Any) -> Any:
        """Returns the rows with the outputs of the model; these are null where it failed."""
        if self._predictor is None:
            with configuration.settings(self._settings):
                self._predictor = Predictor(self._handle, self._options, table.schema, "")
        chunks = [Chunk("", batch, None) for batch in table.combine_chunks().to_batches()]
        errors: list[str | None] = []
        parts: list[list[Any]] = [[] for _ in self._predictor.fields]
        for predicted in self._predictor.predict(chunks):
            rows = predicted.chunk.columns.num_rows
            places = {place: number for number, place in enumerate(predicted.good)}
            indices = pa.array([places.get(place) for place in range(rows)], pa.int64())
            for part, outputs in zip(parts, predicted.outputs, strict=True):
                part.append(outputs.take(indices))
            errors += [predicted.errors.get(place) for place in range(rows)]
        for field, part in zip(self._predictor.fields.values(), parts, strict=True):
            table = table.append_column(field, pa.chunked_array(part, field.type))
        return table.append_column(_free(ERROR, table.column_names), pa.array(errors, pa.string()))


def _free(name: str, taken: Sequence[str]) -> str:
    return _free(f"{name}_output", taken) if name in taken else name
