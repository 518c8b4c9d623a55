"""Nothing of ours keeps a model in memory that its user has let go."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

import rehub as hub
from tests.tf1 import modules

v1 = tf.compat.v1

X = tf.constant([10.0, 20.0])


def references(obj: object, *more: object) -> list[weakref.ref[object]]:
    return [weakref.ref(each) for each in (obj, *obj.variables, *more)]  # type: ignore[attr-defined]


def test_loading_many_times_keeps_no_object_alive(half_plus_two: Path) -> None:
    alive = []
    for _ in range(20):
        obj = hub.load(half_plus_two)
        obj(X)
        alive += references(obj, type(obj))
    del obj
    gc.collect()

    assert len(alive) == 80
    assert not [reference() for reference in alive if reference() is not None]


@pytest.mark.parametrize("trainable", [True, False])
def test_layers_keep_no_model_alive(half_plus_two: Path, trainable: bool) -> None:
    alive = []
    for _ in range(5):
        layer = hub.KerasLayer(str(half_plus_two), trainable=trainable)
        layer(X)
        alive += references(layer.resolved_object, layer)
    del layer
    gc.collect()

    assert not [reference() for reference in alive if reference() is not None]


def test_pickling_keeps_no_second_copy_alive(half_plus_two: Path) -> None:
    obj = hub.load(half_plus_two)
    gc.collect()
    before = sum(isinstance(each, tf.Variable) for each in gc.get_objects())
    for _ in range(3):
        obj.__reduce_ex__(4)
    gc.collect()

    assert sum(isinstance(each, tf.Variable) for each in gc.get_objects()) == before


def count_of_functions() -> int:
    """How many graphs of functions there are, of whatever origin."""
    gc.collect()
    return sum(isinstance(each, tf.__internal__.FuncGraph) for each in gc.get_objects())


class Squashing(tf.Module):
    """A gradient of its own around a variable, which needs a tensor of the forward computation."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = tf.Variable(2.0)

    @tf.function(input_signature=[tf.TensorSpec([None])])
    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        @tf.custom_gradient
        def squashed(value: tf.Tensor) -> Any:
            result = tf.tanh(value)
            return result, lambda upstream: upstream * (2.0 - result)

        return tf.add(squashed(x * self.factor), 1.0, name="inner") * 3.0


def train(layer: Any) -> None:
    with tf.GradientTape() as tape:
        outputs = layer(X, training=True)
    assert tape.gradient(outputs, layer.trainable_variables)[0] is not None


def test_gradients_of_tensors_inside_keep_no_function_alive(tmp_path: Path) -> None:
    tf.saved_model.save(Squashing(), str(tmp_path))
    model = hub.load(tmp_path)
    counts = []
    for _ in range(3):
        train(hub.KerasLayer(model, trainable=True, output_key="inner"))
        counts.append(count_of_functions())

    assert counts[2] == counts[1] == counts[0]


def test_gradients_of_a_lifted_model_keep_no_function_alive(tmp_path: Path) -> None:
    def module_fn() -> None:
        x = v1.placeholder(tf.float32, [None])
        factor = v1.get_variable("factor", initializer=2.0)
        squashed = tf.custom_gradient(lambda value: (tf.tanh(value), lambda upstream: upstream * tf.sigmoid(value)))
        hub.add_signature(inputs=x, outputs=squashed(x * factor))

    folder = modules.export(hub, hub.create_module_spec(module_fn), tmp_path / "module")
    counts = []
    for _ in range(3):
        train(hub.KerasLayer(str(folder), trainable=True))
        counts.append(count_of_functions())

    assert counts[2] == counts[1] == counts[0]
