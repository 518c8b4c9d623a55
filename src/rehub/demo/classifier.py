"""Logistic regression on top of anything: the one classifier that the demonstration compares inputs with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rehub.runtime.tf_version import import_tensorflow

STEPS = 100
LEARNING_RATE = 0.01
TUNING_STEPS = 20
TUNING_LEARNING_RATE = 1e-4


def build(trunk: Any, input_shape: tuple[int, ...]) -> Any:
    """Returns a Keras model that puts one logistic unit on a layer; its output is a logit.

    The unit starts at zero, so nothing about the training is left to chance.
    """
    keras = import_tensorflow().keras
    head = keras.layers.Dense(1, kernel_initializer="zeros")
    return keras.Sequential([keras.Input(input_shape), trunk, head])


def flatten() -> Any:
    """Returns the layer that hands raw pixels to the classifier as they are."""
    return import_tensorflow().keras.layers.Flatten()


def train(model: Any, inputs: NDArray[np.float32], labels: NDArray[np.float32]) -> None:
    """Trains what is trainable of a new model."""
    _fit(model, inputs, labels, LEARNING_RATE, STEPS)


def fine_tune(model: Any, inputs: NDArray[np.float32], labels: NDArray[np.float32]) -> None:
    """Goes on with a trained model, gently; Keras sees the layers that were made trainable since."""
    _fit(model, inputs, labels, TUNING_LEARNING_RATE, TUNING_STEPS)


def _fit(
    model: Any, inputs: NDArray[np.float32], labels: NDArray[np.float32], learning_rate: float, steps: int
) -> None:
    tf = import_tensorflow()
    model.compile(
        tf.keras.optimizers.Adam(learning_rate),
        tf.keras.losses.BinaryCrossentropy(from_logits=True),
        jit_compile=False,  # XLA would compile for longer than these few steps take
    )
    # All examples in every step, and all steps in one epoch: what Keras does between epochs takes longer than a step.
    model.fit(tf.data.Dataset.from_tensors((inputs, labels[:, None])).repeat(steps), shuffle=False, verbose=0)


def predict(model: Any, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the probability of a face for each input, float32 ``[n]``."""
    logits = np.asarray(model(inputs, training=False))[:, 0]
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


def accuracy(probabilities: NDArray[np.float32], labels: NDArray[np.float32]) -> float:
    """Returns the share of right decisions, in [0, 1]."""
    return float(np.mean((probabilities > 0.5) == (labels > 0.5)))
