"""What a conformance test must know about a model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

import rehub as hub

BATCH = 4
IS_KERAS_3 = hasattr(tf.keras, "version")
BACKEND = tf.keras.backend.backend()


@dataclasses.dataclass(frozen=True)
class Sample:
    """One model.

    Attributes:
        name: The test's parameter.
        write: Writes the SavedModel into an empty folder.
        inputs: A batch of four.
        direct: The call of a layer on the loaded object, without a layer: ``direct(obj, inputs, training)``.
        options: How `hub.KerasLayer` is to call it.
        load: Loads the object by the folder.
        trains: Whether it can be fine-tuned.
        native: Makes a Keras model of the same layers.
        dropout: Whether training drops out units: by a fixed seed, from which XLA and replicas draw other masks.
        xla: Whether XLA can compile it.
        noise: By how much weights may differ after a few training steps, where rounding is amplified.
        trainable: How many variables are fine-tuned.
        idle: How many of these have rounding errors for gradients: a bias before a batch normalization.
        others: How many are not.
        moving: How many of the others training changes nevertheless: statistics and seeds.
        losses: How many regularization losses it has.
        strings: How many of the others are strings, which stay in TensorFlow where Keras runs on another backend.
        wide: How many of them are 64-bit numbers, which do so on JAX.
        pairs_only: Whether only as many compositions and states are tried as all pairs need, also in slow tests: it
            differs from other samples in how it was made, not in what Keras sees of it.
        written_by_keras: Whether a Keras model writes it, which it does on TensorFlow alone.
    """

    name: str
    write: Callable[[Path], None]
    inputs: Any
    direct: Callable[[Any, Any, bool], Any]
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    load: Callable[[str], Any] = hub.load
    trains: bool = True
    native: Callable[[], Any] | None = None
    dropout: bool = False
    xla: bool = True
    noise: float = 1e-6
    trainable: int = 0
    idle: int = 0
    others: int = 0
    moving: int = 0
    losses: int = 0
    strings: int = 0
    wide: int = 0
    pairs_only: bool = False
    written_by_keras: bool = False

    @property
    def unheld(self) -> int:
        """How many of the others Keras cannot hold."""
        return {"tensorflow": 0, "torch": self.strings, "jax": self.strings + self.wide}[BACKEND]

    @property
    def in_models(self) -> bool:
        """Whether its inputs can go through a Keras model: only TensorFlow has strings and ragged tensors."""
        strings = any(x.dtype == tf.string for x in tf.nest.flatten(self.inputs))
        return BACKEND == "tensorflow" or not (self.ragged or strings)

    @property
    def single_input(self) -> bool:
        return not isinstance(self.inputs, (dict, list))

    @property
    def ragged(self) -> bool:
        return isinstance(self.inputs, tf.RaggedTensor)

    def __str__(self) -> str:
        return self.name


def call(obj: Any, inputs: Any, training: bool) -> Any:
    return obj(inputs)


def call_with_training(obj: Any, inputs: Any, training: bool) -> Any:
    return obj(inputs, training=training)


def floats(*shape: int, seed: int = 0) -> tf.Tensor:
    return tf.constant(np.random.default_rng(seed).normal(size=(BATCH, *shape)), tf.float32)
