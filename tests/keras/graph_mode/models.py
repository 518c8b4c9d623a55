"""The SavedModels of TensorFlow 2 that the tests load in graphs; written in eager mode."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from tests.documents.models import save_image_features, save_tagged_graph, save_text_embedding
from tests.keras.conftest import Scale


class Counting(tf.train.Checkpoint):
    """float32[?, 3] -> float32[?, 3], times a kernel; counts its calls in a variable that it does not list."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable([1.0, 2.0, 3.0], name="kernel")
        self.calls = tf.Variable(0, trainable=False, name="calls")
        self.variables = self.trainable_variables = [self.kernel]

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32)])
    def __call__(self, inputs):
        self.calls.assign_add(1)
        return inputs * self.kernel


class Rounding(tf.train.Checkpoint):
    """float32[?, 3] -> float32[?, 3]: calls an op that has no gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable([1.0, 2.0, 3.0], name="kernel")
        self.variables = self.trainable_variables = [self.kernel]

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32)])
    def __call__(self, inputs):
        return tf.strings.to_number(tf.strings.as_string(tf.raw_ops.NextAfter(x1=inputs * self.kernel, x2=0.0)))


def save_all(folder: Path, scratch: Path) -> None:
    save_text_embedding(folder / "text", scratch)
    save_image_features(folder / "image")
    save_tagged_graph(folder / "tagged")
    scale = Scale()
    tf.saved_model.save(scale, str(folder / "scale"), signatures={"both": scale.both, "serving_default": scale.one})
    tf.saved_model.save(Counting(), str(folder / "counting"))
    tf.saved_model.save(Rounding(), str(folder / "rounding"))
