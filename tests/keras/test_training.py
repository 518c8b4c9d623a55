"""What a layer trains, what it refuses to train, and what tapes see of it."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from tests.conformance.models import DATA


def test_frozen_layer_is_not_recorded(scale, batch):
    layer = hub.KerasLayer(scale)
    with tf.GradientTape() as tape:
        layer(batch)
    assert tape.watched_variables() == ()


def test_frozen_layer_is_not_recorded_inside_a_graph(scale, batch):
    layer = hub.KerasLayer(scale)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            outputs = layer(batch)
        return tape.gradient(outputs, layer.resolved_object.kernel) is None

    assert bool(step())


def test_explicitly_watched_variable_of_a_frozen_layer_is_recorded(scale, batch):
    layer = hub.KerasLayer(scale)
    with tf.GradientTape() as tape:
        tape.watch(layer.resolved_object.kernel)
        outputs = layer(batch)
    np.testing.assert_allclose(tape.gradient(outputs, layer.resolved_object.kernel), [3.0, 5.0, 7.0])


def test_watched_input_of_a_frozen_layer_is_recorded(scale, batch):
    layer = hub.KerasLayer(scale)
    with tf.GradientTape() as tape:
        tape.watch(batch)
        outputs = layer(batch)
    np.testing.assert_allclose(tape.gradient(outputs, batch), [[1.0, 2.0, 3.0]] * 2)


def test_layer_below_a_frozen_one_still_learns(scale, batch):
    dense = tf.keras.layers.Dense(3)
    layer = hub.KerasLayer(scale)
    with tf.GradientTape() as tape:
        outputs = layer(dense(batch))
    assert all(gradient is not None for gradient in tape.gradient(outputs, dense.trainable_variables))


def test_forward_mode_through_a_frozen_layer_works(scale, batch):
    layer = hub.KerasLayer(scale)
    with tf.autodiff.ForwardAccumulator(batch, tf.ones_like(batch)) as accumulator:
        outputs = layer(batch)
    np.testing.assert_allclose(accumulator.jvp(outputs), [[1.0, 2.0, 3.0]] * 2)


def test_plain_loaded_object_is_recorded(scale, batch):
    obj = hub.load(scale)
    with tf.GradientTape() as tape:
        outputs = obj(batch)
    assert tape.gradient(outputs, obj.kernel) is not None


def test_training_signature_is_refused_and_names_the_switch(scale, batch):
    layer = hub.KerasLayer(scale, signature="one", trainable=True)
    with pytest.raises(ValueError, match="allow_signature_training=True"):
        layer(batch)


def test_training_signature_trains_the_variables_that_it_uses(scale, batch):
    layer = hub.KerasLayer(scale, signature="one", trainable=True, allow_signature_training=True)
    assert len(layer.trainable_weights) == 1
    assert layer.non_trainable_weights == []
    model = tf.keras.Sequential([tf.keras.Input((3,)), layer])
    model.compile("sgd", "mse")
    model.fit(batch, batch * 0, verbose=0)
    assert not np.array_equal(layer.resolved_object.kernel, [1.0, 2.0, 3.0])


def test_training_a_saved_model_of_tf1_that_was_loaded_before_is_refused():
    model = hub.load(str(DATA / "saved_models" / "graphs"), tags=["serve"])
    layer = hub.KerasLayer(model, signature="serving_default", output_key="y", trainable=True)
    with pytest.raises(ValueError, match="unsupported for a SavedModel of TensorFlow 1"):
        layer([[1.0, 2.0]])


def test_training_can_be_toggled_by_a_tensor_in_a_graph(scale, batch):
    if hasattr(tf.keras, "version"):
        layer = hub.KerasLayer(scale, trainable=True)
        call = tf.function(lambda training: layer.call(batch, training=training))
    else:
        layer = hub.KerasLayer(scale, trainable=True)
        call = tf.function(lambda training: layer(batch, training=training))
    inference, training = call(tf.constant(False)), call(tf.constant(True))
    np.testing.assert_allclose(training - 1.0, (inference - 1.0) * 2.0)


def test_two_layers_of_one_object_share_weights_and_count_losses_once(scale, batch):
    obj = hub.load(scale)
    one, other = hub.KerasLayer(obj, trainable=True), hub.KerasLayer(obj, trainable=True)
    inputs = tf.keras.Input((3,))
    model = tf.keras.Model(inputs, one(inputs) + other(inputs))
    assert len(model.trainable_weights) == 1
    if hasattr(tf.keras, "version"):
        assert float(sum(model.losses)) == pytest.approx(6.0)
    model.compile(tf.keras.optimizers.SGD(0.1), "mse")
    model.fit(batch, batch, verbose=0)
    assert not np.array_equal(obj.kernel, [1.0, 2.0, 3.0])


@pytest.mark.parametrize("watch", [False, True])
def test_variable_as_input_of_a_frozen_layer_gets_its_gradient(scale, batch, watch):
    layer = hub.KerasLayer(scale)
    image = tf.Variable(batch)

    def gradient():
        with tf.GradientTape(watch_accessed_variables=not watch) as tape:
            if watch:
                tape.watch(image)
            outputs = layer(image)
        return tape.gradient(outputs, image)

    for result in (gradient(), tf.function(gradient)()):
        np.testing.assert_allclose(result, [[1.0, 2.0, 3.0]] * 2)


def test_variable_of_keras_is_an_input(scale, batch):
    variable = (tf.keras if hasattr(tf.keras, "version") else tf).Variable(batch)
    np.testing.assert_allclose(hub.KerasLayer(scale)(variable), hub.KerasLayer(scale)(batch))


def test_frozen_layer_inside_a_function_is_not_recorded_by_a_tape_around_it(scale, batch):
    layer, other = hub.KerasLayer(scale), tf.Variable(2.0)
    inner = tf.function(lambda inputs: layer(inputs))
    function = tf.function(lambda inputs: inner(inputs) * other)
    with tf.GradientTape() as tape:
        outputs = function(batch)
    assert [variable is other for variable in tape.watched_variables()] == [True]
    np.testing.assert_allclose(tape.gradient(outputs, other), tf.reduce_sum(layer(batch)))
    with tf.GradientTape() as tape:
        tape.watch(layer.resolved_object.kernel)
        outputs = function(batch)
    np.testing.assert_allclose(tape.gradient(outputs, layer.resolved_object.kernel), [6.0, 10.0, 14.0])
    layer.trainable = True
    with tf.GradientTape() as tape:
        tf.function(lambda inputs: layer(inputs))(batch)
    assert len(tape.watched_variables()) == 1


def test_losses_of_an_object_without_trainable_variables_count(batch):
    class Fixed:
        def __init__(self):
            self.kernel = tf.Variable([1.0, 2.0, 3.0], trainable=False)
            self.variables, self.trainable_variables = [self.kernel], []
            self.regularization_losses = [lambda: tf.reduce_sum(self.kernel)]

        def __call__(self, inputs):
            return inputs * self.kernel

    layer = hub.KerasLayer(Fixed(), trainable=True)
    inputs = tf.keras.Input((3,))
    model = tf.keras.Model(inputs, layer(layer(inputs)))
    model(batch)
    assert float(sum(model.losses)) == 6.0


def test_variables_without_a_fixed_shape_are_never_left_untrained_in_silence(batch):
    class Open:
        def __init__(self):
            self.kernel = tf.Variable([1.0, 2.0, 3.0], shape=[None])
            self.variables = self.trainable_variables = [self.kernel]

        def __call__(self, inputs):
            return inputs * self.kernel

    np.testing.assert_allclose(hub.KerasLayer(Open())(batch), batch * [1.0, 2.0, 3.0])
    layer = hub.KerasLayer(Open(), trainable=True)
    if hasattr(tf.keras, "version"):
        with pytest.raises(hub.errors.SignatureError, match="without a fixed shape"):
            layer(batch)
    else:
        assert len(layer.trainable_weights) == 1
