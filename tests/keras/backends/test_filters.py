"""Layers of one object with different filters: each trains its own weights, and all see the same values."""

from __future__ import annotations

import gc

import keras
import numpy as np
import pytest

import rehub as hub
from tests.keras.backends.conftest import array


@pytest.fixture
def obj(blocks):
    return hub.load(blocks)


@pytest.fixture
def layers(obj):
    return hub.KerasLayer(obj, trainable="block/*"), hub.KerasLayer(obj, trainable="head/*")


def kernels(layer) -> dict[str, np.ndarray]:
    return {weight.name.partition("_")[0]: array(weight) for weight in layer.weights}


def double(layer) -> None:
    layer.set_weights([2.0 * weight for weight in layer.get_weights()])


def test_both_layers_compute_with_what_either_tuned(layers, make_model, x, y):
    first, second = layers
    before = kernels(first)
    first(x)
    for tuned, kept, layer in (("head", "block", second), ("block", "head", first)):
        was = kernels(layer)
        make_model(layer).fit(x, y, epochs=2, verbose=0)
        assert (kernels(layer)[tuned] != before[tuned]).all()
        np.testing.assert_array_equal(kernels(layer)[kept], was[kept])
        np.testing.assert_array_equal(array(first(x)), array(second(x)))
    now = kernels(first)
    np.testing.assert_allclose(array(first(x)), x @ now["block"] @ now["head"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["tuned last", "tuned first"])
def test_sync_of_either_layer_writes_what_was_tuned(obj, layers, make_model, x, y, order):
    layers[0](x)
    make_model(layers[1]).fit(x, y, verbose=0)
    tuned = kernels(layers[1])["head"]
    for place in order:
        layers[place].sync()
        np.testing.assert_array_equal(obj.head, tuned)


def test_weights_file_loaded_into_one_layer_reaches_the_other(layers, make_model, x, tmp_path):
    first, second = layers
    of_first, of_second = make_model(first), make_model(second)
    of_second.save_weights(tmp_path / "before.weights.h5")
    before = array(second(x))
    double(second)
    of_first.load_weights(tmp_path / "before.weights.h5")
    np.testing.assert_array_equal(array(second(x)), before)
    np.testing.assert_array_equal(array(first(x)), before)


def test_layers_of_one_model_train_all_that_one_of_them_trains(layers, x, y):
    first, second = layers
    before = kernels(first)
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(1, kernel_initializer="ones")(first(inputs) + second(inputs)))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(x, y, epochs=2, verbose=0)
    assert all((kernels(first)[name] != before[name]).all() for name in ("block", "head"))
    for name, value in kernels(first).items():
        np.testing.assert_array_equal(value, kernels(second)[name])


def test_values_outlive_the_layer_that_tuned_them(obj, x):
    first = hub.KerasLayer(obj, trainable="block/*")
    double(hub.KerasLayer(obj, trainable="head/*"))
    tuned = array(first(x))
    gc.collect()
    again = hub.KerasLayer(obj, trainable="head/*")
    np.testing.assert_array_equal(array(again(x)), tuned)
    double(again)
    np.testing.assert_array_equal(array(first(x)), 4.0 * tuned)
