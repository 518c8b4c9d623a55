"""Small models whose training is the same each time: of numbers with statistics, and of texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

ROWS = np.random.RandomState(0).rand(8, 3).astype("float32")
WIDE_ROWS = np.random.RandomState(1).rand(8, 4).astype("float32")
TEXTS = np.array([b"one", b"two", b"three", b"other"] * 2)
TARGETS = np.random.RandomState(2).rand(8, 1).astype("float32")
MODULE = Path(__file__).parents[1] / "data" / "tf1_hub" / "rich"


class Numbers(tf.train.Checkpoint):
    """float32[?, 3] -> float32[?, 2], less a mean: of the batch in training, else a moving one."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable(np.linspace(-1.0, 1.0, 6, dtype="float32").reshape(3, 2), name="kernel")
        self.mean = tf.Variable(
            tf.zeros(3),
            trainable=False,
            name="moving_mean",
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.MEAN,
        )
        self.variables = [self.kernel, self.mean]
        self.trainable_variables = [self.kernel]
        self.regularization_losses: list[object] = []
        for training in (False, True):
            self.__call__.get_concrete_function(tf.TensorSpec([None, 3]), training=training)

    @tf.function
    def __call__(self, inputs, training=False):
        if training:
            mean = tf.reduce_mean(inputs, 0)
            self.mean.assign(0.5 * self.mean + 0.5 * mean)
        else:
            mean = self.mean.read_value()
        return (inputs - mean) @ self.kernel


class Texts(tf.train.Checkpoint):
    """string[?] -> float32[?, 2], by a file of words."""

    def __init__(self, words: Path) -> None:
        super().__init__()
        lines = tf.lookup.TextFileInitializer(
            str(words),
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        )
        self.table = tf.lookup.StaticVocabularyTable(lines, 1)
        self.vectors = tf.Variable(np.linspace(-1.0, 1.0, 8, dtype="float32").reshape(4, 2), name="vectors")
        self.variables = self.trainable_variables = [self.vectors]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts):
        return tf.nn.embedding_lookup(self.vectors, self.table.lookup(texts))


def save(folder: Path) -> None:
    """Writes ``numbers/1`` and ``texts/1`` into the folder, as a hub has them."""
    tf.saved_model.save(Numbers(), str(folder / "acme" / "numbers" / "1"))
    (folder / "words.txt").write_text("one\ntwo\nthree\n")
    tf.saved_model.save(Texts(folder / "words.txt"), str(folder / "acme" / "texts" / "1"))
    (folder / "words.txt").unlink()
