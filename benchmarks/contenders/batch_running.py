"""Times a worker of rehub and a plain loop on the same rows: ``batch_running.py FOLDER``."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from benchmarks.contenders.answering import answer
from rehub.batch import journal
from rehub.batch.options import Options
from rehub.batch.prediction import new_plan
from rehub.batch.worker import Worker

_folder = Path(sys.argv[1])
_model = tf.saved_model.load(_folder / "encoder")
_numbers = itertools.count()


def _loop() -> float:
    start = time.perf_counter()
    out, writer = _folder / f"loop-{next(_numbers)}.parquet", None
    for batch in pq.ParquetFile(_folder / "rows.parquet").iter_batches(1024):
        vectors = _model(tf.constant(np.array(batch.column("text").to_pylist(), object))).numpy()
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])
        table = pa.table({"id": batch.column("id"), "text": batch.column("text"), "output": column})
        writer = writer or pq.ParquetWriter(out, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()
    return time.perf_counter() - start


def _worker() -> float:
    out = _folder / f"worker-{next(_numbers)}"
    plan = new_plan(_folder / "rows.parquet", _folder / "encoder", out, Options(), 16_384)
    worker = Worker(plan)
    journal.begin(plan)
    start = time.perf_counter()
    for fragment in plan.fragments:
        worker.run(fragment.number)
    return time.perf_counter() - start


def _measure(worker_first: bool) -> Mapping[str, float]:
    ways = {"worker": _worker, "loop": _loop}
    names = list(ways) if worker_first else list(reversed(ways))
    return {name: ways[name]() for name in names}


_measure(worker_first=True)
answer(_measure)
