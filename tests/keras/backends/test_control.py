"""Filters, modes of batch normalization, tensors inside, and models of TensorFlow 1, beside loops in TensorFlow."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from rehub.runtime.lift_tf1 import lift

MODULE = Path(__file__).parents[2] / "data" / "tf1_hub" / "rich"
LEARNING_RATE = 0.05
STEPS = 2


@pytest.fixture
def batch() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)


def reference(batch, *, prefix="", training=True, keeps=False, inner=None):
    """Losses of training one dense layer behind the module by a tape, and the module's variables afterwards."""
    model = lift(MODULE)
    calls = model.named["default"]
    call = calls.inner(inner) if inner else lambda inputs, training: calls(inputs, training)["default"]
    width = call(batch, False).shape[-1]
    head = [tf.Variable(tf.ones([width, 1])), tf.Variable([0.0])]
    used = call.variables if inner else model.variables
    trained = [v for v in model.trainable_variables if v.name.startswith(prefix) and any(v is each for each in used)]
    others = [v for v in model.variables if not v.trainable]
    losses = []
    for _ in range(STEPS):
        before = [v.numpy() for v in others]
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((call(batch, training) @ head[0] + head[1] - 1.0) ** 2)
            for regularization in model.regularization_losses:
                names = {v.name for v in regularization.get_concrete_function().variables}
                if names & {v.name for v in trained}:
                    loss += regularization()
        for variable, gradient in zip([*trained, *head], tape.gradient(loss, [*trained, *head]), strict=True):
            variable.assign_sub(LEARNING_RATE * tf.convert_to_tensor(gradient))
        losses.append(float(loss))
        if keeps:
            for variable, value in zip(others, before, strict=True):
                variable.assign(value)
    return losses, [v.numpy() for v in model.variables]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"trainable": True}, {}),
        ({"trainable": "hidden/*"}, {"prefix": "hidden/"}),
        ({"trainable": True, "batch_norm": "frozen"}, {"keeps": True}),
        ({"trainable": True, "batch_norm": "inference"}, {"training": False}),
        ({"trainable": True, "output_key": "hidden/add"}, {"inner": "hidden/add"}),
    ],
    ids=["module", "filter", "frozen", "inference", "inner"],
)
def test_fit_trains_as_a_loop_in_tensorflow_does(batch, options, expected):
    layer = hub.KerasLayer(str(MODULE), **options)
    model = keras.Sequential([keras.Input((4,)), layer, keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile(keras.optimizers.SGD(LEARNING_RATE), "mse")
    history = model.fit(batch, np.ones((8, 1)), batch_size=8, epochs=STEPS, verbose=0, shuffle=False)
    layer.sync()
    losses, variables = reference(batch, **expected)
    np.testing.assert_allclose(history.history["loss"], losses, rtol=1e-5)
    for own, other in zip(layer.resolved_object.variables, variables, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-4, atol=1e-6)
