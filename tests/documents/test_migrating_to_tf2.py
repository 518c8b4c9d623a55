"""The samples of the documents about migrating from TensorFlow 1 to 2, as a reader would type them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from rehub.errors import SignatureError

from .keras_saving import ENDS_WITH_SAVE, export_piece
from .models import EMBEDDING_SIZE

# What hub.Module computed for these sentences in a session of TensorFlow 1.
TF1_SENTENCES = ["the cat sat", "", "foo mat bar"]
TF1_EMBEDDINGS = [
    [-0.0556301474571228, 0.021488014608621597, -0.8482068777084351, -1.2999309301376343],
    [-0.03211808204650879, 0.012406110763549805, -0.4897124767303467, -0.7505154609680176],
    [1.1214649677276611, 0.30813801288604736, 0.6952943205833435, -0.5049693584442139],
]


class HubWrapper(tf.train.Checkpoint):
    def __init__(self, spec, signature="default", tags=None, end_point="default"):
        super().__init__()
        self.module = hub.load(spec, tags=tags)
        self.variables = getattr(self.module, "variables", [])
        self.trainable_variables = getattr(self.module, "trainable_variables", [])
        self.regularization_losses = getattr(self.module, "regularization_losses", [])
        self._signature = signature
        self._end_point = end_point

    def __call__(self, x):
        return self.module.signatures[self._signature](x)[self._end_point]


class Object(tf.train.Checkpoint):
    def __init__(self):
        super().__init__()
        self.w = tf.Variable([[1.0], [2.0]])
        self.scale = tf.Variable(10.0)
        self.variables = [self.w, self.scale]  # List of variables.
        self.trainable_variables = [self.w]  # List of trainable variables.
        self.regularization_losses = [self.l1]  # List of regularizer callables that return tensors.

    @tf.function(input_signature=[])
    def l1(self):
        return 0.5 * tf.reduce_sum(tf.abs(self.w))

    @tf.function(input_signature=[tf.TensorSpec(shape=[None, 2], dtype=tf.float32)])
    def __call__(self, inputs):
        return self.scale * tf.matmul(inputs, self.w)


def test_load_gives_an_object_to_call(text_url: str) -> None:
    handle = text_url
    inputs = tf.constant(["a long sentence"])
    m = hub.load(handle)
    outputs = m(inputs)

    expected = tf.reduce_mean(tf.gather(m.embeddings, [0, 1, 2]), axis=0)
    np.testing.assert_allclose(outputs, [expected], rtol=1e-6)


def test_layer_joins_other_layers_in_a_sequential_model(text_url: str) -> None:
    handle = text_url
    model = tf.keras.Sequential(
        [
            tf.keras.layers.Lambda(tf.strings.lower, output_shape=(), dtype="string"),
            hub.KerasLayer(handle),
            tf.keras.layers.Dense(1),
        ]
    )

    assert model(tf.constant(["A LONG SENTENCE", "word"])).shape == [2, 1]
    assert [weight.shape for weight in model.trainable_weights] == [(EMBEDDING_SIZE, 1), (1,)]


def test_load_with_tags_gives_the_signatures_of_an_old_saved_model(hub_url: str) -> None:
    m = hub.load(f"{hub_url}/acme/two-graphs/1", tags=["serve"])
    outputs = m.signatures["serving_default"](tf.constant([[1.0, 2.0]]))

    assert {name: tensor.numpy().tolist() for name, tensor in outputs.items()} == {"y": [[3.0]]}


def test_load_with_tags_in_a_set_gives_signatures_with_several_inputs(hub_url: str) -> None:
    m = hub.load(f"{hub_url}/acme/tagged-graph/1", tags={"foo", "bar"})
    tensors_out_dict = m.signatures["sig"](x1=tf.constant([1.0]), x2=tf.constant([10.0]))

    assert {k: v.numpy().tolist() for k, v in tensors_out_dict.items()} == {"sum": [11.0], "scaled": [3.0]}


def test_old_saved_model_is_a_layer_inside_a_wrapper(hub_url: str) -> None:
    handle = f"{hub_url}/tf1/text_vocab/1"
    model = tf.keras.Sequential(
        [
            tf.keras.layers.Lambda(tf.strings.lower, output_shape=(), dtype="string"),
            hub.KerasLayer(HubWrapper(handle)),
            tf.keras.layers.Lambda(tf.identity),
        ]
    )

    np.testing.assert_allclose(model(tf.constant(TF1_SENTENCES)), TF1_EMBEDDINGS, rtol=1e-6)
    assert model.trainable_weights == []


def test_wrapper_chooses_tags_signature_and_end_point(hub_url: str) -> None:
    wrapper = HubWrapper(f"{hub_url}/acme/two-graphs/1", "serving_default", ["serve", "gpu"], "y")
    layer = hub.KerasLayer(wrapper)

    assert layer(tf.constant([[1.0, 2.0]])).numpy().tolist() == [[3.0]]


def test_object_made_by_hand_is_saved_and_used_again(tmp_path: Path) -> None:
    export_path = str(tmp_path / "object")
    obj = Object()
    tf.saved_model.save(obj, export_path)

    assert hub.load(export_path)(tf.constant([[1.0, 1.0]])).numpy().tolist() == [[30.0]]
    layer = hub.KerasLayer(export_path, trainable=True)
    assert layer([[1.0, 0.0], [0.0, 1.0]]).numpy().tolist() == [[10.0], [20.0]]
    assert [weight.shape for weight in layer.trainable_weights] == [(2, 1)]
    assert [float(weight) for weight in layer.non_trainable_weights] == [10.0]
    np.testing.assert_allclose(layer.losses, [1.5])


def test_object_made_by_hand_is_a_handle_before_it_is_saved() -> None:
    obj = Object()
    layer = hub.KerasLayer(obj, trainable=True)
    model = tf.keras.Sequential([layer])
    model.compile(tf.keras.optimizers.SGD(0.001), "mse")
    model.fit(tf.ones([4, 2]), tf.zeros([4, 1]), verbose=0)

    assert layer.resolved_object is obj
    # d loss / d w = 2 * 30 * 10 + 0.5
    np.testing.assert_allclose(obj.w, [[1.0 - 0.6005], [2.0 - 0.6005]], rtol=1e-5)


def test_keras_model_saved_the_recommended_way_can_be_trained_on(tmp_path: Path) -> None:
    model = tf.keras.Sequential([tf.keras.Input([4]), tf.keras.layers.Dense(2), tf.keras.layers.Dropout(0.5)])
    if ENDS_WITH_SAVE:
        tf.keras.models.save_model(model, tmp_path / "model", save_format="tf")
    else:
        export_piece(model, tmp_path / "model")

    layer = hub.KerasLayer(str(tmp_path / "model"), trainable=True)
    x = tf.ones([64, 4])
    np.testing.assert_allclose(layer(x), model(x), rtol=1e-6)
    dropped = layer(x, training=True).numpy() == 0.0
    assert 0.2 < dropped.mean() < 0.8
    assert [weight.shape for weight in layer.trainable_weights] == [(4, 2), (2,)]


def test_layer_takes_legacy_model_without_further_arguments(hub_url: str) -> None:
    m = hub.KerasLayer(f"{hub_url}/tf1/text_vocab/1")
    tensor_out = m(tf.constant(TF1_SENTENCES))

    np.testing.assert_allclose(tensor_out, TF1_EMBEDDINGS, rtol=1e-6)


def test_layer_chooses_signature_and_output_of_a_legacy_model(hub_url: str) -> None:
    x = tf.constant([[0.1, -0.2, 0.3, 0.4]])
    handle = f"{hub_url}/tf1/rich/1"
    everything = hub.KerasLayer(handle, signature="multi", signature_outputs_as_dict=True)(x)
    one = hub.KerasLayer(handle, tags=[], signature="multi", output_key="prob")(x)

    assert sorted(everything) == ["default", "hidden", "prob"]
    np.testing.assert_array_equal(one, everything["prob"])
    np.testing.assert_allclose(tf.reduce_sum(one, axis=-1), [1.0], rtol=1e-6)


def test_layer_takes_tags_of_a_legacy_saved_model(hub_url: str) -> None:
    layer = hub.KerasLayer(
        f"{hub_url}/acme/tagged-graph/1", tags=["foo", "bar"], signature="sig", signature_outputs_as_dict=True
    )
    outputs = layer({"x1": tf.constant([1.0]), "x2": tf.constant([10.0])})

    assert {k: v.numpy().tolist() for k, v in outputs.items()} == {"sum": [11.0], "scaled": [3.0]}


def test_load_refuses_tags_of_which_only_some_fit(hub_url: str) -> None:
    with pytest.raises(SignatureError, match=r"\['bar', 'foo'\]"):
        hub.load(f"{hub_url}/acme/tagged-graph/1", tags=["foo"])
