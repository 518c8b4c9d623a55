"""Promise: training changes what it may change, and equals training the same model natively."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.conformance.build import (
    apply_state,
    as_array,
    assert_same_values,
    assert_same_weights,
    build,
    data,
    keras,
    native_twin,
    starts_trainable,
    targets,
    trains,
    values,
    width_of,
)
from tests.conformance.models import COMPILE_SLOWLY
from tests.conformance.sample import BACKEND, IS_KERAS_3


def _sgd():
    return keras.optimizers.SGD(0.001)


def test_fit_changes_the_trainable_weights_and_nothing_else(sample, composition, state, make_layer):
    layer = make_layer(trainable=starts_trainable(state))
    model = build(sample, layer, composition)
    apply_state(model, layer, state)
    trainable = layer.trainable_weights
    assert bool(trainable) == trains(state)
    frozen = [v for v in layer.weights if all(v is not t for t in trainable)]
    trainable_before, frozen_before = values(trainable), values(frozen)
    model.compile(_sgd(), "mse")
    before = float(model.evaluate(data(sample), verbose=0))
    model.fit(data(sample), epochs=2, verbose=0)
    assert float(model.evaluate(data(sample), verbose=0)) != before
    still = len(trainable) - _count_changes(trainable_before, trainable)
    assert still <= sample.idle
    assert _count_changes(frozen_before, frozen) == (sample.moving - sample.unheld if trains(state) else 0)


def _count_changes(before, variables):
    return sum(not np.array_equal(old, new) for old, new in zip(before, values(variables), strict=True))


@pytest.mark.samples(lambda sample: sample.name == "sub_objects")
def test_fit_trains_just_the_listed_subset(sample, make_layer):
    layer = make_layer(trainable=True)
    decoder = layer.resolved_object.decoder.kernel.numpy()
    model = build(sample, layer, "functional")
    model.compile(_sgd(), "mse")
    model.fit(data(sample), verbose=0)
    layer.sync()
    assert not np.array_equal(layer.resolved_object.encoder.kernel.numpy(), np.eye(3) * 2)
    np.testing.assert_array_equal(layer.resolved_object.decoder.kernel.numpy(), decoder)


@pytest.mark.samples(lambda sample: sample.trains)
def test_fit_equals_a_tape_loop_on_the_loaded_object(sample, path, make_layer):
    """The same three steps by hand on the loaded object: forward in training mode, loss plus regularization, SGD."""
    layer = make_layer(trainable=True)
    model = build(sample, layer, "functional")
    model.compile(_sgd(), "mse")
    losses = model.fit(data(sample), verbose=0, shuffle=False).history["loss"]

    obj = sample.load(path)
    with tf.GradientTape() as tape:
        sample.direct(obj, sample.inputs, False)
    tuned = list(getattr(obj, "trainable_variables", None) or tape.watched_variables())
    kernel, bias = tf.Variable(tf.fill([width_of(sample, layer), 1], 0.05)), tf.Variable([0.0])
    variables = [*tuned, kernel, bias]

    @tf.function(autograph=False)  # a graph like Keras' own: eager sums of convolutions round differently
    def step():
        with tf.GradientTape() as tape:
            outputs = tf.nest.flatten(sample.direct(obj, sample.inputs, True))[0]
            predicted = tf.reshape(outputs, [-1, kernel.shape[0]]) @ kernel + bias
            loss = tf.reduce_mean((predicted - targets()) ** 2)
            for regularizer in getattr(obj, "regularization_losses", []):
                loss += regularizer()
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(0.001 * tf.convert_to_tensor(gradient))

        return loss

    expected = [float(step()) for _ in range(3)]
    np.testing.assert_allclose(losses, [np.mean(expected)], rtol=max(1e-5, sample.noise))
    assert_same_values(layer.trainable_weights, tuned, max(1e-5, sample.noise))


# Each backend draws masks of its own.
@pytest.mark.samples(lambda sample: sample.native and (BACKEND == "tensorflow" or not sample.dropout))
def test_fit_equals_the_native_keras_model(sample, make_layer):
    _assert_trains_like_the_native_model(sample, make_layer(trainable=True), xla=False)


if BACKEND == "tensorflow":
    # Keras 2 keeps the seed of a dropout in the graph, and XLA draws other masks from it in each program.
    @pytest.mark.samples(
        lambda sample: sample.native and (IS_KERAS_3 or not sample.dropout) and sample.name not in COMPILE_SLOWLY
    )
    def test_fit_with_xla_equals_the_native_keras_model(sample, make_layer):
        _assert_trains_like_the_native_model(sample, make_layer(trainable=True), xla=True)


def _assert_trains_like_the_native_model(sample, layer, *, xla):
    native = native_twin(sample, layer)
    models = [build(sample, layer, "functional"), build(sample, native, "functional")]
    for model in models:
        model.compile(_sgd(), "mse", jit_compile=xla if BACKEND == "tensorflow" else "auto")
    histories = [m.fit(data(sample), epochs=5, shuffle=False, verbose=0).history["loss"] for m in models]
    np.testing.assert_allclose(*histories, rtol=1e-5)
    predictions = [m.predict(sample.inputs, verbose=0) for m in models]
    np.testing.assert_allclose(*predictions, rtol=1e-5, atol=1e-5)
    assert_same_weights(layer, native, tolerance=1e-5)


@pytest.mark.samples(lambda sample: sample.trains)
def test_two_applications_share_weights_and_count_losses_once(sample, make_layer):
    layer = make_layer(trainable=True)
    once = build(sample, layer, "functional")
    losses, weights = len(once.losses), len(once.weights)
    outputs = layer(once.inputs if isinstance(sample.inputs, list) else once.input)
    twice = keras.Model(once.inputs, [*once.outputs, tf.nest.flatten(outputs)[0]])
    assert len(twice.losses) == losses == sample.losses
    assert len(twice.weights) == weights


@pytest.mark.samples(lambda sample: sample.losses > 0)
def test_losses_follow_trainable(sample, make_layer, path):
    layer = make_layer()
    model = build(sample, layer, "functional")
    assert sum(map(as_array, layer.losses)) == 0.0
    layer.trainable = True
    obj = sample.load(path)
    expected = sum(float(loss()) for loss in obj.regularization_losses)
    assert sum(map(as_array, layer.losses)) == pytest.approx(expected, rel=1e-6)
    assert sum(map(as_array, model.losses)) == pytest.approx(expected, rel=1e-6)
    layer.trainable = False
    assert sum(map(as_array, layer.losses)) == 0.0
