"""What the document "Model compatibility for TF1/TF2" promises for TensorFlow 2."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub

from .models import FEATURES, IMAGE_SIZE

IMAGES = np.linspace(0.0, 1.0, 4 * IMAGE_SIZE * IMAGE_SIZE * 3, dtype="float32").reshape(4, IMAGE_SIZE, IMAGE_SIZE, 3)

# What hub.Module computed for these inputs in a session of TensorFlow 1.
A = [[-0.12801019847393036, -0.9481475353240967, 0.09932495653629303]]
B = [[0.10159580409526825, 0.4162956476211548, -0.41819050908088684]]
SUM = [[-0.17148226499557495, -0.5667328238487244, -0.12675964832305908]]


def test_tf1_hub_model_loads_without_tags_and_offers_its_signatures(hub_url: str) -> None:
    m = hub.load(f"{hub_url}/tf1/half_plus_two/1")
    outputs = m.signatures["default"](tf.constant([10.0, 20.0]))

    assert outputs["default"].numpy().tolist() == [7.0, 12.0]


def test_tf1_hub_model_loads_the_graph_without_tags_when_there_is_one_for_training(hub_url: str) -> None:
    handle = f"{hub_url}/tf1/rich/1"
    x = tf.ones([64, 4])
    m, inference, training = hub.load(handle), hub.load(handle, tags=[]), hub.load(handle, tags=["train"])

    np.testing.assert_array_equal(m.signatures["default"](x)["default"], inference.signatures["default"](x)["default"])
    assert np.any(m.signatures["default"](x)["default"] != training.signatures["default"](x)["default"])


def test_tf1_hub_model_computes_what_tensorflow_1_did(hub_url: str) -> None:
    m = hub.load(f"{hub_url}/tf1/rich/1")
    outputs = m.signatures["two_in"](a=tf.constant(A), b=tf.constant(B))

    np.testing.assert_allclose(outputs["sum"], SUM, rtol=1e-6)
    layer = hub.KerasLayer(f"{hub_url}/tf1/rich/1", signature="two_in", output_key="sum")
    np.testing.assert_allclose(layer({"a": tf.constant(A), "b": tf.constant(B)}), SUM, rtol=1e-6)


def test_tf1_hub_model_is_a_layer_with_signature_and_output_default(hub_url: str) -> None:
    m = hub.KerasLayer(f"{hub_url}/tf1/half_plus_two/1")
    outputs = m([10.0, 20.0])

    assert outputs.numpy().tolist() == [7.0, 12.0]
    assert hub.KerasLayer(f"{hub_url}/tf1/half_plus_two/1", signature_outputs_as_dict=True)([10.0]).keys() == {
        "default"
    }


def test_tf1_hub_model_is_a_layer_with_a_chosen_signature(hub_url: str) -> None:
    m = hub.KerasLayer(f"{hub_url}/tf1/image/1", signature="image_feature_vector")
    outputs = m(IMAGES)

    expected = hub.load(f"{hub_url}/tf1/image/1").signatures["image_feature_vector"](tf.constant(IMAGES))["default"]
    np.testing.assert_array_equal(outputs, expected)
    assert outputs.shape == [4, 5]


def test_tf1_hub_model_is_fine_tuned_in_fit(hub_url: str) -> None:
    layer = hub.KerasLayer(f"{hub_url}/tf1/rich/1", trainable=True)
    before = [variable.numpy() for variable in layer.resolved_object.variables]
    model = tf.keras.Sequential([layer, tf.keras.layers.Dense(1)])
    model.compile(tf.keras.optimizers.SGD(0.1), "mse")
    model.fit(tf.reshape(tf.range(32.0), [8, 4]), tf.ones([8, 1]), verbose=0)

    assert all(not np.array_equal(old, new) for old, new in zip(before, layer.resolved_object.variables, strict=True))


def test_tf1_hub_model_is_thawed_after_the_layers_behind_it_have_learned(hub_url: str) -> None:
    layer = hub.KerasLayer(f"{hub_url}/tf1/rich/1")
    model = tf.keras.Sequential([layer, tf.keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(tf.ones([2, 4]), tf.ones([2, 1]), verbose=0)
    layer.trainable = True
    model.compile("sgd", "mse")
    model.fit(tf.ones([2, 4]), tf.ones([2, 1]), verbose=0)

    assert len(model.trainable_weights) == 2 + 6
    assert len(model.losses) == 2


def test_tf1_hub_model_that_was_loaded_before_refuses_fine_tuning(hub_url: str) -> None:
    layer = hub.KerasLayer(hub.load(f"{hub_url}/tf1/half_plus_two/1"), trainable=True)

    with pytest.raises(
        ValueError, match="trainable = True is unsupported when loading from the TF1 Hub format"
    ) as info:
        layer([1.0])
    assert isinstance(info.value, hub.errors.SignatureError)
    assert "Pass the handle" in info.value.hint


def test_tf1_hub_model_stays_the_same_while_layers_after_it_learn(hub_url: str) -> None:
    model = tf.keras.Sequential(
        [hub.KerasLayer(f"{hub_url}/tf1/rich/1"), tf.keras.layers.Dense(1, kernel_initializer="zeros")]
    )
    model.compile(tf.keras.optimizers.SGD(0.1), "mse")
    model.fit(tf.ones([8, 4]), tf.ones([8, 1]), verbose=0)

    assert len(model.trainable_weights) == 2
    assert np.all(model.layers[-1].kernel != 0.0)
    old = hub.load(f"{hub_url}/tf1/rich/1").variables
    np.testing.assert_array_equal(
        np.concatenate([v.numpy().ravel() for v in model.layers[0].resolved_object.variables]),
        np.concatenate([v.numpy().ravel() for v in old]),
    )


def test_saved_model_loads_as_object_and_as_layer(image_url: str) -> None:
    m = hub.load(image_url)
    layer = hub.KerasLayer(image_url)
    inputs = tf.constant(IMAGES)

    outputs = m(inputs)
    np.testing.assert_array_equal(layer(inputs), outputs)
    assert outputs.shape == [4, FEATURES]


@pytest.mark.parametrize("is_training", [True, False])
def test_saved_model_is_called_in_the_wanted_mode(image_url: str, is_training: bool) -> None:
    m = hub.load(image_url)
    outputs = m(tf.constant(IMAGES), training=is_training)

    assert np.any(outputs == 0.0) == is_training
    assert np.any(m.moving_mean != 0.0) == is_training


def test_saved_model_is_fine_tuned_as_a_layer(image_url: str) -> None:
    m = hub.KerasLayer(image_url, trainable=True)
    before = [weight.numpy() for weight in m.resolved_object.variables]
    with tf.GradientTape() as tape:
        outputs = m(tf.constant(IMAGES), training=True)
        loss = tf.reduce_sum(outputs**2)
    gradients = tape.gradient(loss, m.trainable_weights)
    tf.keras.optimizers.SGD(0.1).apply_gradients(zip(gradients, m.trainable_weights, strict=True))

    assert all(np.any(new != old) for new, old in zip(m.resolved_object.variables, before, strict=True))


def test_model_re_exported_with_its_signatures_keeps_all_of_them(tmp_path: Path) -> None:
    class Scaler(tf.Module):
        def __init__(self):
            super().__init__()
            self.factor = tf.Variable(2.0)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
        def times(self, x):
            return {"product": x * self.factor}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
        def over(self, x):
            return {"quotient": x / self.factor}

    scaler = Scaler()
    signatures = {"serving_default": scaler.times, "over": scaler.over}
    tf.saved_model.save(scaler, str(tmp_path / "first"), signatures=signatures)
    loaded = hub.load(tmp_path / "first")
    loaded.factor.assign(4.0)
    tf.saved_model.save(loaded, str(tmp_path / "second"), signatures=loaded.signatures)

    again = hub.load(tmp_path / "second")
    assert sorted(again.signatures) == ["over", "serving_default"]
    assert again.signatures["over"](x=tf.constant([1.0]))["quotient"].numpy().tolist() == [0.25]
    assert again.times(tf.constant([1.0]))["product"].numpy().tolist() == [4.0]
