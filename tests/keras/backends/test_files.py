"""Files that one backend writes and another reads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import rehub as hub
from tests.keras.backends.conftest import array

X = np.linspace(-1, 1, 24, dtype="float32").reshape(8, 3)
ON_TENSORFLOW = """
import json, sys
import keras, numpy as np
import rehub as hub

folder, statistics, words = sys.argv[1:]
x, y = np.linspace(-1, 1, 24, dtype="float32").reshape(8, 3), np.ones((8, 1), "float32")
predictions = {}

model = keras.Sequential([keras.Input((3,)), hub.KerasLayer(statistics, trainable=True), keras.layers.Dense(1)])
model.compile("adam", "mse")
model.fit(x, y, epochs=2, verbose=0)
model.save(folder + "/there.keras")
model.save_weights(folder + "/there.weights.h5")
predictions["there"] = model.predict(x, verbose=0).tolist()

layer = hub.KerasLayer(words)
layer.set_weights([layer.weights[0] * 2.0, np.array(["x", "good", "bad"])])
model_of_words = keras.Model()
model_of_words.embed, model_of_words.built = layer, True
model_of_words.save_weights(folder + "/words.weights.h5")

whole = keras.models.load_model(folder + "/here.keras", safe_mode=False)
predictions["here, whole"] = whole.predict(x, verbose=0).tolist()
model.load_weights(folder + "/here.weights.h5")
predictions["here, weights"] = model.predict(x, verbose=0).tolist()
print(json.dumps(predictions))
"""


@pytest.fixture(scope="module")
def exchange(statistics, words, tmp_path_factory):
    """A folder with files of both sides, and what models predict: those of here, and what TensorFlow made of both."""
    folder = tmp_path_factory.mktemp("files")
    layer = hub.KerasLayer(statistics, trainable=True)
    model = keras.Sequential([keras.Input((3,)), layer, keras.layers.Dense(1)])
    layer.set_weights([3.0 * array(layer.weights[0]), array(layer.weights[1]) + 1.0])
    model.save(folder / "here.keras")
    model.save_weights(folder / "here.weights.h5")
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    command = [sys.executable, "-c", ON_TENSORFLOW, str(folder), statistics, words]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=root)
    assert done.returncode == 0, done.stderr
    predictions = json.loads(done.stdout.strip().splitlines()[-1])
    return folder, {"here": model.predict(X, verbose=0), **predictions}


def test_keras_file_of_tensorflow_opens_here_and_trains_on(exchange, statistics):
    folder, predictions = exchange
    model = keras.models.load_model(folder / "there.keras", safe_mode=False)
    np.testing.assert_allclose(model.predict(X, verbose=0), predictions["there"], rtol=1e-5, atol=1e-6)
    assert np.isfinite(model.fit(X, np.ones((8, 1)), verbose=0).history["loss"]).all()


def test_weights_file_of_tensorflow_opens_here(exchange, statistics):
    folder, predictions = exchange
    model = keras.Sequential([keras.Input((3,)), hub.KerasLayer(statistics), keras.layers.Dense(1)])
    model.load_weights(folder / "there.weights.h5")
    np.testing.assert_allclose(model.predict(X, verbose=0), predictions["there"], rtol=1e-5, atol=1e-6)


def test_files_of_here_open_on_tensorflow(exchange):
    _, predictions = exchange
    for found in (predictions["here, whole"], predictions["here, weights"]):
        np.testing.assert_allclose(found, predictions["here"], rtol=1e-5, atol=1e-6)


def test_weights_file_with_strings_opens_here(exchange, words):
    folder, _ = exchange
    layer = hub.KerasLayer(words)
    model = keras.Model()
    model.embed, model.built = layer, True
    model.load_weights(folder / "words.weights.h5")
    np.testing.assert_array_equal(array(layer(["x", "bad"])), [[0.0, 0.0], [6.0, 8.0]])


def test_embedded_model_holds_the_tuned_values(statistics):
    layer = hub.KerasLayer(hub.load(statistics), embed_saved_model=True)
    layer.set_weights([3.0 * array(layer.weights[0]), array(layer.weights[1])])
    again = hub.KerasLayer.from_config(layer.get_config())
    np.testing.assert_allclose(array(again(X)), array(layer(X)), rtol=1e-6)
