"""Loops that train a hub model and a head, as users write them, under any strategy of ``tf.distribute``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from .models import TARGETS

IS_KERAS_3 = hasattr(tf.keras, "version")


def dataset(inputs: Any) -> tf.data.Dataset:
    """All rows as one batch, of which each replica gets a part."""
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return tf.data.Dataset.from_tensor_slices((inputs, TARGETS)).batch(8).with_options(options)


class Loop:
    """A hub model with a head, and what trains both.

    Args:
        body: A layer, or what ``hub.load`` returned.
        strategy: In whose scope the head and the optimizer are made.
        trains_body: Whether the body is trained, too.
    """

    def __init__(self, body: Any, strategy: Any, *, trains_body: bool = True) -> None:
        self.body, self.strategy = body, strategy
        with strategy.scope():
            self.head = tf.keras.layers.Dense(1, kernel_initializer="ones")
            self.head.build((None, 2))
            self.optimizer = tf.keras.optimizers.SGD(0.1)
            self.variables = list(self.head.trainable_variables)
            if trains_body:
                self.variables += body.trainable_variables
            self.optimizer.build(self.variables)

    def _step(self, inputs: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            predictions = self.head(self.body(inputs, **self._mode())[:, :2])
            loss = tf.reduce_sum((predictions - targets) ** 2) / len(TARGETS)
        raw = [v if isinstance(v, tf.Variable) or not IS_KERAS_3 else v.value for v in self.variables]
        gradients = tape.gradient(loss, raw)
        self.optimizer.apply_gradients(zip(gradients, self.variables, strict=True))
        return loss

    def _mode(self) -> dict[str, bool]:
        return {"training": True} if isinstance(self.body, tf.keras.layers.Layer) else {}

    def function(self) -> Callable[..., Any]:
        """One step on each replica; returns the loss of all."""

        @tf.function(autograph=False)
        def step(inputs: Any, targets: Any) -> Any:
            losses = self.strategy.run(self._step, args=(inputs, targets))
            return self.strategy.reduce("SUM", losses, axis=None)

        return step

    def run(self, inputs: Any, steps: int = 3) -> list[float]:
        """Trains on the same rows again and again."""
        step = self.function()
        (batch,) = self.strategy.experimental_distribute_dataset(dataset(inputs))
        return [float(step(*batch)) for _ in range(steps)]


def model_of(body: Any, inputs: Any, strategy: Any) -> Any:
    """A Keras model of a layer and a head."""
    with strategy.scope():
        entry = tf.keras.Input(inputs.shape[1:], dtype=tf.as_dtype(inputs.dtype).name if inputs.ndim > 1 else "string")
        model = tf.keras.Sequential([entry, body, tf.keras.layers.Dense(1, kernel_initializer="ones")])
        model.compile(tf.keras.optimizers.SGD(0.1), "mse")
    return model


def fit(body: Any, inputs: Any, strategy: Any, *, epochs: int = 3, **options: Any) -> list[float]:
    """Fits a Keras model of a layer and a head, and returns the losses of the epochs."""
    model = model_of(body, inputs, strategy)
    rows = dataset(inputs).repeat() if "steps_per_epoch" in options else dataset(inputs)
    return list(model.fit(rows, epochs=epochs, verbose=0, **options).history["loss"])
