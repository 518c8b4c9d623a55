"""Promise: mixed precision, XLA where it can, and replicas give the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from tests.conformance.build import build, data, keras, targets, width_of
from tests.conformance.models import IS_KERAS_3


@pytest.fixture
def mixed_precision():
    keras.mixed_precision.set_global_policy("mixed_float16")
    yield
    keras.mixed_precision.set_global_policy("float32")


@pytest.mark.usefixtures("mixed_precision")
def test_mixed_precision_computes_in_the_dtypes_of_the_model(sample, make_layer):
    layer = make_layer(trainable=sample.trains)
    inputs = tf.nest.map_structure(lambda x: tf.cast(x, tf.float16) if x.dtype.is_floating else x, sample.inputs)
    exact = tf.nest.map_structure(lambda x: tf.cast(x, tf.float32) if x.dtype.is_floating else x, inputs)
    for a, b in zip(tf.nest.flatten(layer(inputs)), tf.nest.flatten(layer(exact)), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    model = build(sample, layer, "functional")
    model.compile(keras.optimizers.SGD(0.01), "mse")
    assert np.isfinite(model.fit(data(sample), verbose=0).history["loss"]).all()


def test_fit_with_automatic_xla_runs(sample, make_layer):
    model = build(sample, make_layer(trainable=sample.trains), "functional")
    options = {"jit_compile": "auto"} if IS_KERAS_3 else {}
    model.compile(keras.optimizers.SGD(0.01), "mse", **options)
    plain = build(sample, make_layer(trainable=sample.trains), "functional")
    plain.compile(keras.optimizers.SGD(0.01), "mse", jit_compile=False)
    losses = [m.fit(data(sample), shuffle=False, verbose=0).history["loss"] for m in (model, plain)]
    if sample.deterministic or not sample.trains:
        np.testing.assert_allclose(*losses, rtol=1e-4)


def _can_be_mirrored(sample):
    # TensorFlow creates no mirrored variables for graphs of TF1; Keras 3 never fits strings on replicas.
    dense = sample.single_input and not sample.ragged and sample.inputs.dtype != tf.string
    return dense and (IS_KERAS_3 or not sample.name.startswith("tf1"))


@pytest.mark.samples.with_args(_can_be_mirrored)
def test_mirrored_replicas_train_like_one_device(sample, path, make_layer):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice())
    width = width_of(sample, make_layer())
    with strategy.scope():
        layer = make_layer(trainable=sample.trains)
        model = build(sample, layer, "functional", width)
        model.compile(keras.optimizers.SGD(0.01), "mse", **({"jit_compile": False} if IS_KERAS_3 else {}))
    twin = build(sample, make_layer(trainable=sample.trains), "functional")
    twin.compile(keras.optimizers.SGD(0.01), "mse", **({"jit_compile": False} if IS_KERAS_3 else {}))
    batch = tf.data.Dataset.from_tensor_slices((sample.inputs, targets())).batch(4).repeat(2)
    losses = [m.fit(batch, shuffle=False, verbose=0).history["loss"] for m in (model, twin)]
    if sample.deterministic and sample.name not in ("dense", "keras2_saved", "face_features"):
        np.testing.assert_allclose(*losses, rtol=1e-5)
    else:  # batch normalisation sees half a batch on each replica
        assert np.isfinite(losses).all()


@pytest.mark.samples.with_args(lambda sample: sample.name == "dense")
def test_layer_made_on_replicas_says_where_it_can_be_called(sample, make_layer):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice())
    with strategy.scope():
        layer = make_layer(trainable=True)
        with pytest.raises(hub.errors.UsageError, match=r"strategy\.run"):
            layer(sample.inputs)
    np.testing.assert_allclose(layer(sample.inputs), make_layer()(sample.inputs), rtol=1e-5)
