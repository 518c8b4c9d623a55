"""A small convolution model as a publisher would write it: two blocks with batch normalisation, and a dense head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

SIZE = 6
NAMES = ["block1/kernel", "block1/gamma", "block2/kernel", "block2/gamma", "head/kernel"]
"""Of the trainable variables."""


class Convolution(tf.train.Checkpoint):
    """float32[?, 6, 6, 2] -> float32[?, 3]. The blocks are functions of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = [Block("block1", 2, 4), Block("block2", 4, 5)]
        self.head = tf.Variable(_values(5, 3), name="head/kernel")
        self.trainable_variables = [*(v for block in self.blocks for v in (block.kernel, block.gamma)), self.head]
        self.variables = [*self.trainable_variables, *(block.moving_mean for block in self.blocks)]
        kernels = [*(block.kernel for block in self.blocks), self.head]
        self.regularization_losses = [_l2(kernel) for kernel in kernels]
        for training in (False, True):
            self.__call__.get_concrete_function(tf.TensorSpec([None, SIZE, SIZE, 2]), training=training)

    @tf.function
    def __call__(self, images: Any, training: bool = False) -> Any:
        features = images
        for block in self.blocks:
            with tf.name_scope(block.name):
                features = block(features, training=training)
        with tf.name_scope("head"):
            pooled = tf.reduce_mean(features, axis=[1, 2], name="pooled")
            return tf.matmul(pooled, self.head, name="logits")


class Block(tf.train.Checkpoint):
    """A convolution, a batch normalisation without offset, and an activation."""

    def __init__(self, name: str, width: int, filters: int) -> None:
        super().__init__()
        self.name = name
        self.kernel = tf.Variable(_values(3, 3, width, filters), name=f"{name}/kernel")
        self.gamma = tf.Variable(tf.ones([filters]), name=f"{name}/gamma")
        self.moving_mean = tf.Variable(tf.zeros([filters]), trainable=False, name=f"{name}/moving_mean")

    @tf.function
    def __call__(self, images: Any, training: bool = False) -> Any:
        features = tf.nn.conv2d(images, self.kernel, strides=1, padding="SAME", name="convolution")
        mean = self.moving_mean.read_value()
        if training:
            mean = tf.reduce_mean(features, axis=[0, 1, 2])
            self.moving_mean.assign(0.9 * self.moving_mean + 0.1 * mean)
        return tf.nn.relu((features - mean) * self.gamma, name="activation")


def save(folder: Path) -> str:
    """Writes the model, with its function for inference as a signature, and returns the folder."""
    model = Convolution()

    @tf.function(input_signature=[tf.TensorSpec([None, SIZE, SIZE, 2], name="images")])
    def serve(images: Any) -> Any:
        return {"logits": model(images)}

    tf.saved_model.save(model, str(folder), signatures=serve)
    return str(folder)


def images(seed: int = 1) -> Any:
    """A batch of four."""
    return tf.constant(np.random.default_rng(seed).normal(size=(4, SIZE, SIZE, 2)) + 1, tf.float32)


def names(variables: Any) -> list[str]:
    """Names as the model has them, sorted: Keras 3 has others."""
    raw = [variable if isinstance(variable, tf.Variable) else variable.value for variable in variables]
    return sorted(variable.name.partition(":")[0] for variable in raw)


def values(layer: Any) -> dict[str, Any]:
    """The values of the model's variables by name."""
    return {variable.name.partition(":")[0]: variable.numpy() for variable in layer.resolved_object.variables}


def changed(before: dict[str, Any], layer: Any) -> list[str]:
    """The names of the variables whose values are others now."""
    return sorted(name for name, value in values(layer).items() if not np.array_equal(before[name], value))


def model_of(layer: Any) -> Any:
    """A Keras model of the layer alone, ready for ``fit``."""
    model = tf.keras.Sequential([tf.keras.Input((SIZE, SIZE, 2)), layer])
    model.compile("sgd", "mse")
    return model


def _values(*shape: int) -> Any:
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32) / 3


def _l2(kernel: Any) -> Any:
    return tf.function(lambda: 0.01 * tf.reduce_sum(kernel**2), input_signature=[])
