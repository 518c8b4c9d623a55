"""The arguments of the layer: what they choose, and what a wrong one is answered with."""

from __future__ import annotations

import inspect
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub

IS_KERAS_3 = hasattr(tf.keras, "version")


def test_parameters_are_those_of_tensorflow_hub():
    names = list(inspect.signature(hub.KerasLayer.__init__).parameters)
    assert names[:11] == [
        "self",
        "handle",
        "trainable",
        "arguments",
        "_sentinel",
        "tags",
        "signature",
        "signature_outputs_as_dict",
        "output_key",
        "output_shape",
        "load_options",
    ]


def test_layer_is_one_of_tf_keras(scale):
    assert isinstance(hub.KerasLayer(scale), tf.keras.layers.Layer)


def test_signature_with_output_key_gives_one_tensor(scale, batch):
    layer = hub.KerasLayer(scale, signature="both", output_key="sum")
    np.testing.assert_allclose(layer(batch), batch + tf.constant([1.0, 2.0, 3.0]))


def test_signature_as_dict_gives_all_outputs(scale, batch):
    layer = hub.KerasLayer(scale, signature="both", signature_outputs_as_dict=True)
    assert set(layer(batch)) == {"product", "sum"}


def test_signature_takes_a_dict_of_inputs(scale, batch):
    layer = hub.KerasLayer(scale, signature="one", output_key="product")
    np.testing.assert_allclose(layer({"x": batch}), layer(batch))


def test_signature_with_one_output_needs_no_output_key(scale, batch):
    np.testing.assert_allclose(hub.KerasLayer(scale, signature="one")(batch), batch * [1.0, 2.0, 3.0])


def test_signature_with_several_outputs_and_no_output_key_lists_them(scale):
    with pytest.raises(ValueError, match="either output_key or signature_outputs_as_dict") as caught:
        hub.KerasLayer(scale, signature="both")
    assert caught.value.available == ("product", "sum")


def test_output_key_together_with_as_dict_is_refused(scale):
    with pytest.raises(ValueError, match="either output_key or signature_outputs_as_dict"):
        hub.KerasLayer(scale, signature="both", output_key="sum", signature_outputs_as_dict=True)


def test_as_dict_without_signature_is_refused(scale):
    with pytest.raises(ValueError, match="signature_outputs_as_dict is only valid"):
        hub.KerasLayer(scale, signature_outputs_as_dict=True)


def test_unknown_signature_lists_those_that_exist(scale):
    with pytest.raises(ValueError, match=r"Unknown signature nope .*both\(x: float32\[\?, 3\]\)") as caught:
        hub.KerasLayer(scale, signature="nope", output_key="y")
    assert caught.value.available == ("both", "one")


def test_unknown_output_key_lists_those_that_exist(scale, batch):
    with pytest.raises(hub.errors.SignatureError, match="does not contain the output key nope") as caught:
        hub.KerasLayer(scale, signature="both", output_key="nope")(batch)
    assert set(caught.value.available) == {"product", "sum"}


def test_output_key_without_a_dict_is_refused(scale, batch):
    with pytest.raises(ValueError, match="no dict"):
        hub.KerasLayer(scale, output_key="sum")(batch)


def test_model_that_is_not_callable_lists_signatures_and_outputs(only_signatures):
    with pytest.raises(ValueError, match=r"serving_default\(x: float32\[\?\]\) -> {double: float32\[\?\]}"):
        hub.KerasLayer(only_signatures)


def test_loaded_object_without_call_works_with_a_signature(only_signatures):
    obj = hub.load(only_signatures)
    np.testing.assert_allclose(hub.KerasLayer(obj, signature="serving_default")([1.0, 2.0]), [2.0, 4.0])


@pytest.mark.parametrize("option", [{"tags": ["serve"]}, {"load_options": tf.saved_model.LoadOptions()}])
def test_options_of_loading_with_a_callable_are_refused(option):
    with pytest.raises(ValueError, match="mutually exclusive"):
        hub.KerasLayer(lambda x: x, **option)


def test_fourth_positional_argument_is_refused(scale):
    with pytest.raises(ValueError, match="at most three positional"):
        hub.KerasLayer(scale, False, {}, ["serve"])


def test_handle_that_is_no_string_is_refused():
    with pytest.raises(ValueError, match="Expected a string, got 3"):
        hub.KerasLayer(3)


def test_output_shape_is_declared(batch):
    layer = hub.KerasLayer(lambda x: tf.numpy_function(lambda a: a, [x], tf.float32), output_shape=[3])
    traced = tf.function(layer).get_concrete_function(tf.TensorSpec([None, 3], tf.float32))
    assert traced.output_shapes.as_list() == [None, 3]


def test_output_shapes_of_a_dict_are_declared(scale, batch):
    layer = hub.KerasLayer(
        scale, signature="both", signature_outputs_as_dict=True, output_shape={"product": [3], "sum": (3,)}
    )
    assert layer.get_config()["output_shape"] == {"product": [3], "sum": [3]}
    assert layer(batch)["sum"].shape == (2, 3)


def test_compute_output_shape_puts_the_batch_in_front(scale):
    assert tuple(hub.KerasLayer(scale, output_shape=[3]).compute_output_shape((5, 3))) == (5, 3)
    assert tuple(hub.KerasLayer(scale).compute_output_shape((None, 3))) == (None, 3)


def test_time_distributed_knows_its_shape(scale):
    layer = tf.keras.layers.TimeDistributed(hub.KerasLayer(scale))
    assert tuple(layer(tf.keras.Input((4, 3))).shape) == (None, 4, 3)


def test_config_is_json_and_complete(scale):
    layer = hub.KerasLayer(
        scale,
        trainable=True,
        arguments={"training": False},
        tags=["serve"],
        output_shape=[3],
        name="features",
        allow_signature_training=True,
    )
    config = json.loads(json.dumps(layer.get_config()))
    again = hub.KerasLayer.from_config(config)
    assert again.get_config() == config
    assert config["tags"] == ["serve"]
    assert config["trainable"] is True
    assert config["name"] == "features"


def test_config_without_a_string_handle_is_refused(scale):
    with pytest.raises(NotImplementedError, match="uses a string `handle`"):
        hub.KerasLayer(hub.load(scale)).get_config()


def test_config_with_arguments_that_are_no_json_names_the_key(scale):
    with pytest.raises(ValueError, match="key: scale"):
        hub.KerasLayer(scale, arguments={"scale": tf.constant(1.0)}).get_config()


def test_input_shape_makes_a_sequential_model_buildable(scale):
    model = tf.keras.Sequential([hub.KerasLayer(scale, input_shape=[3]), tf.keras.layers.Dense(1)])
    assert model.built
    assert tuple(model.output_shape) == (None, 1)


def test_input_shape_of_scalars_and_dtype_of_strings_as_in_the_tutorials():
    class Length(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def __call__(self, texts):
            return tf.cast(tf.strings.length(texts), tf.float32)[:, None]

    layer = hub.KerasLayer(Length(), input_shape=[], dtype=tf.string, output_shape=[1])
    model = tf.keras.Sequential([layer, tf.keras.layers.Dense(1, kernel_initializer="ones")])
    np.testing.assert_allclose(model(tf.constant(["a", "abc"])), [[1.0], [3.0]])


def test_repr_says_which_keras_it_is_for(scale):
    assert f"Keras {3 if IS_KERAS_3 else 2}" in repr(hub.KerasLayer(scale))


def test_pickle_of_a_layer_from_a_relative_path_opens_in_another_folder(scale, batch, tmp_path, monkeypatch):
    monkeypatch.chdir(Path(scale).parent)
    layer = hub.KerasLayer(Path(scale).name)
    monkeypatch.chdir(tmp_path)
    np.testing.assert_allclose(pickle.loads(pickle.dumps(layer))(batch), layer(batch))


def test_path_object_is_a_handle_like_its_text(scale, batch):
    layer = hub.KerasLayer(Path(scale))
    assert layer.get_config()["handle"] == scale
    layer.resolved_object.kernel.assign([9.0, 9.0, 9.0])
    np.testing.assert_allclose(pickle.loads(pickle.dumps(layer))(batch), layer(batch))


def test_pickle_of_an_embedding_layer_keeps_what_it_has_learned(scale, batch):
    layer = hub.KerasLayer(scale, embed_saved_model=True)
    layer.resolved_object.kernel.assign([9.0, 9.0, 9.0])
    again = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(layer))))
    np.testing.assert_allclose(again(batch), layer(batch))


@pytest.mark.parametrize("from_object", [False, True])
def test_embedded_model_names_no_temporary_folder(scale, batch, from_object):
    layer = hub.KerasLayer(hub.load(scale) if from_object else scale, embed_saved_model=True)
    again = hub.KerasLayer.from_config(hub.KerasLayer.from_config(layer.get_config()).get_config())
    assert again.get_config()["handle"] == (None if from_object else scale)
    np.testing.assert_allclose(again(batch), layer(batch))


def test_unknown_signature_is_told_before_its_missing_output(scale):
    with pytest.raises(hub.errors.SignatureError, match="Unknown signature nope"):
        hub.KerasLayer(scale, signature="nope")


def test_compute_output_shape_takes_nests_of_shapes():
    class Pair(tf.Module):
        @tf.function(input_signature=[{"a": tf.TensorSpec([None, 2]), "b": tf.TensorSpec([None, 2], tf.int32)}])
        def __call__(self, inputs):
            return inputs["a"] + tf.cast(inputs["b"], tf.float32)

    class Both(tf.Module):
        @tf.function(input_signature=[[tf.TensorSpec([None, 2]), tf.TensorSpec([None, 2])]])
        def __call__(self, inputs):
            return inputs[0] + inputs[1]

    assert tuple(hub.KerasLayer(Pair()).compute_output_shape({"a": (4, 2), "b": (4, 2)})) == (4, 2)
    assert tuple(hub.KerasLayer(Both()).compute_output_shape([(4, 2), (4, 2)])) == (4, 2)
