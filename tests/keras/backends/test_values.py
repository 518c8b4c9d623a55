"""Where the values of a layer live, and who sees them."""

from __future__ import annotations

import copy
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from tests.keras.backends.conftest import BACKEND, array


def test_fit_trains_updates_statistics_and_counts_regularization(statistics, make_model, x, y):
    layer = hub.KerasLayer(statistics, trainable=True)
    model = make_model(layer)
    losses = model.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0).history["loss"]

    obj, head = hub.load(statistics), tf.Variable([[1.0], [1.0]])
    bias, expected = tf.Variable([0.0]), []
    for _ in range(3):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((obj(x, training=True) @ head + bias - y) ** 2) + obj.regularization_losses[0]()
        variables = [obj.kernel, head, bias]
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(0.1 * gradient)
        expected.append(float(loss))
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    np.testing.assert_allclose(array(layer.weights[0]), obj.kernel, rtol=1e-5)
    np.testing.assert_allclose(array(layer.weights[1]), obj.mean, rtol=1e-5)
    np.testing.assert_allclose(model.predict(x, verbose=0), obj(x) @ head + bias, rtol=1e-5, atol=1e-6)


def test_frozen_layer_trains_nothing_until_it_is_thawed(statistics, make_model, x, y):
    layer = hub.KerasLayer(statistics)
    model = make_model(layer)
    model.fit(x, y, verbose=0)
    np.testing.assert_array_equal(array(layer.weights[0]), [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    np.testing.assert_array_equal(array(layer.weights[1]), [0.0, 0.0])
    assert layer.losses == []
    layer.trainable = True
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(x, y, verbose=0)
    tuned = array(layer.weights[0])
    assert (tuned != [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]).all()
    layer.trainable = False
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(x, y, verbose=0)
    np.testing.assert_array_equal(array(layer.weights[0]), tuned)


def test_sync_brings_tuned_values_into_the_model_for_reexport(statistics, make_model, x, y, tmp_path):
    layer = hub.KerasLayer(statistics, trainable=True)
    make_model(layer).fit(x, y, epochs=2, verbose=0)
    layer.sync()
    tf.saved_model.save(layer.resolved_object, str(tmp_path))
    np.testing.assert_allclose(hub.load(str(tmp_path))(x), array(layer(x)), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(layer.resolved_object.kernel, array(layer.weights[0]))
    np.testing.assert_array_equal(layer.resolved_object.mean, array(layer.weights[1]))


def test_assigned_values_are_used_at_the_next_call(statistics, x):
    layer = hub.KerasLayer(statistics)
    before = array(layer(x))
    layer.set_weights([2.0 * array(layer.weights[0]), array(layer.weights[1])])
    np.testing.assert_allclose(array(layer(x)), 2.0 * before, rtol=1e-6)


@pytest.mark.parametrize("copier", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copy_has_the_tuned_values(statistics, x, copier):
    layer = hub.KerasLayer(statistics, trainable=True)
    layer.set_weights([2.0 * array(layer.weights[0]), array(layer.weights[1])])
    np.testing.assert_array_equal(array(copier(layer)(x)), array(layer(x)))


def test_layers_of_one_object_share_values_in_one_model(statistics, x, y):
    obj = hub.load(statistics)
    trained, frozen = hub.KerasLayer(obj, trainable=True), hub.KerasLayer(obj)
    inputs = keras.Input((3,))
    outputs = keras.layers.Dense(1, kernel_initializer="ones")(trained(inputs) - frozen(inputs))
    model = keras.Model(inputs, outputs)
    assert len(model.trainable_weights) == 3
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(x, y, epochs=2, verbose=0)
    model.train_on_batch(x, y)
    assert (array(trained.weights[0]) != [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]).any()
    np.testing.assert_array_equal(array(frozen.weights[0]), array(trained.weights[0]))
    np.testing.assert_array_equal(array(frozen(x)), array(trained(x)))
    frozen.set_weights([np.ones((3, 2)), np.zeros(2)])
    np.testing.assert_array_equal(array(trained.weights[0]), np.ones((3, 2)))


def test_model_with_a_frozen_layer_alone_does_not_train_what_another_model_trains(statistics, make_model, x, y):
    obj = hub.load(statistics)
    trained, frozen = hub.KerasLayer(obj, trainable=True), hub.KerasLayer(obj)
    head_only, whole = make_model(frozen), make_model(trained)
    head_only.predict(x, verbose=0)
    whole.fit(x, y, verbose=0)
    tuned = array(trained.weights[0])
    head_only.fit(x, y, verbose=0)
    np.testing.assert_array_equal(array(trained.weights[0]), tuned)
    kernel, bias = (array(weight) for weight in head_only.layers[-1].weights)
    expected = array(trained(x)) @ kernel + bias
    np.testing.assert_allclose(head_only.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("trainable", [False, True, "kernel"])
def test_integer_that_is_declared_trainable_counts_the_calls(make_model, x, y, tmp_path, trainable):
    class Counting(tf.Module):
        def __init__(self):
            self.kernel, self.calls = tf.Variable([1.0, 2.0, 3.0], name="kernel"), tf.Variable(0, name="calls")

        @tf.function(input_signature=[tf.TensorSpec([None, 3])])
        def __call__(self, inputs):
            self.calls.assign_add(1)
            return inputs * self.kernel

    tf.saved_model.save(Counting(), str(tmp_path))
    layer = hub.KerasLayer(str(tmp_path), trainable=trainable)
    make_model(layer).fit(x, y, epochs=2, verbose=0)
    layer.sync()
    assert layer.resolved_object.calls.numpy() == 2
    assert (layer.resolved_object.kernel.numpy() != [1.0, 2.0, 3.0]).all() == bool(trainable)


if BACKEND == "jax":

    @pytest.mark.parametrize("is_trained", [True, False])
    def test_sync_within_fit_says_when_values_are_there(make_model, x, y, is_trained):
        class Scale(tf.Module):
            def __init__(self):
                self.scale = tf.Variable([1.0, 2.0, 3.0])

            def __call__(self, inputs):
                return inputs * self.scale

        obj = Scale()
        layer, frozen = hub.KerasLayer(obj, trainable=True), hub.KerasLayer(obj)
        syncs = layer if is_trained else frozen
        callback = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: syncs.sync())
        with pytest.raises(hub.errors.UsageError, match="jax_state_sync"):
            make_model(layer).fit(x, y, verbose=0, callbacks=[callback])

else:
    import torch

    def test_sync_sees_what_was_written_through_data(statistics, x, tmp_path):
        layer = hub.KerasLayer(statistics, trainable=True)
        layer(x)
        layer.weights[0].value.data.mul_(2.0)
        layer.sync()
        tf.saved_model.save(layer.resolved_object, str(tmp_path))
        for found in (hub.load(str(tmp_path))(x), array(layer(x))):
            np.testing.assert_allclose(found, 2.0 * hub.load(statistics)(x), rtol=1e-6)

    @pytest.mark.parametrize("copier", [copy.deepcopy, lambda layer: hub.KerasLayer.from_config(layer.get_config())])
    def test_copy_has_what_was_written_through_data(statistics, x, copier):
        layer = hub.KerasLayer(hub.load(statistics), trainable=True, embed_saved_model=True)
        before = array(layer(x))
        layer.weights[0].value.data.mul_(2.0)
        np.testing.assert_allclose(array(copier(layer)(x)), 2.0 * before, rtol=1e-6)

    @pytest.mark.parametrize("trainable", [True, False])
    def test_memory_that_was_replaced_is_that_of_all_layers(statistics, x, trainable):
        obj = hub.load(statistics)
        layer, other = hub.KerasLayer(obj, trainable=trainable), hub.KerasLayer(obj, trainable=not trainable)
        before = array(layer(x))
        parameters = [weight.value for weight in layer.weights]
        vector = 2.0 * torch.nn.utils.parameters_to_vector(parameters)
        torch.nn.utils.vector_to_parameters(vector.detach(), parameters)
        layer.sync()
        np.testing.assert_allclose(obj(x), 2.0 * before, rtol=1e-6)
        np.testing.assert_allclose(array(layer(x)), 2.0 * before, rtol=1e-6)
        np.testing.assert_allclose(array(other(x)), 2.0 * before, rtol=1e-6)
        layer.trainable = not trainable
        np.testing.assert_allclose(array(layer(x)), 2.0 * before, rtol=1e-6)
