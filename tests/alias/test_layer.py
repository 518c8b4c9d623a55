"""Subclasses of the layer, as programs wrote them to train what tensorflow_hub did not let them train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf


def _layer_class(hub: Any) -> Any:
    class TrainsModules(hub.KerasLayer):
        def _setup_layer(self, trainable: bool = False, **kwargs: Any) -> None:
            if not self._is_hub_module_v1:
                super()._setup_layer(trainable, **kwargs)
                return
            super(hub.KerasLayer, self).__init__(trainable=trainable, **kwargs)
            trained = {id(variable) for variable in self._func.trainable_variables}
            for variable in self._func.variables:
                self._add_existing_weight(variable, trainable=id(variable) in trained)
            for loss in self._func.regularization_losses:
                self.add_loss(self._call_loss_if_trainable(loss))

        def _check_trainability(self) -> None:
            if not self._is_hub_module_v1:
                super()._check_trainability()

    return TrainsModules


@pytest.fixture
def module(hub: Any, tmp_path: Path) -> str:
    """A module of the TF1 Hub format: float32[?] -> its product with a weight that is regularized."""
    v1 = tf.compat.v1

    def build() -> None:
        x = v1.placeholder(tf.float32, [None])
        weight = v1.get_variable("weight", initializer=3.0, regularizer=lambda value: 0.5 * value, use_resource=True)
        hub.add_signature(inputs=x, outputs=x * weight)

    spec = hub.create_module_spec(build)
    with tf.Graph().as_default(), v1.Session() as session:
        built = hub.Module(spec)
        session.run(v1.global_variables_initializer())
        built.export(str(tmp_path / "module"), session)
    return str(tmp_path / "module")


def test_subclass_sets_up_weights_and_losses_of_a_module(hub: Any, module: str) -> None:
    layer = _layer_class(hub)(module, trainable=True)

    with tf.GradientTape() as tape:
        result = tf.reduce_sum(layer(tf.constant([2.0])))
    assert float(result) == 6.0
    assert [float(weight.numpy() if hasattr(weight, "numpy") else weight) for weight in layer.trainable_weights] == [
        3.0
    ]
    gradients = tape.gradient(result, layer._func.trainable_variables)
    np.testing.assert_allclose(gradients, [2.0])
    assert [float(loss) for loss in layer.losses] == [1.5]


def test_subclass_leaves_other_models_to_the_layer(hub: Any, doubling: str) -> None:
    layer = _layer_class(hub)(doubling, trainable=True)
    np.testing.assert_allclose(layer([1.0]), [2.0])
    assert len(layer.trainable_weights) == 1


def test_layer_loads_what_can_be_called_or_a_handle(hub: Any, doubling: str) -> None:
    loaded = hub.keras_layer.load_module(doubling)
    assert hub.keras_layer.load_module(loaded) is loaded
    assert hub.keras_layer.func_has_training_argument(lambda x, training=False: x)
    assert not hub.keras_layer.func_has_training_argument(loaded)
