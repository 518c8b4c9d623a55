"""A plugin for pytest, for ``-p``: the tests run in a process of TensorFlow 1's behaviour."""

from __future__ import annotations

import tensorflow as tf


def pytest_configure() -> None:
    tf.compat.v1.disable_v2_behavior()
