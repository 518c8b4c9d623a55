"""Strings, ragged tensors and wide integers, which the backend may not have."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from tests.keras.backends.conftest import BACKEND, array, is_tensor


def test_strings_go_in_eagerly(words):
    layer = hub.KerasLayer(words)
    for texts in (["bad", "good"], np.array(["bad", "good"]), tf.constant(["bad", "good"])):
        outputs = layer(texts)
        assert is_tensor(outputs)
        np.testing.assert_array_equal(array(outputs), [[3.0, 4.0], [1.0, 2.0]])


def test_strings_go_through_a_dataset_into_fit(words):
    layer = hub.KerasLayer(words)
    data = tf.data.Dataset.from_tensor_slices((["good", "bad"] * 4, [[1.0], [0.0]] * 4)).batch(4)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    losses = model.fit(data.map(lambda texts, labels: (layer(texts), labels)), epochs=2, verbose=0).history["loss"]
    assert losses[1] < losses[0]


def test_dataset_sees_values_that_were_synced(words):
    layer = hub.KerasLayer(words)
    data = tf.data.Dataset.from_tensors(["good"]).map(layer)
    layer.set_weights([10.0 * array(layer.weights[0])])
    layer.sync()
    np.testing.assert_array_equal(next(iter(data)), [[10.0, 20.0]])


def test_strings_through_a_keras_model_are_refused_and_the_hint_says_how(words):
    with pytest.raises(hub.errors.UsageError, match=r"map of tf\.data"):
        hub.KerasLayer(words)(keras.Input((), dtype="string"))


def test_output_that_is_ragged_stays_a_tensor_of_tensorflow(numbers):
    outputs = hub.KerasLayer(numbers)(np.array([[1, 2], [3, 5]]))
    assert outputs["odd"].to_list() == [[1], [3, 5]]
    assert is_tensor(outputs["sums"])
    np.testing.assert_array_equal(array(outputs["sums"]), [3, 8])


def test_integers_of_the_backend_go_into_a_model_of_wide_ones(numbers):
    layer = hub.KerasLayer(numbers, output_key="sums")
    model = keras.Sequential([keras.Input((2,), dtype="int32" if BACKEND == "jax" else "int64"), layer])
    np.testing.assert_array_equal(model.predict(np.array([[1, 2], [3, 5]]), verbose=0), [3, 8])


def test_compare_reads_features_that_are_tensors_of_the_backend(tmp_path):
    class Short(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 2])])
        def __call__(self, inputs):
            return tf.cast(inputs, tf.bfloat16)  # PyTorch alone can read it, as it can what is on a GPU

    tf.saved_model.save(Short(), str(tmp_path))
    labels = np.arange(40) % 2
    found = hub.compare([tmp_path], (np.stack([labels, 1 - labels], axis=1).astype("float32"), labels))
    assert found.best.score == 1


if BACKEND == "jax":

    def test_wide_integers_that_do_not_fit_are_refused(numbers):
        with pytest.raises(hub.errors.UsageError, match="JAX_ENABLE_X64"):
            hub.KerasLayer(numbers, output_key="sums")(np.array([[2**40, 1]]))
