"""Sessions of TensorFlow 1 with a module in them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

import rehub as hub

v1 = tf.compat.v1
MODULES = Path(__file__).parents[1] / "data" / "tf1_hub"
RICH, TEXT, HALF = (str(MODULES / name) for name in ("rich", "text_vocab", "half_plus_two"))
X = np.linspace(-1.0, 1.0, 12, dtype=np.float32).reshape(3, 4)
"""Inputs of `RICH`."""


@contextlib.contextmanager
def session() -> Iterator[Any]:
    with tf.Graph().as_default(), v1.Session() as running:
        yield running


def initialize(running: Any) -> None:
    """Gives variables and tables of the default graph what they begin with."""
    running.run([v1.global_variables_initializer(), v1.tables_initializer()])


def published(name: str) -> Any:
    """The value of a variable of `RICH`."""
    return tf.train.load_checkpoint(f"{RICH}/variables/variables").get_tensor(name)


def result(folder: str, inputs: Any, **options: Any) -> Any:
    """What a module computes in a session of its own."""
    with session() as running:
        output = hub.Module(folder)(inputs, **options)
        initialize(running)
        return running.run(output)
