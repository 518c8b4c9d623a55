"""Any callable is a handle; subclasses of the layer find the seams that they know."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub


class _Multiply:
    """A plain Python object: no training argument, lists as they come."""

    def __init__(self):
        self.w = tf.Variable(3.0)
        self.variables = [self.w]
        self.trainable_variables = [self.w]
        self.regularization_losses = [lambda: self.w * 2.0]

    def __call__(self, x):
        return x * self.w


def test_plain_python_object_is_a_handle():
    obj = _Multiply()
    layer = hub.KerasLayer(obj, trainable=True)
    np.testing.assert_allclose(layer([1.0, 2.0]), [3.0, 6.0])
    assert float(sum(layer.losses)) == 6.0
    assert len(layer.trainable_weights) == 1
    assert layer.resolved_object is obj


def test_function_without_lists_is_a_handle():
    layer = hub.KerasLayer(lambda x: x + 1.0)
    np.testing.assert_allclose(layer([1.0]), [2.0])
    assert layer.weights == []
    assert layer.losses == []


@pytest.mark.parametrize("lists", [[], None])
def test_empty_and_missing_lists_are_no_weights(lists):
    obj = _Multiply()
    obj.variables = obj.trainable_variables = obj.regularization_losses = lists
    assert hub.KerasLayer(obj, trainable=True).weights == []


def test_regularizer_that_cannot_be_called_is_refused():
    obj = _Multiply()
    obj.regularization_losses = [1.0]
    with pytest.raises(ValueError, match="regularization_losses"):
        hub.KerasLayer(obj)


def test_object_may_decide_itself_about_training():
    class Mode:
        def __call__(self, x, training=False):
            return x + (10.0 if training else 0.0)

    layer = hub.KerasLayer(Mode(), trainable=True)
    assert float(layer([1.0], training=True)[0]) == 11.0
    assert float(layer([1.0], training=False)[0]) == 1.0
    assert float(layer([1.0])[0]) == 1.0


def test_arguments_reach_the_callable():
    layer = hub.KerasLayer(lambda x, scale, offset=0.0: x * scale + offset, arguments={"scale": 2.0, "offset": 1.0})
    np.testing.assert_allclose(layer([1.0, 2.0]), [3.0, 5.0])


def test_keras_model_is_a_handle(batch):
    inner = tf.keras.Sequential([tf.keras.Input((3,)), tf.keras.layers.Dense(2)])
    layer = hub.KerasLayer(inner, trainable=True)
    np.testing.assert_allclose(layer(batch), inner(batch))
    assert len(layer.trainable_weights) == 2


def test_subclass_may_allow_training(scale, batch):
    class Trains(hub.KerasLayer):
        def _check_trainability(self):
            assert self._is_hub_module_v1 is False

    layer = Trains(scale, signature="one", trainable=True)
    np.testing.assert_allclose(layer(batch), batch * [1.0, 2.0, 3.0])


def test_subclass_may_choose_weights_and_losses(scale):
    class Chooses(hub.KerasLayer):
        def _setup_layer(self, trainable=False, **kwargs):
            super()._setup_layer(trainable, **kwargs)
            self.extra = tf.Variable(1.0, name="extra")
            self._add_existing_weight(self.extra, trainable=True)
            loss = self._call_loss_if_trainable(lambda: tf.constant(5.0))
            self.loss_value = loss

    layer = Chooses(scale, trainable=True)
    assert len(layer.trainable_weights) == 2
    assert float(layer.loss_value()) == 5.0
    layer.trainable = False
    assert float(layer.loss_value()) == 0.0
    assert layer._func.kernel is layer.resolved_object.kernel


def test_subclass_may_set_up_the_layer_by_itself(scale, batch):
    class SetsUp(hub.KerasLayer):
        def _setup_layer(self, trainable=False, **kwargs):
            super(hub.KerasLayer, self).__init__(trainable=trainable, **kwargs)
            for variable in self._func.trainable_variables:
                self._add_existing_weight(variable, trainable=True)
            self.add_loss(self._call_loss_if_trainable(lambda: tf.constant(5.0)))

    layer = SetsUp(scale, trainable=True, name="own")

    np.testing.assert_allclose(layer(batch), batch * [1.0, 2.0, 3.0] + 1.0)
    assert layer.name == "own"
    assert len(layer.trainable_weights) == 1
    assert [float(loss) for loss in layer.losses] == [5.0]


def _layer_of(path, name, **options):
    loaded = hub.load(path)
    return hub.KerasLayer(getattr(loaded, name), **options)  # from here on nothing else holds what was loaded


def test_function_of_a_loaded_model_holds_its_variables(scale, batch):
    layer = _layer_of(scale, "one", output_key="product")
    np.testing.assert_allclose(layer(batch), batch * [1.0, 2.0, 3.0])
    assert [weight.shape for weight in layer.non_trainable_weights] == [(3,)]


def test_function_of_a_loaded_model_is_trained_in_its_training_mode(scale, batch):
    layer = _layer_of(scale, "__call__", trainable=True)
    np.testing.assert_allclose(layer(batch, training=True), batch * [2.0, 4.0, 6.0] + 1.0)
    np.testing.assert_allclose(layer(batch, training=False), batch * [1.0, 2.0, 3.0] + 1.0)
    assert [weight.shape for weight in layer.trainable_weights] == [(3,)]


def test_signature_of_a_loaded_model_holds_its_variables(scale, batch):
    loaded = hub.load(scale)
    layer = hub.KerasLayer(loaded.signatures["one"], output_key="product")
    del loaded
    np.testing.assert_allclose(layer(batch), batch * [1.0, 2.0, 3.0])


@pytest.mark.parametrize("part", ["one", "__call__"])
def test_function_of_a_model_that_nothing_holds_is_refused(scale, part):
    with pytest.raises(hub.errors.UsageError, match=r"nothing holds any longer.*model = hub\.load"):
        hub.KerasLayer(getattr(hub.load(scale), part))


def test_signature_of_a_model_that_nothing_holds_is_refused(scale):
    with pytest.raises(hub.errors.UsageError, match="nothing holds any longer"):
        hub.KerasLayer(hub.load(scale).signatures["one"])
