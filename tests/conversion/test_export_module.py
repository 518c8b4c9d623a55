"""Objects that are no Keras models are exported, too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub

from .keras_models import floats, keras, layers, mlp


class Network(tf.Module):
    """Two matrices, one of them frozen, with statistics, a regularizer and a vocabulary."""

    def __init__(self, words):
        super().__init__()
        self.kernel = tf.Variable(tf.ones([3, 2]), name="kernel")
        self.frozen = tf.Variable(tf.ones([2, 2]), trainable=False, name="frozen")
        self.mean = tf.Variable(tf.zeros([2]), trainable=False, name="mean")
        self.regularization_losses = [lambda: tf.reduce_sum(self.kernel**2)]
        initializer = tf.lookup.TextFileInitializer(
            str(words), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
        )
        self.table = tf.lookup.StaticHashTable(initializer, -1)

    def __call__(self, inputs, training=False):
        outputs = inputs @ self.kernel @ self.frozen
        if training:
            self.mean.assign(0.9 * self.mean + 0.1 * tf.reduce_mean(outputs, axis=0))
        return outputs - self.mean

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def lookup(self, words):
        return self.table.lookup(words)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "exported"


@pytest.fixture
def network(tmp_path: Path) -> Network:
    words = tmp_path / "words.txt"
    words.write_text("a\nb\n")
    return Network(words)


def test_module_is_exported_with_its_lists_and_methods(network, path, tmp_path):
    hub.export(network, path, inputs=tf.TensorSpec([None, 3]))
    (tmp_path / "words.txt").unlink()
    obj = hub.load(path)
    assert [v.name.partition(":")[0] for v in obj.variables] == ["frozen", "kernel", "mean"]
    assert [v.name.partition(":")[0] for v in obj.trainable_variables] == ["kernel"]
    assert [float(loss()) for loss in obj.regularization_losses] == [6.0]
    assert obj.lookup(tf.constant(["b", "c"])).numpy().tolist() == [1, -1]
    before = obj(tf.ones([2, 3]))
    obj(tf.ones([2, 3]), training=True)
    np.testing.assert_allclose(obj(tf.ones([2, 3])), before - 0.6, rtol=1e-6)


def test_statistics_of_a_module_are_averaged_over_replicas(network, path):
    hub.export(network, path, inputs=tf.TensorSpec([None, 3]))
    modes = {v.name: (v.synchronization.name, v.aggregation.name) for v in hub.load(path).variables}
    assert modes == {"frozen:0": ("AUTO", "NONE"), "kernel:0": ("AUTO", "NONE"), "mean:0": ("ON_READ", "MEAN")}
    assert network.mean.aggregation == tf.VariableAggregation.NONE


def test_module_whose_call_has_an_input_signature_needs_no_inputs(path):
    class Doubled(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
        def __call__(self, inputs):
            return inputs * 2.0

    hub.export(Doubled(), path)
    assert hub.KerasLayer(str(path))(tf.constant([1.0])).numpy().tolist() == [2.0]


def test_keras_layers_within_a_module_keep_their_weights_and_regularizers(path):
    class Around(tf.Module):
        def __init__(self):
            super().__init__()
            self.scale = tf.Variable(2.0)
            self.inner = mlp()
            self.inner.get_layer("second").trainable = False

        def __call__(self, inputs, training=False):
            return self.scale * self.inner(inputs, training=training)

    module, x = Around(), floats(4, 8)
    hub.export(module, path, inputs=tf.TensorSpec([None, 8]))
    obj = hub.load(path)
    assert [len(obj.variables), len(obj.trainable_variables), len(obj.regularization_losses)] == [9, 5, 1]
    np.testing.assert_allclose(obj(x), module(x), rtol=1e-5)


def test_variables_that_only_the_function_knows_are_found(path):
    hidden = {"kernel": tf.Variable([3.0])}

    class Secretive(tf.Module):
        def __call__(self, inputs):
            return inputs * hidden["kernel"]

    hub.export(Secretive(), path, inputs=tf.TensorSpec([None]))
    assert len(hub.load(path).trainable_variables) == 1


def test_loaded_object_is_exported_again(path, tmp_path):
    model = mlp()
    model.get_layer("first").trainable = False
    hub.export(model, tmp_path / "first", arguments={"momentum": "norm.momentum"})
    loaded = hub.load(tmp_path / "first")
    hub.export(loaded, path, inputs=tf.TensorSpec([None, 8]), arguments={"momentum": 0.9})
    obj, x = hub.load(path), floats(4, 8)
    np.testing.assert_allclose(obj(x), model(x), rtol=1e-5)
    assert [len(obj.variables), len(obj.trainable_variables)] == [8, 4]
    assert len(obj.regularization_losses) == 1


def test_table_that_hangs_nowhere_is_refused(path):
    tables = [tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1]), -1)]

    class Hiding(tf.Module):
        def __call__(self, inputs):
            return tables[0].lookup(inputs)

    with pytest.raises(hub.errors.PublishError, match="hangs on none of its attributes"):
        hub.export(Hiding(), path, inputs=tf.TensorSpec([None], tf.string))
    assert not path.exists()


def test_ragged_inputs_are_exported(path):
    class Summed(tf.Module):
        def __call__(self, inputs):
            return {"sums": tf.reduce_sum(inputs, axis=1), "same": inputs}

    hub.export(Summed(), path, inputs=tf.RaggedTensorSpec([None, None], tf.float32))
    outputs = hub.load(path)(tf.ragged.constant([[1.0, 2.0], [], [3.0]]))
    assert outputs["sums"].numpy().tolist() == [3.0, 0.0, 3.0]
    assert outputs["same"].to_list() == [[1.0, 2.0], [], [3.0]]


def test_keras_layer_with_a_hub_layer_keeps_the_tables_of_that(network, path, tmp_path):
    class Words(tf.Module):
        def __init__(self):
            super().__init__()
            self.table = network.table

        def __call__(self, inputs):
            return self.table.lookup(inputs)

    hub.export(Words(), tmp_path / "inner", inputs=tf.TensorSpec([None], tf.string))
    model = keras.Sequential(
        [keras.Input((), dtype="string"), hub.KerasLayer(str(tmp_path / "inner")), layers.Rescaling(2.0)]
    )
    hub.export(model, path)
    assert hub.load(path)(tf.constant(["b", "c"])).numpy().tolist() == [2.0, -2.0]


def test_inputs_and_outputs_of_the_same_name_get_numbers_in_the_signature(path):
    class Branches(tf.Module):
        def __call__(self, inputs):
            return {"y": {"z": inputs["a"]["b"]}, "y_z": -inputs["a_b"]}

    hub.export(Branches(), path, inputs={"a": {"b": tf.TensorSpec([None])}, "a_b": tf.TensorSpec([None])})
    outputs = hub.load(path).signatures["serving_default"](a_b=tf.constant([1.0]), a_b_1=tf.constant([2.0]))
    assert {name: output.numpy().tolist() for name, output in outputs.items()} == {"y_z": [1.0], "y_z_1": [-2.0]}


@pytest.mark.parametrize("place", ["{}/exported", "ram:/{}/exported"])
def test_export_refuses_an_asset_that_clients_refuse(tmp_path: Path, place: str) -> None:
    words, target = tmp_path / "con.txt", place.format(tmp_path)
    words.write_text("a\nb\n")
    with pytest.raises(hub.errors.PublishError, match=r"exported' was not written: .*'assets/con\.txt'") as caught:
        hub.export(Network(words), target, inputs=tf.TensorSpec([None, 3]))
    assert "Rename it" in caught.value.hint
    assert not tf.io.gfile.exists(target)
