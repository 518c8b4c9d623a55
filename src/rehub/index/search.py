"""Searching an index: by vectors, or by what its model makes vectors of."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rehub.errors import DataError
from rehub.index.layout import ROWS, VECTORS, Facts, check_installed, read_facts

_QUERY = "query"


@dataclasses.dataclass(frozen=True)
class Match:
    """A row that is near.

    Attributes:
        score: The similarity, higher for nearer: the cosine or the inner product. For ``l2sq`` the squared distance,
            lower for nearer.
        row: Its columns, without the vector.
    """

    score: float
    row: dict[str, Any]


class Index:
    """An index that `open_index` opened.

    Attributes:
        facts: What it is of.
    """

    def __init__(self, folder: Path, facts: Facts, vectors: Any, rows: Any) -> None:
        self.facts = facts
        self._folder = folder
        self._vectors = vectors
        self._rows = rows
        self._predictor: Any = None

    def check_columns(self, names: Sequence[str]) -> None:
        """Raises a DataError if the rows lack a column."""
        for name in names:
            if name not in self._rows.column_names:
                raise DataError(
                    f"'{self._folder}' has no column {name!r}.",
                    hint=f"It has {', '.join(map(repr, self._rows.column_names))}.",
                )

    def search(self, vectors: Any, count: int = 10) -> list[list[Match]]:
        """Finds the nearest rows to some vectors.

        Args:
            vectors: Numbers ``[n, dimensions]``, of the model that the index is of.
            count: How many rows for each.

        Returns:
            The matches of each vector, the nearest first.

        Raises:
            DataError: If the vectors have another number of dimensions.
        """
        import numpy as np

        array = np.ascontiguousarray(vectors, np.float32)
        if array.ndim != 2 or array.shape[1] != self.facts.dimensions:
            raise DataError(
                f"The vectors have the shape {list(array.shape)}, the index [?, {self.facts.dimensions}].",
                hint="Make them by the same model and output.",
            )
        return [self._matches(self._vectors.search(vector, min(count, self.facts.size))) for vector in array]

    def query(self, queries: Sequence[str], count: int = 10) -> list[list[Match]]:
        """Finds the rows that are nearest to what the model makes of texts, or of the files of images.

        Args:
            queries: Texts; for a model that takes images, paths.
            count: How many rows for each.

        Raises:
            DataError: If the model is not known, is another one now, or fails on a query.
            HubError: What `rehub.load` raises.
        """
        import pyarrow as pa

        from rehub.batch.chunk import Chunk

        columns = pa.RecordBatch.from_arrays([pa.array(list(queries), pa.string())], [_QUERY])
        self._predictor = self._predictor or self._load(columns.schema)
        vectors: list[list[float]] = []
        for predicted in self._predictor.predict([Chunk("", columns, None)]):
            for place, error in predicted.errors.items():
                raise DataError(
                    f"The model fails on {predicted.chunk.columns.column(0)[place].as_py()!r}: {error}",
                    hint="Pass texts, or the paths of images, as the model wants.",
                )
            vectors += predicted.outputs[0].to_pylist()
        return self.search(vectors, count)

    def _load(self, schema: Any) -> Any:
        from rehub.archive.fingerprint import fingerprint
        from rehub.batch.options import Options
        from rehub.batch.predictor import Predictor
        from rehub.cache.resolved import files_of
        from rehub.resolvers.chain import resolve

        facts = self.facts
        if not facts.handle:
            raise DataError(
                f"'{self._folder}' does not know which model made its vectors.",
                hint="Search by vectors; or build it of a folder that 'rehub run' wrote.",
            )
        folder = resolve(facts.handle)
        if facts.model_sha256 and fingerprint(files_of(folder)) != facts.model_sha256:
            raise DataError(
                f"'{facts.handle}' is not the model any more that made the vectors of '{self._folder}'.",
                hint="Run the model on the data again, and build the index anew.",
            )
        size = facts.image_size
        options = Options(
            signature=facts.signature,
            output_keys=(facts.output_key,) if facts.output_key else (),
            columns={"": (_QUERY,)},
            image_size=(size[0], size[1]) if len(size) == 2 else None,
        )
        return Predictor(facts.handle, options, schema, os.curdir)

    def _matches(self, found: Any) -> list[Match]:
        rows = self._rows.take(found.keys.astype("int64")).to_pylist()
        is_distance = self.facts.metric == "l2sq"
        scores = [float(distance) if is_distance else 1 - float(distance) for distance in found.distances]
        return [Match(score, row) for score, row in zip(scores, rows, strict=True)]


def open_index(folder: str | os.PathLike[str]) -> Index:
    """Opens an index that `build` built; its vectors stay on the disk until they are needed.

    Raises:
        DataError: If there is no index, or a damaged one.
        DependencyError: If usearch or pyarrow is missing.
    """
    check_installed()
    import pyarrow as pa
    import pyarrow.parquet as pq
    from usearch.index import Index as Vectors

    place = Path(folder)
    facts = read_facts(place)
    try:
        vectors = Vectors.restore(str(place / VECTORS), view=True)
        rows = pq.read_table(place / ROWS)
    except (OSError, RuntimeError, ValueError, pa.ArrowException) as error:
        raise DataError(f"'{place}' is damaged: {error}", hint="Build it anew.", path=str(place)) from error
    if vectors is None or len(vectors) != facts.size or rows.num_rows != facts.size:
        raise DataError(f"'{place}' is damaged: its files do not fit.", hint="Build it anew.", path=str(place))
    return Index(place, facts, vectors, rows)
