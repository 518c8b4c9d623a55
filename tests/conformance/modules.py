"""Objects of TensorFlow, without Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf


class TextEmbedding(tf.train.Checkpoint):
    def __init__(self, vocabulary: Path) -> None:
        super().__init__()
        self.vocabulary = tf.saved_model.Asset(str(vocabulary))
        initializer = tf.lookup.TextFileInitializer(
            self.vocabulary,
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        )
        self.table = tf.lookup.StaticVocabularyTable(initializer, num_oov_buckets=1)
        self.embeddings = tf.Variable(np.random.default_rng(1).normal(size=(5, 6)), dtype=tf.float32, name="embeddings")
        self.words = tf.Variable(["a", "b\0c"], trainable=False, name="words")
        self.variables = [self.embeddings, self.words]
        self.trainable_variables = [self.embeddings]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, sentences: Any) -> Any:
        words = tf.strings.split(sentences).to_tensor("")
        vectors = tf.nn.embedding_lookup(self.embeddings, self.table.lookup(words))
        return tf.reduce_mean(vectors, axis=1)


class Dicts(tf.train.Checkpoint):
    def __init__(self) -> None:
        super().__init__()
        self.w = tf.Variable([[1.0], [2.0], [3.0]], name="w")
        self.variables = [self.w]
        self.trainable_variables = [self.w]

    @tf.function(
        input_signature=[{"left": tf.TensorSpec([None, 3], tf.float32), "right": tf.TensorSpec([None, 3], tf.float32)}]
    )
    def __call__(self, inputs: Any) -> Any:
        product = inputs["left"] @ self.w
        return {"product": product, "sum": product + inputs["right"]}


class Lists(tf.train.Checkpoint):
    def __init__(self) -> None:
        super().__init__()
        self.w = tf.Variable([1.0, -1.0], name="w")
        self.variables = [self.w]
        self.trainable_variables = [self.w]

    @tf.function(input_signature=[[tf.TensorSpec([None, 2], tf.float32), tf.TensorSpec([None, 2], tf.float32)]])
    def __call__(self, inputs: Any) -> Any:
        return [inputs[0] * self.w, inputs[1] - self.w]


class Ragged(tf.train.Checkpoint):
    def __init__(self) -> None:
        super().__init__()
        self.table = tf.Variable(np.random.default_rng(2).normal(size=(9, 4)), dtype=tf.float32, name="table")
        self.variables = [self.table]
        self.trainable_variables = [self.table]

    @tf.function(input_signature=[tf.RaggedTensorSpec([None, None], tf.int32)])
    def __call__(self, tokens: Any) -> Any:
        return tf.reduce_sum(tf.gather(self.table, tokens), axis=1)


class Linear(tf.train.Checkpoint):
    def __init__(self, kernel: Any) -> None:
        super().__init__()
        self.kernel = tf.Variable(kernel, dtype=tf.float32, name="kernel")
        self.variables = [self.kernel]
        self.trainable_variables = [self.kernel]

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32)])
    def __call__(self, inputs: Any) -> Any:
        return inputs @ self.kernel


class SubObjects(tf.train.Checkpoint):
    """Named parts that follow the interface themselves, and a method."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Linear(np.eye(3) * 2)
        self.decoder = Linear(np.eye(3) / 4)
        self.variables = [self.encoder.kernel, self.decoder.kernel]
        self.trainable_variables = [self.encoder.kernel]  # the decoder is frozen on purpose

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32)])
    def __call__(self, inputs: Any) -> Any:
        return self.decoder(self.encoder(inputs))

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32)])
    def encode(self, inputs: Any) -> Any:
        return self.encoder(inputs)


class Hyperparameters(tf.train.Checkpoint):
    def __init__(self) -> None:
        super().__init__()
        self.w = tf.Variable([2.0, 3.0], name="w")
        self.variables = [self.w]
        self.trainable_variables = [self.w]
        for training in (False, True):
            self.__call__.get_concrete_function(
                tf.TensorSpec([None, 2], tf.float32), training=training, scale=tf.TensorSpec([], tf.float32)
            )

    @tf.function
    def __call__(self, inputs: Any, training: bool = False, scale: Any = 1.0) -> Any:
        return inputs * self.w * scale + (1.0 if training else 0.0)


class PlainModule(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable([[1.0, 2.0], [3.0, 4.0]], name="kernel")
        self.offset = tf.Variable([0.5, 0.5], trainable=False, name="offset")

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32)])
    def __call__(self, inputs: Any) -> Any:
        return inputs @ self.kernel + self.offset


class Adjustable(tf.Module):
    """Hyperparameters of two kinds, and a statistic that training moves."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable([[1.0, 2.0], [3.0, 4.0]], name="kernel")
        self.mean = tf.Variable([0.5, -0.5], trainable=False, name="mean")

    def __call__(self, inputs: Any, training: bool = False, scale: Any = 1.0, centred: bool = False) -> Any:
        outputs = inputs @ self.kernel * scale
        mean = tf.reduce_mean(outputs, axis=0) if training else self.mean
        if training:
            self.mean.assign(0.9 * self.mean + 0.1 * mean)
        return outputs - mean if centred else outputs
