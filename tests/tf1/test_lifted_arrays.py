"""Arrays of TensorFlow 1, as its own functions make them: of elements whose shape nothing tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from tests.tf1 import modules

v1 = tf.compat.v1
ROWS = modules.values(5, 3)
KERNEL = modules.values(3, 2, seed=1)


def mapped(x: Any, kernel: Any) -> Any:
    return tf.map_fn(lambda row: tf.linalg.matvec(kernel, row, transpose_a=True), x)


def scanned(x: Any, kernel: Any) -> Any:
    return tf.scan(lambda before, row: 0.5 * before + row, tf.matmul(x, kernel))


def folded(x: Any, kernel: Any) -> Any:
    return tf.foldl(lambda before, row: before * 0.5 + row, tf.matmul(x, kernel))


@pytest.mark.parametrize("v2", [False, True], ids=["v1", "v2"])
@pytest.mark.parametrize("compute", [mapped, scanned, folded])
def test_elements_of_unknown_shape_are_computed_and_trained(compute: Any, v2: bool, tmp_path: Path) -> None:
    def module_fn() -> None:
        x = v1.placeholder(tf.float32, [None, 3])
        kernel = v1.get_variable("kernel", initializer=KERNEL)
        with modules.control_flow(v2=v2):
            hub.add_signature(inputs=x, outputs=compute(x, kernel))

    layer = hub.KerasLayer(str(modules.export(hub, hub.create_module_spec(module_fn), tmp_path / "m")), trainable=True)
    kernel = tf.Variable(KERNEL)
    with tf.GradientTape(persistent=True) as tape:
        found, expected = layer(tf.constant(ROWS), training=True), compute(tf.constant(ROWS), kernel)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    gradients = (tape.gradient(*pair) for pair in ((found, layer.resolved_object.variables[0]), (expected, kernel)))
    np.testing.assert_allclose(*gradients, rtol=1e-6, atol=1e-6)
