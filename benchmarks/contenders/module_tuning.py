"""Times training steps in TensorFlow 2: of a converted module, and of the same network: ``module_tuning.py MODULE``."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

import rehub
from benchmarks.contenders.answering import answer
from benchmarks.contenders.module_building import BLOCKS, CHANNELS, SIZE


class _Block(tf.Module):
    def __init__(self, inputs: int, strides: int) -> None:
        super().__init__()
        self.strides = strides
        self.kernel = tf.Variable(tf.keras.initializers.GlorotUniform(0)([3, 3, inputs, CHANNELS]))
        self.scale, self.offset = tf.Variable(tf.ones([CHANNELS])), tf.Variable(tf.zeros([CHANNELS]))
        self.mean, self.variance = (tf.Variable(tf.zeros([CHANNELS]), trainable=False) for _ in range(2))

    def __call__(self, x: Any) -> Any:
        y = tf.nn.conv2d(x, self.kernel, strides=self.strides, padding="SAME")
        mean, variance = tf.nn.moments(y, [0, 1, 2])
        for moving, value in ((self.mean, mean), (self.variance, variance)):
            moving.assign_sub(0.1 * (moving - value))
        y = tf.nn.relu(tf.nn.batch_normalization(y, mean, variance, self.offset, self.scale, 1e-3))
        return x + y if x.shape[-1] == CHANNELS else y


class _Network(tf.Module):
    """What ``module_building`` builds, with variables of TensorFlow 2."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = [_Block(CHANNELS if place else 3, 1 if place else 2) for place in range(BLOCKS)]
        self.head = tf.Variable(tf.keras.initializers.GlorotUniform(0)([CHANNELS, 10]))

    def __call__(self, x: Any, training: bool) -> Any:
        for block in self.blocks:
            x = block(x)
        return tf.matmul(tf.reduce_mean(x, [1, 2]), self.head)


def _step(model: Any) -> Callable[[], Any]:
    variables = list(model.trainable_variables)

    @tf.function
    def step() -> Any:
        images = tf.random.stateless_uniform((8, SIZE, SIZE, 3), seed=(0, 0))
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(images, training=True))
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(1e-6 * gradient)
        return loss

    return step


def _converted() -> Any:
    folder = Path(tempfile.mkdtemp(), "converted")
    rehub.convert(sys.argv[1], folder)
    return rehub.load(folder)


_contenders = {
    "converted": _step(_converted()),
    "lifted": _step(rehub.KerasLayer(sys.argv[1], trainable=True).resolved_object),
    "native": _step(_Network()),
}
for _run in _contenders.values():
    for _ in range(3):
        _run()


def _measure(first: int) -> Mapping[str, float]:
    names = list(_contenders)
    seconds = {}
    for name in names[first:] + names[:first]:
        start = time.perf_counter()
        _contenders[name]().numpy()
        seconds[name] = time.perf_counter() - start
    return seconds


answer(_measure)
