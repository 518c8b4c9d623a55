"""Building an index of what a model made of many rows."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rehub.errors import DataError
from rehub.index.layout import ROWS, VECTORS, Facts, Metric, check_installed, check_metric, write_facts

_BATCH_ROWS = 8192


@dataclasses.dataclass(frozen=True)
class Built:
    """An index that was built.

    Attributes:
        folder: Of the index.
        size: How many vectors it has.
        dimensions: How many numbers each has.
        left_out: How many rows have no vector of finite numbers.
    """

    folder: Path
    size: int
    dimensions: int
    left_out: int


def build(
    embeddings: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    column: str | None = None,
    metric: Metric = "cos",
) -> Built:
    """Builds an index for `open_index`.

    Args:
        embeddings: A folder that `rehub.batch.predict` wrote, or any other of Parquet files, or one such file.
        folder: Of the index; it must not exist yet. It has a copy of the rows' other columns.
        column: Of the vectors: lists of numbers, all of one length. None for the only such column.
        metric: ``cos``, ``ip`` (inner product) or ``l2sq``.

    Raises:
        DataError: If the folder exists, or there are no vectors.
        DependencyError: If usearch or pyarrow is missing.
    """
    check_metric(metric)
    check_installed()
    source, target = Path(embeddings), Path(folder)
    if target.exists():
        raise DataError(f"'{target}' is there already.", hint="Name a folder that is new.", path=str(target))
    files = _files(source)
    name, schema = _vector_column(files[0], column)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".new", dir=target.parent))
    try:
        built = _fill(scratch, files, name, schema, metric)
        write_facts(scratch, _facts(source, files[0], name, metric, *built))
        scratch.chmod(0o777 & ~_umask())
        scratch.rename(target)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return Built(target, *built, left_out=sum(map(_count, files)) - built[0])


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _files(source: Path) -> list[Path]:
    if source.is_dir():
        found = sorted(path for path in source.glob("*.parquet") if not path.name.startswith((".", "_")))
    else:
        found = [source] if source.is_file() else []
    if not found:
        raise DataError(
            f"'{source}' has no Parquet files.",
            hint="Name the folder that 'rehub run' wrote, or a file.",
            path=str(source),
        )
    return found


def _count(file: Path) -> int:
    import pyarrow.parquet as pq

    rows: int = pq.read_metadata(file).num_rows
    return rows


def _vector_column(file: Path, column: str | None) -> tuple[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(file)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"'{file}' is no Parquet file that can be read: {error}", path=str(file)) from error
    vectors = [field.name for field in schema if _is_vector(field.type)]
    if column is None and len(vectors) == 1:
        column = vectors[0]
    if column is None or column not in vectors:
        raise DataError(
            f"The column {column!r} holds no vectors." if column else f"There are {len(vectors)} columns of vectors.",
            hint=f"Choose by --column among those that do: {', '.join(map(repr, vectors)) or 'none'}.",
            path=str(file),
        )
    return column, schema.remove(schema.get_field_index(column)).remove_metadata()


def _is_vector(kind: Any) -> bool:
    import pyarrow.types as pt

    is_list = pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind)
    return bool(is_list) and bool(pt.is_floating(kind.value_type) or pt.is_integer(kind.value_type))


def _fill(folder: Path, files: list[Path], name: str, schema: Any, metric: Metric) -> tuple[int, int]:
    """Writes vectors and rows; returns how many there are, and of how many numbers."""
    import numpy as np
    import pyarrow.parquet as pq
    from usearch.index import Index

    index, size = None, 0
    with pq.ParquetWriter(folder / ROWS, schema) as rows:
        for batch, vectors in _batches(files, name):
            if index is None:
                index = Index(ndim=vectors.shape[1], metric=metric, dtype="f32")
            if vectors.shape[1] != index.ndim:
                raise DataError(
                    f"The vectors of {name!r} have {index.ndim} numbers, and then {vectors.shape[1]}.",
                    hint="Choose another output of the model.",
                )
            index.add(np.arange(size, size + len(vectors), dtype=np.uint64), vectors)
            rows.write_batch(batch.select(schema.names).cast(schema))
            size += len(vectors)
    if index is None:
        raise DataError(f"There are no vectors in {name!r}.", hint="See that the model was run on some rows.")
    index.save(str(folder / VECTORS))
    return size, index.ndim


def _batches(files: list[Path], name: str) -> Iterator[tuple[Any, Any]]:
    """Gives rows with vectors of finite numbers, float32 ``[n, dimensions]``."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    for file in files:
        with pq.ParquetFile(file) as opened:
            for batch in opened.iter_batches(_BATCH_ROWS):
                batch = batch.filter(batch.column(name).is_valid())
                column = batch.column(name)
                lengths = pc.unique(pc.list_value_length(column)).to_pylist()
                if len(lengths) > 1:
                    raise DataError(
                        f"The vectors of {name!r} have different lengths: {', '.join(map(str, lengths))}.",
                        hint="Choose another output of the model.",
                    )
                flat = pc.list_flatten(column).cast(pa.float32()).to_numpy(zero_copy_only=False)
                vectors = flat.reshape(len(column), -1) if len(column) else np.empty((0, 0), np.float32)
                finite = np.isfinite(vectors).all(axis=1)
                if finite.any():
                    yield batch.filter(pa.array(finite)), np.ascontiguousarray(vectors[finite])


def _facts(source: Path, file: Path, column: str, metric: Metric, size: int, dimensions: int) -> Facts:
    """What the files tell of the model that made the vectors."""
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(file).metadata or {}
    try:
        journal = json.loads((source / "_rehub.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        journal = {}
    handle = metadata.get(b"rehub.handle", b"").decode()
    keys = json.loads(metadata.get(b"rehub.outputs", b"{}"))
    return Facts(
        handle=handle,
        model_sha256=metadata.get(b"rehub.model_sha256", b"").decode(),
        signature=journal.get("signature"),
        output_key=keys.get(column, ""),
        image_size=tuple(journal.get("image_size") or ()),
        column=column,
        metric=metric,
        size=size,
        dimensions=dimensions,
    )
