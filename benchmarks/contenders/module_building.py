"""The network of the module benchmark; ``module_building.py FOLDER`` exports it as a module."""

from __future__ import annotations

import sys
from typing import Any

import tensorflow as tf

import rehub

v1 = tf.compat.v1
BLOCKS, CHANNELS, SIZE = 60, 128, 16


def build(images: Any) -> Any:
    """Adds the network to the current graph.

    Args:
        images: float32 ``[batch, SIZE, SIZE, 3]``.

    Returns:
        float32 ``[batch, 10]``.
    """
    x = images
    for block in range(BLOCKS):
        with v1.variable_scope(f"block_{block}"):
            kernel = v1.get_variable("kernel", [3, 3, x.shape[-1], CHANNELS])
            y = tf.nn.conv2d(x, kernel, strides=1 if block else 2, padding="SAME")
            y = tf.nn.relu(_normalize(y))
            x = x + y if x.shape[-1] == CHANNELS else y
    return tf.matmul(tf.reduce_mean(x, [1, 2]), v1.get_variable("head", [CHANNELS, 10]))


def _normalize(x: Any) -> Any:
    shape = [CHANNELS]
    scale = v1.get_variable("scale", shape, initializer=v1.ones_initializer())
    offset = v1.get_variable("offset", shape, initializer=v1.zeros_initializer())
    mean, variance = tf.nn.moments(x, [0, 1, 2])
    for name, value in (("mean", mean), ("variance", variance)):
        moving = v1.get_variable(name, shape, initializer=v1.zeros_initializer(), trainable=False)
        v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, v1.assign_sub(moving, 0.1 * (moving - value)).op)
    return tf.nn.batch_normalization(x, mean, variance, offset, scale, 1e-3)


def module_fn() -> None:
    images = v1.placeholder(tf.float32, [None, SIZE, SIZE, 3])
    rehub.add_signature(inputs=images, outputs=build(images))


if __name__ == "__main__":
    rehub.create_module_spec(module_fn).export(sys.argv[1])
