"""Keras models that are exported compute and fine-tune like the models that they were made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub

from .keras_models import IS_KERAS_3, assert_fine_tunes_like, fit, floats, keras, layers, mlp


@keras.utils.register_keras_serializable(package="export")
class Subclassed(keras.Model):
    def __init__(self, unused=False):
        super().__init__()
        self.dense = layers.Dense(4, kernel_regularizer="l2")
        self.norm = layers.BatchNormalization()
        self.count = keras.metrics.Mean()

    def call(self, inputs, training=None):
        return self.norm(self.dense(inputs), training=training)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "exported"


def test_exported_model_fine_tunes_like_the_original(path):
    model = mlp()
    hub.export(model, path)
    assert_fine_tunes_like(path, model, floats(4, 8))


def test_exported_model_with_dropout_draws_the_same_masks(path):
    hub.export(mlp(dropout=0.5), path)
    model, obj, x = mlp(dropout=0.5), hub.load(path), tf.constant(floats(4, 8))
    one, other = (tf.function(lambda x, f=f: f(x, training=True)) for f in (model, obj))
    first, second = one(x), one(x)
    np.testing.assert_allclose(other(x), first, rtol=1e-6)
    np.testing.assert_allclose(other(x), second, rtol=1e-6)
    assert np.any(first != second)


def test_loaded_object_trains_by_hand_like_the_original(path):
    model, x = mlp(), tf.constant(floats(4, 8))
    hub.export(model, path)
    obj = tf.saved_model.load(str(path))
    original = [getattr(v, "value", v) if IS_KERAS_3 else v for v in model.trainable_variables]
    losses = []
    for call, variables, regularizers in (
        (obj, obj.trainable_variables, lambda: [loss() for loss in obj.regularization_losses]),
        (model, original, lambda: model.losses),
    ):
        for _ in range(3):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(call(x, training=True) ** 2) + tf.add_n(regularizers())
            for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
                variable.assign_sub(0.01 * gradient)
            losses.append(float(loss))
    np.testing.assert_allclose(losses[:3], losses[3:], rtol=1e-5)
    np.testing.assert_allclose(obj(x), model(x), rtol=1e-4)


def test_functional_model_with_several_inputs_and_outputs_keeps_their_structure(path):
    left, right = keras.Input((3,), name="left"), keras.Input((3,), name="right")
    product = layers.Dense(2, name="product")(left)
    model = keras.Model({"left": left, "right": right}, {"product": product, "sum": layers.Add()([left, right])})
    hub.export(model, path)
    inputs = {"left": tf.constant(floats(4, 3)), "right": tf.constant(floats(4, 3, seed=1))}
    outputs = hub.load(path)(inputs)
    assert outputs.keys() == {"product", "sum"}
    np.testing.assert_allclose(outputs["product"], model(inputs)["product"], rtol=1e-6)
    served = hub.load(path).signatures["serving_default"](**inputs)
    np.testing.assert_allclose(served["sum"], outputs["sum"])


def test_list_of_inputs_stays_a_list(path):
    inputs = [keras.Input((2,), name="a"), keras.Input((2,), name="b")]
    model = keras.Model(inputs, layers.Dense(3)(layers.Concatenate()(inputs)))
    hub.export(model, path)
    assert_fine_tunes_like(path, model, [floats(4, 2), floats(4, 2, seed=1)])


def test_subclassed_model_is_exported_without_its_metrics(path):
    model, x = Subclassed(), floats(4, 8)
    fit(model, x)
    hub.export(model, path, inputs=tf.TensorSpec([None, 8], tf.float32))
    assert len(hub.load(path).variables) == 6
    assert len(hub.load(path).regularization_losses) == 1
    assert_fine_tunes_like(path, model, x)


def test_list_of_one_input_becomes_one_tensor(path):
    x = keras.Input((3,))
    model = keras.Model([x], layers.Dense(2)(x))
    hub.export(model, path)
    np.testing.assert_allclose(hub.load(path)(tf.ones([2, 3])), model([tf.ones([2, 3])]), rtol=1e-6)


def test_single_layer_is_exported(path):
    layer = layers.Conv2D(2, 3, kernel_regularizer="l2", padding="same")
    images = floats(2, 5, 6, 3)
    layer(images)
    hub.export(layer, path, inputs=tf.TensorSpec([None, None, None, 3], tf.float32))
    obj = hub.load(path)
    np.testing.assert_allclose(obj(images), layer(images), rtol=1e-5, atol=1e-6)
    assert obj(images[:1, :4, :4]).shape == [1, 4, 4, 2]
    assert len(obj.regularization_losses) == 1


def test_frozen_layers_stay_frozen(path):
    model = mlp()
    model.get_layer("first").trainable = False
    model.get_layer("norm").trainable = False
    hub.export(model, path)
    obj = hub.load(path)
    assert [len(obj.variables), len(obj.trainable_variables)] == [8, 2]
    before = [v.numpy() for v in obj.variables[:6]]
    obj(tf.constant(floats(4, 8)), training=True)
    assert all(np.array_equal(old, new) for old, new in zip(before, obj.variables[:6], strict=True))
    assert len(obj.regularization_losses) == 1
    constant = 0.0 if IS_KERAS_3 else model.losses[0]  # which Keras 2 adds for the frozen kernel
    assert_fine_tunes_like(path, model, floats(4, 8), constant)


def test_model_within_a_model_is_exported_with_its_parts(path):
    model = keras.Sequential([keras.Input((8,)), mlp(), layers.Dense(2, kernel_regularizer="l1")])
    hub.export(model, path)
    assert len(hub.load(path).regularization_losses) == 3
    assert_fine_tunes_like(path, model, floats(4, 8))


@pytest.mark.parametrize("trainable", [True, False])
def test_model_around_a_hub_layer_is_exported_as_one(path, tmp_path, trainable):
    hub.export(mlp(), tmp_path / "inner")
    layer = hub.KerasLayer(str(tmp_path / "inner"), trainable=trainable)
    model = keras.Sequential([keras.Input((8,)), layers.Dense(8), layer, layers.Dense(2)])
    hub.export(model, path)
    (tmp_path / "inner").rename(tmp_path / "gone")
    obj = hub.load(path)
    assert len(obj.trainable_variables) == (10 if trainable else 4)
    np.testing.assert_allclose(sum(loss() for loss in obj.regularization_losses), sum(model.losses), rtol=1e-6)
    assert_fine_tunes_like(path, model, floats(4, 8))


def test_piece_that_the_full_model_is_built_around_has_the_trained_values(path):
    piece = mlp()
    full = keras.Sequential([keras.Input((8,)), piece, layers.Dense(1)])
    full.compile("sgd", "mse")
    full.fit(floats(4, 8), floats(4, 1), verbose=0)
    hub.export(piece, path)
    assert_fine_tunes_like(path, piece, floats(4, 8))


def test_piece_that_is_cut_out_of_the_full_model_ends_at_the_layer(path):
    full = mlp()
    model = keras.Model(full.inputs[0], full.get_layer("norm").output)
    hub.export(model, path)
    obj = hub.load(path)
    assert len(obj.variables) == 6
    assert obj.signatures["serving_default"].structured_outputs["output_0"].shape == [None, 6]
    assert_fine_tunes_like(path, model, floats(4, 8))


def test_piece_that_begins_inside_of_the_full_model_has_one_name_for_its_input(tmp_path):
    full, names = mlp(), []
    for folder in (tmp_path / "1", tmp_path / "2"):
        piece = keras.Model(full.get_layer("norm").output, full.outputs[0])
        hub.export(piece, folder)
        assert_fine_tunes_like(folder, piece, floats(4, 6))
        names.append(list(hub.load(folder).signatures["serving_default"].structured_input_signature[1]))
    assert names[0] == names[1]


def test_vocabulary_travels_with_the_model(path, tmp_path):
    vocabulary = tmp_path / "words.txt"
    vocabulary.write_text("good\nbad\nfilm\n")
    words = layers.TextVectorization(vocabulary=str(vocabulary), output_sequence_length=4)
    model = keras.Sequential(
        [keras.Input((), dtype="string"), words, layers.Embedding(6, 5), layers.GlobalAveragePooling1D()]
    )
    texts = tf.constant(["good film", "bad", "a film", ""])
    expected = model(texts)
    hub.export(model, path)
    vocabulary.unlink()
    path.rename(tmp_path / "moved")
    np.testing.assert_allclose(hub.load(tmp_path / "moved")(texts), expected, rtol=1e-6)
    layer = hub.KerasLayer(str(tmp_path / "moved"), trainable=True)
    assert len(layer.trainable_weights) == 1


def test_vocabulary_that_was_learned_travels_with_the_model(path):
    lookup = layers.StringLookup()
    lookup.adapt(tf.constant(["good", "bad", "bad"]))
    model = keras.Sequential([keras.Input((2,), dtype="string"), lookup])
    hub.export(model, path)
    words = tf.constant([["bad", "new"], ["good", "bad"]])
    np.testing.assert_array_equal(hub.load(path)(words), model(words))


def test_recurrent_model_is_exported(path):
    model = keras.Sequential([keras.Input((None, 3)), layers.LSTM(4, recurrent_regularizer="l2"), layers.Dense(2)])
    hub.export(model, path)
    assert_fine_tunes_like(path, model, floats(4, 5, 3))


def test_mixed_precision_stays(path):
    layer = layers.Dense(3, dtype="mixed_bfloat16")
    model = keras.Sequential([keras.Input((8,)), layer])
    hub.export(model, path)
    obj = hub.load(path)
    outputs = obj(tf.constant(floats(4, 8)))
    assert outputs.dtype == tf.bfloat16
    assert obj.trainable_variables[0].dtype == tf.float32
    np.testing.assert_array_equal(tf.cast(outputs, "float32"), tf.cast(model(floats(4, 8)), "float32"))


def test_model_is_as_before(path):
    model, x = mlp(dropout=0.5), floats(4, 8)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "mse")
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    twin.compile(keras.optimizers.SGD(0.01, momentum=0.9), "mse")
    names = [variable.name for variable in model.variables]
    before = [np.asarray(v) for v in model.variables]
    hub.export(model, path, arguments={"rate": "dropout.rate"})
    assert [variable.name for variable in model.variables] == names
    assert all(np.array_equal(old, np.asarray(new)) for old, new in zip(before, model.variables, strict=True))
    assert model.get_layer("dropout").rate == 0.5
    histories = [m.fit(x, floats(4, 3), epochs=3, verbose=0, shuffle=False).history["loss"] for m in (model, twin)]
    np.testing.assert_allclose(*histories, rtol=1e-5)


def test_optimizer_is_left_out(path):
    model = mlp()
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    model.fit(floats(4, 8), floats(4, 3), verbose=0)
    hub.export(model, path)
    checkpoint = tf.train.list_variables(str(path / "variables" / "variables"))
    assert len([name for name, shape in checkpoint if "_CHECKPOINTABLE" not in name]) == 8
    assert not (path / "keras_metadata.pb").exists()


def test_inspection_shows_a_reusable_model_and_nothing_of_keras(path):
    hub.export(mlp(dropout=0.5), path, arguments={"dropout_rate": "dropout.rate"})
    info = hub.inspect(path)
    (graph,) = info.meta_graphs
    (call,) = (function for function in graph.functions if function.path == "__call__")
    assert str(call) == "__call__(inputs, training=False, *, dropout_rate=0.5)"
    assert (info.format, info.keras, graph.regularization_losses) == ("saved_model_2", "", 2)
    assert graph.spare_variables == ()
