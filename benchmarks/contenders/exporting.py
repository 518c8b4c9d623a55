"""Writes the models that are measured: ``exporting.py KIND FOLDER [SIZE]``."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import tensorflow as tf


class Reusable(tf.Module):
    """A Keras model as a Reusable SavedModel, with a trace for training and one for inference."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.variables_ = list(map(_raw, model.variables))
        spec = tf.TensorSpec([None, *model.input_shape[1:]])
        for training in (False, True):
            self.__call__.get_concrete_function(spec, training=training)

    @tf.function(autograph=False)
    def __call__(self, inputs: Any, training: bool = False) -> Any:
        """Runs the model."""
        return self.model(inputs, training=training)


def _raw(variable: Any) -> Any:
    return getattr(variable, "value", None) if isinstance(getattr(variable, "value", None), tf.Variable) else variable


def _export_keras_model(model: Any, folder: str) -> None:
    reusable = Reusable(model)
    saved = tf.train.Checkpoint(
        variables=reusable.variables_,
        trainable_variables=list(map(_raw, model.trainable_variables)),
        regularization_losses=[],
    )
    saved.__call__ = reusable.__call__
    tf.saved_model.save(saved, folder)


def _export_noise(folder: str, size_bytes: int) -> None:
    """Numbers of half precision stored as float32: like weights, they can be compressed a bit."""
    numbers = np.random.default_rng(0).standard_normal(size_bytes // 4, dtype=np.float32)
    module = tf.Module()
    module.numbers = tf.Variable(numbers.astype(np.float16).astype(np.float32))
    module.__call__ = tf.function(lambda x: x + module.numbers[0], input_signature=[tf.TensorSpec([])])
    tf.saved_model.save(module, folder)


def _bert() -> Any:
    """A text encoder of the size of BERT base."""
    layers, width = tf.keras.layers, 768
    tokens = tf.keras.Input([None], dtype="int32", name="input_word_ids")
    x = layers.LayerNormalization()(layers.Embedding(30522, width)(tokens))
    for _ in range(12):
        attended = layers.MultiHeadAttention(12, width // 12)(x, x)
        x = layers.LayerNormalization()(layers.add([x, attended]))
        wide = layers.Dense(4 * width, activation="gelu")(x)
        x = layers.LayerNormalization()(layers.add([x, layers.Dense(width)(wide)]))
    return tf.keras.Model(tokens, x)


kind, folder = sys.argv[1:3]
tf.keras.utils.set_random_seed(0)
if kind == "noise":
    _export_noise(folder, int(sys.argv[3]))
elif kind == "BERT-saved":
    _bert().save(folder, save_format="tf")
elif kind == "EfficientNetB0-saved":
    tf.keras.applications.EfficientNetB0(weights=None).save(folder, save_format="tf")
elif kind == "tiny":
    _export_keras_model(tf.keras.Sequential([tf.keras.Input((4,)), tf.keras.layers.Dense(2)]), folder)
else:
    options = {} if kind == "ResNet50" else {"include_top": False, "pooling": "avg"}
    _export_keras_model(getattr(tf.keras.applications, kind)(weights=None, **options), folder)
