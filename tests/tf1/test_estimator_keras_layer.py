"""`hub.KerasLayer` in the ``model_fn`` of an Estimator, which builds the Keras model and takes its losses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from tests.keras.graph_mode import models

v1 = tf.compat.v1
ROWS = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], "float32")
TARGETS = np.array([[1.0], [2.0]], "float32")
KERNEL, OFFSET, RATE = np.array([1.0, 2.0, 3.0]), 1.0, 0.01

pytestmark = [
    pytest.mark.filterwarnings("ignore:`layer.updates` will be removed:UserWarning"),  # Keras itself
    pytest.mark.filterwarnings("ignore:`Model.state_updates` will be removed:UserWarning"),
    pytest.mark.filterwarnings("ignore:`tf.keras.backend.set_learning_phase` is deprecated:UserWarning"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if "GRAPH_MODE_MODELS" in os.environ:  # TensorFlow 1's behaviour cannot write them
        return Path(os.environ["GRAPH_MODE_MODELS"])
    folder = tmp_path_factory.mktemp("models")
    models.save_all(folder, tmp_path_factory.mktemp("scratch"))
    return folder


def model_fn(features: Any, labels: Any, mode: str, params: dict[str, Any]) -> Any:
    """A Keras model around a layer, as the migration guide's section on a custom model_fn has it."""
    trains = params["trains"]
    layer = hub.KerasLayer(params["model"], trainable=trains == "layer")
    head = tf.keras.layers.Dense(1, kernel_initializer="ones", use_bias=False, trainable=trains == "head")
    model = tf.keras.Sequential([layer, head])
    outputs = model(features, training=mode == tf.estimator.ModeKeys.TRAIN)
    if mode == tf.estimator.ModeKeys.PREDICT:
        return tf.estimator.EstimatorSpec(mode, predictions=outputs)
    loss = tf.reduce_mean((outputs - labels) ** 2) + sum(model.losses)
    if mode == tf.estimator.ModeKeys.EVAL:
        return tf.estimator.EstimatorSpec(mode, loss=loss)
    optimizer = tf.keras.optimizers.legacy.SGD(RATE)
    optimizer.iterations = v1.train.get_or_create_global_step()
    step = optimizer.get_updates(loss, model.trainable_variables)
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=tf.group(step, *model.updates))


def inputs_of(features: Any) -> Any:
    return lambda: tf.data.Dataset.from_tensors((features, TARGETS[: len(features)])).repeat()


def estimator_of(model: Path, tmp_path: Path, trains: str = "layer") -> Any:
    return tf.estimator.Estimator(model_fn, str(tmp_path / "run"), params={"model": str(model), "trains": trains})


def errors_of(kernel: Any, factor: float) -> Any:
    return (factor * ROWS * kernel + OFFSET).sum(1, keepdims=True) - TARGETS


def test_estimator_trains_evaluates_and_predicts_with_a_layer(folder, tmp_path):
    estimator = estimator_of(folder / "scale", tmp_path)
    estimator.train(inputs_of(ROWS), steps=1)
    kernel = estimator.get_variable_value("kernel")
    gradient = np.mean(2.0 * errors_of(KERNEL, 2.0) * 2.0 * ROWS, axis=0) + 1.0  # and of the regularization loss
    np.testing.assert_allclose(kernel, KERNEL - RATE * gradient, rtol=1e-5)

    loss = estimator.evaluate(inputs_of(ROWS), steps=1)["loss"]
    assert loss == pytest.approx(np.mean(errors_of(kernel, 1.0) ** 2) + kernel.sum(), rel=1e-5)
    first = next(estimator.predict(inputs_of(ROWS), predict_keys=None))
    assert first == pytest.approx((ROWS[0] * kernel + OFFSET).sum(), rel=1e-5)


def test_estimator_continues_from_its_checkpoint(folder, tmp_path):
    estimator_of(folder / "scale", tmp_path).train(inputs_of(ROWS), steps=1)
    estimator = estimator_of(folder / "scale", tmp_path)
    before = estimator.get_variable_value("kernel")
    estimator.train(inputs_of(ROWS), steps=1)

    gradient = np.mean(2.0 * errors_of(before, 2.0) * 2.0 * ROWS, axis=0) + 1.0
    np.testing.assert_allclose(estimator.get_variable_value("kernel"), before - RATE * gradient, rtol=1e-5)


def test_estimator_leaves_a_frozen_layer_as_it_is(folder, tmp_path):
    estimator = estimator_of(folder / "scale", tmp_path, trains="head")
    estimator.train(inputs_of(ROWS), steps=1)
    np.testing.assert_array_equal(estimator.get_variable_value("kernel"), KERNEL)
    assert (estimator.get_variable_value("sequential/dense/kernel") != 1.0).all()


def test_train_and_evaluate_trains_a_text_model_with_its_table(folder, tmp_path):
    estimator = estimator_of(folder / "text", tmp_path)
    input_fn = inputs_of(np.array(["good film", "bad"]))
    training = tf.estimator.TrainSpec(input_fn, max_steps=2)
    result, _ = tf.estimator.train_and_evaluate(estimator, training, tf.estimator.EvalSpec(input_fn, steps=1))
    assert result["global_step"] == 2

    published = tf.train.load_checkpoint(str(folder / "text" / "variables" / "variables"))
    before = published.get_tensor("embeddings/.ATTRIBUTES/VARIABLE_VALUE")
    changed = (estimator.get_variable_value("embeddings") != before).any(1)
    assert np.flatnonzero(changed).tolist() == [5, 6, 7]  # good, bad, film


def test_estimator_of_a_keras_model_trains_the_layer(folder, tmp_path):
    """What a model does not list, such as counters, is in its first checkpoint too."""
    layer = hub.KerasLayer(str(folder / "counting"), trainable=True)
    head = tf.keras.layers.Dense(1, kernel_initializer="ones", use_bias=False, trainable=False)
    model = tf.keras.Sequential([tf.keras.Input([3]), layer, head])
    model.compile(tf.keras.optimizers.legacy.SGD(RATE), "mse")
    estimator = tf.keras.estimator.model_to_estimator(
        model, model_dir=str(tmp_path), custom_objects={"KerasLayer": hub.KerasLayer}
    )
    estimator.train(inputs_of(ROWS), steps=1)

    error = (ROWS * KERNEL).sum(1, keepdims=True) - TARGETS
    loss = estimator.evaluate(inputs_of(ROWS), steps=1)["loss"]
    kernel = KERNEL - RATE * np.mean(2.0 * error * ROWS, axis=0)
    assert loss == pytest.approx(np.mean(((ROWS * kernel).sum(1, keepdims=True) - TARGETS) ** 2), rel=1e-5)


if tf.executing_eagerly():

    def test_estimators_do_the_same_after_disable_v2_behavior(folder):
        command = [sys.executable, "-m", "pytest", "-p", "tests.keras.graph_mode.disable_v2_behavior", "-q", __file__]
        environment = {**os.environ, "GRAPH_MODE_MODELS": str(folder)}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=600, cwd=Path(__file__).parents[2], env=environment
        )
        assert done.returncode == 0, done.stdout
        assert " passed" in done.stdout
