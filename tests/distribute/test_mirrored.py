"""Replicas on the devices of one machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub

from . import models
from .training import IS_KERAS_3, Loop, dataset, fit


@pytest.fixture(scope="module")
def strategy() -> Any:
    assert len(tf.config.list_logical_devices("CPU")) == 2, "TensorFlow would put both replicas on one device"
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice())


def make(strategy: Any, path: str, **options: Any) -> Any:
    with strategy.scope():
        return hub.KerasLayer(path, trainable=True, **options)


def test_fit_loses_the_same_as_on_one_device(strategy, numbers, one_device):
    losses = fit(make(strategy, numbers, batch_norm="inference"), models.ROWS, strategy)
    np.testing.assert_allclose(losses, one_device["fit"], rtol=1e-5)


def test_loop_around_a_layer_loses_the_same_as_on_one_device(strategy, numbers, one_device):
    losses = Loop(make(strategy, numbers, batch_norm="inference"), strategy).run(models.ROWS)
    np.testing.assert_allclose(losses, one_device["layer"], rtol=1e-5)


def test_loop_around_a_loaded_object_loses_the_same_as_on_one_device(strategy, numbers, one_device):
    with strategy.scope():
        loaded = hub.load(numbers)
    np.testing.assert_allclose(Loop(loaded, strategy).run(models.ROWS), one_device["loaded"], rtol=1e-5)


def test_loop_trains_a_head_on_an_object_that_was_loaded_outside(strategy, numbers, one_device):
    losses = Loop(hub.load(numbers), strategy, trains_body=False).run(models.ROWS)
    np.testing.assert_allclose(losses, one_device["frozen"], rtol=1e-5)


def test_loop_around_a_layer_of_texts_loses_the_same_as_on_one_device(strategy, texts, one_device):
    losses = Loop(make(strategy, texts), strategy).run(models.TEXTS)
    np.testing.assert_allclose(losses, one_device["texts"], rtol=1e-5)


def test_loop_around_a_lifted_module_loses_the_same_as_on_one_device(strategy, one_device):
    losses = Loop(make(strategy, str(models.MODULE), batch_norm="inference"), strategy).run(models.WIDE_ROWS)
    np.testing.assert_allclose(losses, one_device["module"], rtol=1e-5)


def test_module_of_tensorflow_1_runs_on_replicas_where_it_was_loaded_in_the_scope(strategy):
    expected = hub.load(models.MODULE).signatures["default"](tf.constant(models.WIDE_ROWS))["default"]
    with strategy.scope():
        loaded = hub.load(models.MODULE)
    outputs = strategy.run(lambda rows: loaded.signatures["default"](rows), args=(tf.constant(models.WIDE_ROWS),))
    for copy in strategy.experimental_local_results(outputs["default"]):
        np.testing.assert_allclose(copy, expected, rtol=1e-6)


def test_saved_statistics_are_the_mean_of_those_of_the_replicas(strategy, numbers, tmp_path):
    layer = make(strategy, numbers)
    Loop(layer, strategy).run(models.ROWS, steps=1)
    tf.saved_model.save(layer.resolved_object, str(tmp_path / "tuned"))
    np.testing.assert_allclose(hub.load(tmp_path / "tuned").mean, 0.5 * models.ROWS.mean(0), rtol=1e-5)


def test_frozen_statistics_stay_on_replicas(strategy, numbers):
    layer = make(strategy, numbers, batch_norm="frozen")
    Loop(layer, strategy).run(models.ROWS, steps=1)
    assert not layer.resolved_object.mean.numpy().any()


def test_checkpoint_of_replicas_is_restored_on_one_device(strategy, numbers, tmp_path):
    layer = make(strategy, numbers)
    Loop(layer, strategy).run(models.ROWS)
    path = tf.train.Checkpoint(layer=layer).write(str(tmp_path / "checkpoint"))
    other = hub.KerasLayer(numbers, trainable=True)
    tf.train.Checkpoint(layer=other).read(path).assert_existing_objects_matched()
    restored, trained = other.resolved_object, layer.resolved_object
    np.testing.assert_allclose(restored.kernel, trained.kernel.read_value(), rtol=1e-6)
    np.testing.assert_allclose(restored.mean, trained.mean.read_value(), rtol=1e-6)  # of the replicas, their mean


def test_checkpoint_of_one_device_is_restored_on_replicas(strategy, numbers, tmp_path):
    layer = hub.KerasLayer(numbers, trainable=True)
    Loop(layer, tf.distribute.get_strategy()).run(models.ROWS)
    path = tf.train.Checkpoint(layer=layer).write(str(tmp_path / "checkpoint"))
    other = make(strategy, numbers)
    tf.train.Checkpoint(layer=other).read(path).assert_existing_objects_matched()
    for copy in strategy.experimental_local_results(strategy.run(other, args=(tf.constant(models.ROWS),))):
        np.testing.assert_allclose(copy, layer(models.ROWS), rtol=1e-6)


def test_training_on_replicas_is_refused_when_the_layer_was_made_outside(strategy, numbers):
    layer = hub.KerasLayer(numbers, trainable=True)
    with pytest.raises(hub.errors.UsageError, match=r"outside of its scope.*with strategy\.scope\(\)"):
        Loop(layer, strategy, trains_body=False).run(models.ROWS)


def test_layer_that_was_made_outside_runs_on_replicas_without_training(strategy, numbers):
    layer = hub.KerasLayer(numbers, trainable=True)
    outputs = strategy.run(lambda rows: layer(rows, training=False), args=(tf.constant(models.ROWS),))
    for copy in strategy.experimental_local_results(outputs):
        np.testing.assert_allclose(copy, layer(models.ROWS), rtol=1e-6)


def test_predict_takes_texts_on_replicas(strategy, texts):
    with strategy.scope():
        model = tf.keras.Sequential([tf.keras.Input((), dtype="string"), hub.KerasLayer(texts)])
    found = model.predict(tf.data.Dataset.from_tensor_slices(models.TEXTS).batch(8), verbose=0)
    np.testing.assert_allclose(found, hub.load(texts)(models.TEXTS), rtol=1e-6)


def test_fit_takes_vectors_that_a_frozen_layer_of_texts_made_in_the_dataset(strategy, texts, one_device):
    layer = hub.KerasLayer(texts)
    with strategy.scope():
        model = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Dense(1, kernel_initializer="ones")])
        model.compile(tf.keras.optimizers.SGD(0.1), "mse")
    rows = dataset(models.TEXTS).map(lambda text, target: (layer(text), target))
    losses = model.fit(rows, epochs=1, verbose=0).history["loss"]
    np.testing.assert_allclose(losses, one_device["fit_texts"][:1], rtol=1e-5)


if IS_KERAS_3:

    def test_fit_says_what_to_do_with_texts_on_replicas(strategy, texts):
        with pytest.raises(hub.errors.UsageError, match=r"strings to the 2 replicas.*dataset\.map.*strategy\.run"):
            fit(make(strategy, texts), models.TEXTS, strategy)

    def test_fit_leaves_other_errors_on_replicas_as_they_are(strategy, numbers):
        layer = make(strategy, numbers)
        with strategy.scope():
            model = tf.keras.Sequential([layer])
            model.compile("sgd", "mse")
        with pytest.raises(hub.errors.SignatureError):
            model.fit(dataset(models.WIDE_ROWS), verbose=0)

else:

    def test_fit_trains_texts_on_replicas(strategy, texts, one_device):
        losses = fit(make(strategy, texts), models.TEXTS, strategy)
        np.testing.assert_allclose(losses, one_device["fit_texts"], rtol=1e-5)

    def test_fit_refuses_a_layer_that_was_made_outside(strategy, numbers):
        with pytest.raises(ValueError, match="not created in the distribution strategy scope"):
            fit(hub.KerasLayer(numbers, trainable=True), models.ROWS, strategy)


def test_model_is_saved_and_loaded_on_replicas(strategy, numbers, tmp_path: Path):
    with strategy.scope():
        model = tf.keras.Sequential([tf.keras.Input((3,)), hub.KerasLayer(numbers, trainable=True)])
        model.compile("sgd", "mse")
    model.fit(dataset(models.ROWS).map(lambda rows, target: (rows, tf.repeat(target, 2, 1))), verbose=0)
    model.save(tmp_path / "model.keras")
    with strategy.scope():
        again = tf.keras.models.load_model(tmp_path / "model.keras", safe_mode=False)
    alone = tf.keras.models.load_model(tmp_path / "model.keras", safe_mode=False)
    np.testing.assert_allclose(again.predict(models.ROWS, verbose=0), alone(models.ROWS), rtol=1e-5)
