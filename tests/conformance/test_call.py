"""Promise: a layer computes what the loaded object computes."""

from __future__ import annotations

import pytest
import tensorflow as tf

from tests.conformance.build import as_tf, assert_equal, symbolic_inputs
from tests.conformance.sample import IS_KERAS_3


@pytest.mark.eager
def test_layer_equals_loaded_object_when_called_eagerly(sample, path, make_layer):
    expected = sample.direct(sample.load(path), sample.inputs, False)
    assert_equal(make_layer()(sample.inputs), expected)


@pytest.mark.eager
def test_layer_equals_loaded_object_when_called_in_a_graph(sample, path, make_layer):
    expected = sample.direct(sample.load(path), sample.inputs, False)
    layer = make_layer()
    assert_equal(tf.function(layer)(sample.inputs), expected)


@pytest.mark.eager
def test_layer_equals_loaded_object_when_called_in_a_dataset(sample, path, make_layer):
    expected = sample.direct(sample.load(path), sample.inputs, False)
    layer = make_layer()
    inputs = tuple(sample.inputs) if isinstance(sample.inputs, list) else sample.inputs

    def transform(inputs):
        outputs = layer(list(inputs) if isinstance(inputs, tuple) else inputs)
        return ((tuple(outputs) if isinstance(outputs, list) else outputs),)

    (outputs,) = next(iter(tf.data.Dataset.from_tensors((inputs,)).map(transform)))
    assert_equal(list(outputs) if isinstance(outputs, tuple) else outputs, expected)


def test_symbolic_call_gives_dtypes_and_shapes_of_the_real_one(sample, make_layer):
    layer = make_layer()
    real = tf.nest.flatten(layer(sample.inputs))
    symbolic = layer(symbolic_inputs(sample))
    for one, other in zip(tf.nest.flatten(symbolic), real, strict=True):
        assert _name(one.dtype) == _name(other.dtype)
        assert tuple(one.shape) == (None, *other.shape[1:])


def _name(dtype):
    return getattr(dtype, "name", str(dtype)).removeprefix("torch.")


@pytest.mark.samples(lambda sample: sample.moving > 0)
def test_training_mode_reaches_the_model_only_while_trainable(sample, path, make_layer):
    layer = make_layer(trainable=True)
    inference = sample.direct(sample.load(path), sample.inputs, False)
    assert_equal(layer(sample.inputs, training=False), inference)
    training = layer(sample.inputs, training=True)
    assert float(tf.reduce_max(tf.abs(as_tf(training) - inference))) > 1e-4
    assert_equal(make_layer()(sample.inputs, training=True), inference)


@pytest.mark.eager
def test_weights_are_those_of_the_model(sample, make_layer):
    layer = make_layer(trainable=sample.trains)
    assert len(layer.trainable_weights) == sample.trainable
    assert len(layer.non_trainable_weights) == sample.others - sample.unheld
    assert len(layer.losses) == sample.losses
    names = [weight.path if IS_KERAS_3 else weight.name for weight in layer.weights]
    assert len(set(names)) == len(names)


@pytest.mark.eager
@pytest.mark.samples(lambda sample: sample.single_input and not sample.ragged)
def test_python_list_is_one_tensor(sample, make_layer):
    layer = make_layer()
    assert_equal(layer(sample.inputs.numpy().tolist()), layer(sample.inputs))


@pytest.mark.eager
@pytest.mark.samples(lambda sample: sample.single_input and not sample.ragged)
def test_array_is_one_tensor(sample, make_layer):
    layer = make_layer()
    array = sample.inputs.numpy()
    assert_equal(layer(array.astype("float64") if array.dtype.kind == "f" else array), layer(sample.inputs))
