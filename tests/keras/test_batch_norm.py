"""What batch normalisation does while a layer trains."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from tests.keras import convolution
from tests.keras.convolution import changed, model_of, values

MOVING = ["block1/moving_mean", "block2/moving_mean"]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return convolution.save(tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize("wrap", [lambda call: call, tf.function], ids=["eager", "graph"])
@pytest.mark.parametrize(("mode", "training"), [("train", True), ("frozen", True), ("inference", False)])
def test_mode_chooses_the_trace_and_what_it_updates(path, mode, training, wrap):
    layer, twin = hub.KerasLayer(path, trainable=True, batch_norm=mode), hub.load(path)
    for variable in (*layer.resolved_object.variables, *twin.variables):
        variable.assign_add(tf.ones_like(variable) * 0.1)
    before = values(layer)

    @wrap
    def step(images):
        with tf.GradientTape() as tape:
            outputs = layer(images, training=True)
        return outputs, tape.gradient(outputs, layer.trainable_variables)

    outputs, gradients = step(convolution.images())
    with tf.GradientTape() as tape:
        expected = twin(convolution.images(), training=training)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)
    for gradient, wanted in zip(gradients, tape.gradient(expected, twin.trainable_variables), strict=True):
        np.testing.assert_allclose(gradient, wanted, rtol=1e-4, atol=1e-4)
    assert changed(before, layer) == (MOVING if mode == "train" else [])


@pytest.mark.parametrize("mode", ["frozen", "inference"])
def test_fit_trains_weights_and_keeps_moving_statistics(path, mode):
    layer = hub.KerasLayer(path, trainable=True, batch_norm=mode)
    before = values(layer)
    model_of(layer).fit(convolution.images(), tf.ones([4, 3]), epochs=2, verbose=0)

    assert changed(before, layer) == sorted(convolution.NAMES)


def test_layer_that_is_called_twice_keeps_moving_statistics(path):
    layer = hub.KerasLayer(path, trainable=True, batch_norm="frozen")
    before = values(layer)

    @tf.function
    def twice(images):
        return layer(images, training=True) + layer(images + 1, training=True)

    twice(convolution.images())
    assert changed(before, layer) == []


def test_replicas_keep_moving_statistics(path):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        layer = hub.KerasLayer(path, trainable=True, batch_norm="frozen")

    @tf.function
    def step():
        return strategy.run(lambda: layer(convolution.images(), training=True))

    outputs = strategy.experimental_local_results(step())
    expected = hub.load(path)(convolution.images(), training=True)
    for replica in outputs:
        np.testing.assert_allclose(replica, expected, rtol=1e-5, atol=1e-6)
    for variable in layer.resolved_object.variables[-2:]:
        for copy in strategy.experimental_local_results(variable):
            np.testing.assert_array_equal(copy, tf.zeros_like(copy))


class _Counter(tf.train.Checkpoint):
    def __init__(self):
        super().__init__()
        self.calls = tf.Variable(0, trainable=False, name="calls")
        self.weight = tf.Variable(1.0, name="weight")
        self.variables, self.trainable_variables = [self.weight, self.calls], [self.weight]

    @tf.function
    def __call__(self, inputs, training=False):
        if training:
            self.calls.assign_add(1)
        return inputs * self.weight


def test_frozen_statistics_let_counters_and_seeds_go_on():
    layer = hub.KerasLayer(_Counter(), trainable=True, batch_norm="frozen")
    layer(tf.ones([2]), training=True)
    assert int(layer.resolved_object.calls) == 1


def test_failing_call_keeps_moving_statistics(path):
    obj = hub.load(path)

    class Fails:
        variables, trainable_variables = obj.variables, obj.trainable_variables

        def __call__(self, inputs, training=False):
            obj(inputs, training=training)
            raise ArithmeticError("later")

    layer = hub.KerasLayer(Fails(), trainable=True, batch_norm="frozen")
    with pytest.raises(ArithmeticError, match="later"):
        layer(convolution.images(), training=True)
    np.testing.assert_array_equal(obj.variables[-1], tf.zeros([5]))


def test_configuration_keeps_the_mode(path):
    layer = hub.KerasLayer(path, trainable=True, batch_norm="frozen")
    again = hub.KerasLayer.from_config(layer.get_config())

    assert again.get_config()["batch_norm"] == "frozen"
    before = values(again)
    again(convolution.images(), training=True)
    assert changed(before, again) == []


def test_unknown_mode_lists_those_that_exist(path):
    with pytest.raises(hub.errors.SignatureError, match="batch_norm='freeze' is no mode") as caught:
        hub.KerasLayer(path, trainable=True, batch_norm="freeze")
    assert caught.value.available == ("train", "frozen", "inference")


@pytest.mark.parametrize("mode", ["frozen", "inference"])
def test_mode_of_a_model_without_modes_is_refused(only_signatures, mode):
    with pytest.raises(hub.errors.SignatureError, match="is called without training="):
        hub.KerasLayer(only_signatures, signature="serving_default", batch_norm=mode)


if not hasattr(tf.keras, "version"):

    @pytest.mark.filterwarnings("ignore:`Model.state_updates` will be removed:UserWarning")  # Keras itself
    def test_fit_in_a_session_keeps_moving_statistics(path):
        images = convolution.images().numpy()
        with tf.Graph().as_default():
            layer = hub.KerasLayer(path, trainable=True, batch_norm="frozen")
            model_of(layer).fit(images, np.ones([4, 3]), verbose=0)
            session = tf.compat.v1.keras.backend.get_session()
            kernel, *_, moving_mean = session.run(layer.resolved_object.variables)
        np.testing.assert_array_equal(moving_mean, np.zeros([5]))
        assert not np.array_equal(kernel, convolution.Convolution().variables[0])
