"""Models of Keras 2 or 3, whichever TensorFlow has."""

from __future__ import annotations

import functools
from typing import Any

import tensorflow as tf

from tests.conformance.sample import IS_KERAS_3


def _raw(variable: Any) -> Any:
    return variable.value if IS_KERAS_3 else variable


def _dense_layers(model: Any) -> list[Any]:
    return [layer for layer in model.layers if hasattr(layer, "kernel_regularizer")]


class Reusable(tf.train.Checkpoint):
    """A Keras model (or any function of Keras layers) behind the reusable interface."""

    def __init__(self, model: Any, *specs: Any) -> None:
        super().__init__()
        self.model = model
        self.variables = [_raw(v) for v in model.variables]
        self.trainable_variables = [_raw(v) for v in model.trainable_variables]
        kernels = [(layer.kernel_regularizer, _raw(layer.kernel)) for layer in _dense_layers(model)]
        self.regularization_losses = [
            tf.function(functools.partial(regularizer, kernel), input_signature=[])
            for regularizer, kernel in kernels
            if regularizer is not None
        ]
        for training in (False, True):
            self.__call__.get_concrete_function(*specs, training=training)

    @tf.function
    def __call__(self, inputs: Any, training: bool = False) -> Any:
        return self.model(inputs, training=training)


def _dense_model(*, dropout: bool) -> Any:
    """Dense layers with regularizers around a batch normalisation and, if wanted, a dropout."""
    keras = tf.keras
    keras.utils.set_random_seed(7)
    regularizer = keras.regularizers.L2(0.01)
    return keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(6, activation="relu", kernel_regularizer=regularizer, name="first"),
            keras.layers.BatchNormalization(momentum=0.9, name="norm"),
            *([keras.layers.Dropout(0.5, seed=11, name="dropout")] if dropout else []),
            keras.layers.Dense(3, kernel_regularizer=regularizer, name="second"),
        ]
    )


dense = functools.partial(_dense_model, dropout=True)
normalized = functools.partial(_dense_model, dropout=False)


def convolution() -> Any:
    keras = tf.keras
    keras.utils.set_random_seed(7)
    return keras.Sequential(
        [
            keras.Input((6, 5, 2)),
            keras.layers.Conv2D(4, 3, activation="relu", kernel_regularizer="l2", name="convolution"),
            keras.layers.BatchNormalization(momentum=0.9, name="norm"),
            keras.layers.GlobalAveragePooling2D(),
            # Keras 2 gives the dropout of each trace another seed.
            *([keras.layers.Dropout(0.5, seed=11, name="dropout")] if IS_KERAS_3 else []),
            keras.layers.Dense(3, kernel_regularizer=keras.regularizers.L2(0.01), name="dense"),
        ]
    )


def keras2() -> Any:
    layers = tf.keras.layers
    return tf.keras.Sequential([layers.Input((3,)), layers.Dense(2), layers.BatchNormalization()])
