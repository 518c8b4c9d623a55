"""Keras of this environment, and the comparison of an exported model with the one that it was made of."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

import rehub as hub

IS_KERAS_3 = hasattr(tf.keras, "version")
keras: Any = importlib.import_module("keras") if IS_KERAS_3 else tf.keras
layers: Any = keras.layers


def floats(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def mlp(*, dropout: float = 0.0) -> Any:
    """Dense layers with regularizers around a batch normalization, and a dropout with a seed if wanted."""
    keras.utils.set_random_seed(7)
    return keras.Sequential(
        [
            keras.Input((8,), name="features"),
            layers.Dense(6, activation="relu", kernel_regularizer="l2", name="first"),
            layers.BatchNormalization(momentum=0.9, name="norm"),
            *([layers.Dropout(dropout, seed=11, name="dropout")] if dropout else []),
            layers.Dense(3, kernel_regularizer=keras.regularizers.L2(0.1), name="second"),
        ]
    )


def fit(part: Any, inputs: Any, epochs: int = 3) -> list[float]:
    """The losses while a part is trained together with a head."""
    head = layers.Dense(1, kernel_initializer=keras.initializers.Constant(0.1))
    symbolic = tf.nest.map_structure(lambda x: keras.Input(x.shape[1:], dtype=str(x.dtype)), inputs)
    model = keras.Model(symbolic, head(part(symbolic)))
    model.compile(keras.optimizers.SGD(0.01), "mse", jit_compile=False)
    size = len(tf.nest.flatten(inputs)[0])
    targets = floats(size, 1, seed=9)
    return list(model.fit(inputs, targets, batch_size=size, epochs=epochs, shuffle=False, verbose=0).history["loss"])


def assert_fine_tunes_like(path: Path, model: Any, inputs: Any, constant: Any = 0.0) -> None:
    """Compares losses of a few steps, but for a constant, and then predictions, which see the statistics, too."""
    layer = hub.KerasLayer(str(path), trainable=True)
    assert len(layer.trainable_weights) == len(model.trainable_weights)
    np.testing.assert_allclose(np.add(fit(layer, inputs), constant), fit(model, inputs), rtol=1e-5)
    np.testing.assert_allclose(layer(inputs), model(inputs), rtol=1e-4, atol=1e-5)
