"""Keras 2 fine-tunes models in a ``tf.Graph``, in its own session."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub

from .test_load import IMAGES, ROWS

v1 = tf.compat.v1
TARGETS = np.array([[1.0], [2.0]], "float32")
KERNEL, OFFSET = np.array([1.0, 2.0, 3.0]), 1.0

pytestmark = pytest.mark.filterwarnings("ignore:`Model.state_updates` will be removed:UserWarning")  # Keras itself


def model_of(layer, *, shape=(3,), dtype="float32"):
    """A Keras model whose head sums what the layer returns."""
    head = tf.keras.layers.Dense(1, kernel_initializer="ones", use_bias=False, trainable=False)
    model = tf.keras.Sequential([tf.keras.Input(shape, dtype=dtype), layer, head])
    model.compile("sgd", "mse")
    v1.keras.backend.get_session().run(v1.tables_initializer())
    return model


def keras_values(variables):
    return v1.keras.backend.get_session().run(list(variables))


if not hasattr(tf.keras, "version"):

    def test_fit_takes_the_step_that_calculus_says(folder):
        layer = hub.KerasLayer(folder / "scale", trainable=True)
        model_of(layer).fit(ROWS, TARGETS, verbose=0)

        error = (2.0 * ROWS * KERNEL + OFFSET).sum(1, keepdims=True) - TARGETS
        gradient = np.mean(2.0 * error * 2.0 * ROWS, axis=0) + 1.0  # and of the regularization loss
        np.testing.assert_allclose(
            keras_values(layer.resolved_object.variables)[0], KERNEL - 0.01 * gradient, rtol=1e-5
        )

    def test_evaluate_adds_the_regularization_loss_of_a_trainable_layer(folder):
        error = (ROWS * KERNEL + OFFSET).sum(1, keepdims=True) - TARGETS
        for trainable in (True, False):
            loss = model_of(hub.KerasLayer(folder / "scale", trainable=trainable)).evaluate(ROWS, TARGETS, verbose=0)
            assert loss == pytest.approx(np.mean(error**2) + KERNEL.sum() * trainable, rel=1e-6)

    def test_fit_leaves_a_frozen_layer_as_it_is(folder):
        layer = hub.KerasLayer(folder / "scale")
        head = tf.keras.layers.Dense(1, kernel_initializer="ones")
        model = tf.keras.Sequential([layer, head])
        model.compile("sgd", "mse")
        model.fit(ROWS, TARGETS, verbose=0)

        np.testing.assert_array_equal(keras_values(layer.resolved_object.variables)[0], KERNEL)
        assert (head.get_weights()[0] != 1.0).all()

    def test_fit_updates_statistics_and_follows_the_learning_phase(folder):
        layer = hub.KerasLayer(folder / "image", trainable=True)
        model = model_of(layer, shape=(8, 8, 3))
        targets = np.ones([4, 1], "float32")
        model.fit(IMAGES, targets, verbose=0)
        mean = keras_values([layer.resolved_object.moving_mean])[0]
        assert mean.any()

        assert not (model.predict(IMAGES) == 0.0).any()
        model.evaluate(IMAGES, targets, verbose=0)
        np.testing.assert_array_equal(keras_values([layer.resolved_object.moving_mean])[0], mean)

    def test_fit_works_after_predict_and_evaluate(folder):
        layer = hub.KerasLayer(folder / "scale", trainable=True)
        model = model_of(layer)
        before = model.predict(ROWS)
        model.evaluate(ROWS, TARGETS, verbose=0)
        model.fit(ROWS, TARGETS, verbose=0)

        np.testing.assert_allclose(before[:, 0], (ROWS * KERNEL + OFFSET).sum(1), rtol=1e-6)
        assert (keras_values(layer.trainable_weights)[0] != KERNEL).all()

    def test_model_without_gradient_predicts(folder):
        layer = hub.KerasLayer(folder / "rounding", trainable=True)
        np.testing.assert_allclose(model_of(layer).predict(ROWS)[:, 0], (ROWS * KERNEL).sum(1), rtol=1e-5)

    def test_fit_trains_a_text_model_with_its_table(folder):
        layer = hub.KerasLayer(folder / "text", trainable=True)
        model = model_of(layer, shape=(), dtype=tf.string)
        before = layer.get_weights()[0]
        model.fit(np.array(["good film", "bad"], object), TARGETS, verbose=0)

        changed = (layer.get_weights()[0] != before).any(1)
        assert np.flatnonzero(changed).tolist() == [5, 6, 7]  # good, bad, film

    def test_signature_is_trained_when_that_is_allowed(folder):
        layer = hub.KerasLayer(
            folder / "scale", trainable=True, signature="both", output_key="sum", allow_signature_training=True
        )
        model_of(layer).fit(ROWS, TARGETS, verbose=0)
        assert (layer.get_weights()[0] != KERNEL).all()

    def test_session_of_keras_initializes_variables_that_a_model_does_not_list(folder, tmp_path):
        layer = hub.KerasLayer(folder / "counting", trainable=True)
        model = model_of(layer)
        model.predict(ROWS)

        assert [weight.name for weight in layer.weights] == ["kernel:0"]
        assert keras_values([layer.resolved_object.calls]) == [1]
        model.save_weights(tmp_path / "checkpoint", save_format="tf")

    def test_weights_file_is_read_in_another_graph(folder, tmp_path):
        path = str(tmp_path / "weights.h5")
        model = model_of(hub.KerasLayer(folder / "scale", trainable=True))
        model.fit(ROWS, TARGETS, verbose=0)
        model.save_weights(path)
        expected = model.predict(ROWS)

        with tf.Graph().as_default():
            model = model_of(hub.KerasLayer(folder / "scale", trainable=True))
            model.load_weights(path)
            np.testing.assert_array_equal(model.predict(ROWS), expected)

    def test_tuned_model_is_saved_from_the_session_of_keras(folder, tmp_path):
        layer = hub.KerasLayer(folder / "scale", trainable=True)
        model_of(layer).fit(ROWS, TARGETS, verbose=0)
        tuned = keras_values(layer.trainable_weights)[0]
        with v1.keras.backend.get_session().as_default():
            tf.saved_model.save(layer.resolved_object, str(tmp_path / "tuned"))

        with tf.Graph().as_default(), v1.Session() as session:
            kernel = hub.load(tmp_path / "tuned").kernel
            session.run(v1.global_variables_initializer())
            np.testing.assert_array_equal(session.run(kernel), tuned)
