"""Promise: mixed precision, XLA where it can, and replicas give the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from tests.conformance.build import (
    Head,
    assert_equal,
    assert_same_values,
    assert_same_weights,
    build,
    data,
    keras,
    native_twin,
    targets,
    values,
    width_of,
)
from tests.conformance.models import COMPILE_SLOWLY
from tests.conformance.sample import BACKEND, IS_KERAS_3


def _sgd():
    return keras.optimizers.SGD(0.01)


def _fit(model, batches):
    return model.fit(batches, shuffle=False, verbose=0).history["loss"]


@pytest.fixture
def mixed_precision():
    keras.mixed_precision.set_global_policy("mixed_float16")
    yield
    keras.mixed_precision.set_global_policy("float32")


@pytest.mark.usefixtures("mixed_precision")
def test_mixed_precision_computes_in_the_dtypes_of_the_model(sample, path, make_layer):
    layer = make_layer(trainable=sample.trains)
    assert_equal(layer(sample.inputs), sample.direct(sample.load(path), sample.inputs, False))
    inputs = tf.nest.map_structure(lambda x: tf.cast(x, tf.float16) if x.dtype.is_floating else x, sample.inputs)
    exact = tf.nest.map_structure(lambda x: tf.cast(x, tf.float32) if x.dtype.is_floating else x, inputs)
    assert_equal(layer(inputs), layer(exact), tolerance=0.0)
    mixed = build(sample, layer, "functional")
    mixed.compile(_sgd(), "mse")
    keras.mixed_precision.set_global_policy("float32")
    exact = build(sample, make_layer(trainable=sample.trains), "functional")
    exact.compile(_sgd(), "mse")
    np.testing.assert_allclose(_fit(mixed, data(sample)), _fit(exact, data(sample)), rtol=1e-3)


if IS_KERAS_3 and BACKEND == "tensorflow":

    def test_automatic_xla_is_on_where_xla_can_compile(sample, make_layer, monkeypatch):
        layer = make_layer(trainable=sample.trains)
        model = build(sample, layer, "functional")
        # Without an accelerator Keras takes "auto" for False, whatever the layers support.
        accelerator = tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")
        with monkeypatch.context() as patch:
            patch.setattr(tf.config, "list_physical_devices", lambda *_: [accelerator])
            model.compile(_sgd(), "mse", jit_compile="auto")
        assert layer.supports_jit == model.jit_compile == sample.xla

    @pytest.mark.samples.with_args(lambda sample: not sample.xla)
    def test_fit_runs_without_xla_when_xla_cannot_compile(sample, make_layer):
        model = build(sample, make_layer(trainable=sample.trains), "functional")
        with pytest.warns(UserWarning, match="doesn't support `jit_compile=True`"):
            model.compile(_sgd(), "mse", jit_compile=True)
        assert np.isfinite(_fit(model, data(sample))).all()


if BACKEND == "tensorflow":  # XLA by choice and replicas are its own

    def _assert_xla_changes_nothing(sample, make_layer, tolerance):
        layers = [make_layer(trainable=sample.trains) for _ in range(2)]
        models = [build(sample, layer, "functional") for layer in layers]
        for model, xla in zip(models, (True, False), strict=True):
            model.compile(_sgd(), "mse", jit_compile=xla)
            assert model.jit_compile == xla
        np.testing.assert_allclose(*(_fit(model, data(sample)) for model in models), rtol=tolerance)
        assert_same_weights(*layers, tolerance=tolerance)

    @pytest.mark.samples.with_args(
        lambda sample: sample.xla and not sample.dropout and sample.name not in COMPILE_SLOWLY
    )
    def test_fit_with_xla_equals_fit_without(sample, make_layer):
        _assert_xla_changes_nothing(sample, make_layer, tolerance=1e-5)

    @pytest.mark.slow  # XLA compiles it for minutes
    @pytest.mark.samples.with_args(lambda sample: sample.name in COMPILE_SLOWLY and not sample.dropout)
    def test_fit_with_xla_equals_fit_without_when_there_are_many_convolutions(sample, make_layer):
        _assert_xla_changes_nothing(sample, make_layer, tolerance=1e-3)

    def _can_be_mirrored(sample):
        # TensorFlow creates no mirrored variables for graphs of TF1; Keras 3 never fits strings on replicas.
        dense = sample.single_input and not sample.ragged and sample.inputs.dtype != tf.string
        return dense

    @pytest.fixture
    def strategy():
        assert len(tf.config.list_logical_devices("CPU")) == 2, "TensorFlow would put both replicas on one device"
        return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice())

    def _fit_on_replicas(sample, make_layer, strategy):
        """Fits a model around a layer that is made on the replicas, with half of the batch on each."""
        width = width_of(sample, make_layer())
        with strategy.scope():
            layer = make_layer(trainable=sample.trains)
            model = build(sample, layer, "functional", width)
            model.compile(_sgd(), "mse", jit_compile=False)
        return layer, _fit(model, tf.data.Dataset.from_tensor_slices((sample.inputs, targets())).batch(4).repeat(3))

    @pytest.mark.samples.with_args(lambda sample: _can_be_mirrored(sample) and not sample.dropout)
    def test_mirrored_replicas_train_like_half_batches_on_one_device(sample, make_layer, strategy):
        """Batch normalisation sees half a batch on each replica; a loop over halves on one device does so too."""
        layer, losses = _fit_on_replicas(sample, make_layer, strategy)
        twin = make_layer(trainable=sample.trains)
        head = Head(width_of(sample, twin))
        variables = [v.value if IS_KERAS_3 else v for v in (*twin.trainable_weights, *head.trainable_weights)]

        @tf.function(autograph=False)
        def step():
            with tf.GradientTape() as tape:
                halves = zip(tf.split(sample.inputs, 2), tf.split(targets(), 2), strict=True)
                errors = [tf.reduce_mean((head(twin(x, training=True)) - y) ** 2) for x, y in halves]
                loss = tf.add_n([tf.reduce_mean(errors), *twin.losses])
            for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
                variable.assign_sub(0.01 * tf.convert_to_tensor(gradient))
            return loss

        expected = np.mean([step() for _ in range(3)])
        np.testing.assert_allclose(losses, [expected], rtol=max(1e-5, sample.noise))
        for one, other in zip(layer.trainable_weights, twin.trainable_weights, strict=True):
            np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-5, atol=max(1e-5, sample.noise))

    # Keras 2 draws other masks for a dropout in each program on replicas.
    @pytest.mark.samples.with_args(lambda sample: sample.native and (IS_KERAS_3 or not sample.dropout))
    def test_mirrored_replicas_train_like_the_native_keras_model(sample, make_layer, strategy):
        layer, losses = _fit_on_replicas(sample, make_layer, strategy)
        native, expected = _fit_on_replicas(
            sample, lambda **_: native_twin(sample, make_layer(trainable=True)), strategy
        )
        np.testing.assert_allclose(losses, expected, rtol=1e-5)
        assert_same_values(_over_replicas(layer, strategy), _over_replicas(native, strategy), tolerance=1e-5)

    def _over_replicas(layer, strategy):
        """Means of the copies of each variable: Keras 3 lets statistics differ, what Keras 2 wrote averages them."""
        variables = (v.value if IS_KERAS_3 else v for v in (*layer.trainable_variables, *layer.non_trainable_variables))
        return [np.mean(values(strategy.experimental_local_results(v)), axis=0) for v in variables]

    @pytest.mark.samples.with_args(lambda sample: sample.name == "exported_convolution")
    def test_mirrored_replicas_save_the_means_of_their_statistics(sample, make_layer, strategy, tmp_path):
        layer, _ = _fit_on_replicas(sample, make_layer, strategy)
        model = layer.resolved_object
        tf.saved_model.save(model, str(tmp_path / "tuned"))
        saved = {variable.name: variable.numpy() for variable in hub.load(tmp_path / "tuned").variables}
        statistics = [variable for variable in model.variables if "moving" in variable.name]
        assert len(statistics) == 2
        for variable in statistics:
            first, second = values(strategy.experimental_local_results(variable))
            assert np.any(first != second)
            np.testing.assert_allclose(saved[variable.name], (first + second) / 2, rtol=1e-6)

    @pytest.mark.samples.with_args(lambda sample: sample.name == "dense")
    def test_layer_made_on_replicas_says_where_it_can_be_called(sample, make_layer, strategy):
        with strategy.scope():
            layer = make_layer(trainable=True)
            with pytest.raises(hub.errors.UsageError, match=r"strategy\.run"):
                layer(sample.inputs)
        np.testing.assert_allclose(layer(sample.inputs), make_layer()(sample.inputs), rtol=1e-5)
