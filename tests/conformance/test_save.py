"""Promise: what was trained can be saved and comes back, in every format that Keras has."""

from __future__ import annotations

import copy
import gc
import pickle

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from tests.conformance.build import (
    apply_state,
    as_array,
    assert_equal,
    assert_same_values,
    assert_same_weights,
    build,
    data,
    keras,
    starts_trainable,
    values,
)
from tests.conformance.sample import BACKEND, IS_KERAS_3


def _keras_knows_that_it_is_ragged(sample):
    # Keras 3 forgets it of an Input when it clones a model, and in the signature that it adds to a SavedModel.
    return not (IS_KERAS_3 and sample.ragged)


@pytest.fixture
def trained(sample, composition, state, make_layer):
    layer = make_layer(trainable=starts_trainable(state))
    model = build(sample, layer, composition)
    apply_state(model, layer, state)
    model.compile(keras.optimizers.SGD(0.01), "mse")
    model.fit(data(sample), verbose=0)
    return model, layer


def _load_keras_file(path):
    return keras.models.load_model(path, safe_mode=False)


def _assert_same_predictions(sample, one, other):
    np.testing.assert_allclose(as_array(one(sample.inputs)), as_array(other(sample.inputs)), rtol=1e-6, atol=1e-6)


def _hub_layer(model):
    return next(layer for layer in model.layers if isinstance(layer, hub.KerasLayer))


def _assert_is_restored(sample, trained, again):
    model, layer = trained
    restored = _hub_layer(again)
    assert restored.trainable == layer.trainable
    assert len(restored.trainable_weights) == len(layer.trainable_weights)
    assert_same_weights(restored, layer)
    _assert_same_predictions(sample, again, model)


def test_keras_file_restores_the_trained_model(sample, trained, tmp_path):
    model, _ = trained
    model.save(tmp_path / "model.keras")
    _assert_is_restored(sample, trained, _load_keras_file(tmp_path / "model.keras"))


@pytest.fixture
def fresh(sample, composition, make_layer):
    """A model like the trained one with the published values, and nothing of it trainable."""
    return build(sample, make_layer(), composition)


def _assert_has_the_values(sample, trained, fresh):
    model, layer = trained
    assert_same_values(_hub_layer(fresh).weights, layer.weights)
    _assert_same_predictions(sample, fresh, model)


def test_weights_file_restores_into_a_new_model(sample, trained, fresh, tmp_path):
    model, _ = trained
    model.save_weights(str(tmp_path / "model.weights.h5"))
    fresh.load_weights(str(tmp_path / "model.weights.h5"))
    _assert_has_the_values(sample, trained, fresh)


if BACKEND == "tensorflow":  # elsewhere, Keras models are no objects of TensorFlow

    def test_checkpoint_restores_into_a_new_model(sample, trained, fresh, tmp_path):
        model, _ = trained
        saved = tf.train.Checkpoint(model=model).save(str(tmp_path / "checkpoint"))
        tf.train.Checkpoint(model=fresh).restore(saved).expect_partial()
        _assert_has_the_values(sample, trained, fresh)

    @pytest.mark.samples.with_args(_keras_knows_that_it_is_ragged)
    def test_saved_model_of_the_whole_computes_the_same(sample, trained, tmp_path):
        model, _ = trained
        specs = tf.nest.map_structure(_spec, sample.inputs)

        @tf.function(input_signature=[specs])
        def predict(inputs):
            return model(inputs, training=False)

        module = tf.Module()
        module.model, module.predict = model, predict
        tf.saved_model.save(module, str(tmp_path / "saved"))
        again = tf.saved_model.load(str(tmp_path / "saved"))
        np.testing.assert_allclose(again.predict(sample.inputs), model(sample.inputs), rtol=1e-6, atol=1e-6)

    def _spec(tensor):
        if isinstance(tensor, tf.RaggedTensor):
            return tf.RaggedTensorSpec([None, None], tensor.dtype)
        return tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype)


@pytest.mark.samples(lambda sample: sample.trains)
def test_reexport_of_the_resolved_object_has_the_trained_values(
    sample, composition, state, trained, make_layer, tmp_path
):
    _, layer = trained
    layer.sync()
    tf.saved_model.save(layer.resolved_object, str(tmp_path / "tuned"))
    again = hub.KerasLayer(str(tmp_path / "tuned"), **sample.options)
    assert_equal(layer(sample.inputs), again(sample.inputs))
    again.trainable = layer.trainable
    assert len(again.trainable_weights) == len(layer.trainable_weights)
    assert len(again.losses) == len(layer.losses)


@pytest.mark.eager
@pytest.mark.samples(lambda sample: sample.name in ("text", "converted_text"))
def test_loaded_object_works_on_when_what_was_made_to_save_it_is_gone(sample, path, tmp_path):
    obj = sample.load(path)
    expected = sample.direct(obj, sample.inputs, False)
    tf.saved_model.save(obj, str(tmp_path / "again"))
    gc.collect()
    assert_equal(sample.direct(obj, sample.inputs, False), expected)


@pytest.mark.eager
def test_config_makes_an_equal_layer(sample, make_layer):
    layer = make_layer(trainable=sample.trains)
    again = hub.KerasLayer.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert_equal(layer(sample.inputs), again(sample.inputs), tolerance=1e-7)
    assert len(again.trainable_weights) == len(layer.trainable_weights)


@pytest.mark.samples.with_args(_keras_knows_that_it_is_ragged)
def test_clone_has_the_published_values(sample, make_layer):
    layer, published = make_layer(), make_layer()
    model = build(sample, layer, "functional")
    _shift(layer)
    shifted = values(layer.weights)
    clone = keras.models.clone_model(model)
    assert_same_values(_hub_layer(clone).weights, published.weights)
    _assert_same_predictions(sample, clone, build(sample, published, "functional"))
    _shift(_hub_layer(clone))
    _shift(_hub_layer(clone))
    assert_same_values(layer.weights, shifted)


def _shift(layer):
    """Gives each number that a layer holds another value."""
    for variable in layer.weights:
        if values([variable])[0].dtype.kind == "f":
            variable.assign(variable + 1.0)


@pytest.mark.eager
@pytest.mark.parametrize(
    "copier", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))], ids=["deepcopy", "pickle"]
)
def test_copy_of_a_layer_keeps_trained_values_and_is_independent(sample, make_layer, copier):
    layer = make_layer(trainable=sample.trains)
    _shift(layer)
    again = copier(layer)
    assert len(again.trainable_weights) == len(layer.trainable_weights)
    assert_same_weights(again, layer)
    shifted = values(layer.weights)
    _shift(again)
    assert_same_values(layer.weights, shifted)


def test_pickled_model_is_the_trained_one(sample, trained):
    model, _ = trained
    _assert_is_restored(sample, trained, pickle.loads(pickle.dumps(model)))


@pytest.mark.samples(
    lambda sample: sample.name in ("dense", "text", "tf1_hub", "lifted_module", "keras3_exported", "keras2_saved")
)
def test_embedded_model_opens_where_the_handle_is_gone(sample, path, make_layer, tmp_path):
    import shutil

    moved = tmp_path / "moved"
    shutil.copytree(path, moved)
    layer = hub.KerasLayer(str(moved), embed_saved_model=True, trainable=sample.trains, **sample.options)
    model = build(sample, layer, "functional")
    if sample.trains:
        model.compile(keras.optimizers.SGD(0.01), "mse")
        model.fit(data(sample), verbose=0)
    expected = as_array(model(sample.inputs))
    model.save(tmp_path / "model.keras")
    shutil.rmtree(moved)
    again = _load_keras_file(tmp_path / "model.keras")
    np.testing.assert_allclose(as_array(again(sample.inputs)), expected, rtol=1e-6, atol=1e-6)
    again.save(tmp_path / "again.keras")
    np.testing.assert_allclose(
        as_array(_load_keras_file(tmp_path / "again.keras")(sample.inputs)), expected, rtol=1e-6, atol=1e-6
    )


@pytest.mark.samples(lambda sample: sample.name == "dense")
def test_keras_file_is_refused_in_safe_mode_of_keras_3(sample, make_layer, tmp_path):
    model = build(sample, make_layer(), "functional")
    model.save(tmp_path / "model.keras")
    if IS_KERAS_3:
        with pytest.raises(hub.errors.PolicyError, match="safe_mode=False"):
            keras.models.load_model(tmp_path / "model.keras")
    else:
        _assert_same_predictions(sample, model, keras.models.load_model(tmp_path / "model.keras"))
