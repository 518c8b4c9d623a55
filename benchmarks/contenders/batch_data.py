"""Writes the model and the rows of the benchmark of bulk inference: ``batch_data.py FOLDER ROWS``."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

_BUCKETS, _WIDTH, _LAYERS = 4_000, 256, 8


class Encoder(tf.Module):
    """string[?] -> float32[?, 256]."""

    def __init__(self) -> None:
        super().__init__()
        self.words = tf.Variable(tf.random.stateless_normal([_BUCKETS, _WIDTH], seed=[1, 2]))
        self.layers = [
            tf.Variable(tf.random.stateless_normal([_WIDTH, _WIDTH], seed=[3, place]) / 16) for place in range(_LAYERS)
        ]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts: Any) -> Any:
        """Embeds texts."""
        words = tf.strings.split(texts)
        vectors = tf.gather(self.words, tf.strings.to_hash_bucket_fast(words.values, _BUCKETS))
        for layer in self.layers:
            vectors = vectors + tf.nn.tanh(vectors @ layer)
        return tf.reduce_mean(tf.RaggedTensor.from_row_splits(vectors, words.row_splits), axis=1)


folder, count = Path(sys.argv[1]), int(sys.argv[2])
tf.saved_model.save(Encoder(), folder / "encoder")
chance = random.Random(0)
texts = [" ".join(f"word{chance.randrange(20_000)}" for _ in range(20)) for _ in range(count)]
table = pa.table({"id": range(count), "text": texts})
pq.write_table(table, folder / "rows.parquet", row_group_size=10_000)
pq.write_table(table.slice(0, count // 10), folder / "tenth.parquet", row_group_size=10_000)
