"""What one version of Keras made is used by the other; and Keras that runs on no TensorFlow."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
import rehub.keras

from .keras_models import IS_KERAS_3, floats, mlp

HAS_KERAS_3 = importlib.metadata.version("keras").startswith("3.")  # but TensorFlow 2.15 comes with Keras 2

if HAS_KERAS_3 and importlib.util.find_spec("tf_keras") is not None:

    def _model(keras):
        keras.utils.set_random_seed(3)
        layers = [keras.layers.Dense(4, kernel_regularizer="l2"), keras.layers.BatchNormalization(momentum=0.9)]
        return keras.Sequential([keras.Input((8,)), *layers, keras.layers.Dense(1)])

    def _losses(keras, model):
        model.compile(keras.optimizers.SGD(0.01), "mse", jit_compile=False)
        history = model.fit(floats(4, 8), floats(4, 1, seed=1), epochs=3, shuffle=False, verbose=0)
        return history.history["loss"]

    @pytest.mark.parametrize(("maker", "user"), [("keras", "tf_keras"), ("tf_keras", "keras")])
    def test_model_of_one_keras_fine_tunes_in_the_other(tmp_path: Path, maker, user):
        one, other = map(importlib.import_module, (maker, user))
        model = _model(one)
        hub.export(model, tmp_path / "exported")
        layer_class = rehub.keras.Keras2Layer if user == "tf_keras" else rehub.keras.Keras3Layer
        layer = layer_class(str(tmp_path / "exported"), trainable=True)
        again = other.Sequential([other.Input((8,)), layer])
        np.testing.assert_allclose(_losses(other, again), _losses(one, model), rtol=1e-5)
        np.testing.assert_allclose(again.predict(floats(4, 8), verbose=0), model.predict(floats(4, 8), verbose=0), 1e-4)


if IS_KERAS_3:

    def test_model_of_another_backend_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        model = mlp()
        keras = importlib.import_module("keras")
        monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
        with pytest.raises(hub.errors.DependencyError, match="KERAS_BACKEND=tensorflow"):
            hub.export(model, tmp_path / "exported", inputs=tf.TensorSpec([None, 8]))
        assert not (tmp_path / "exported").exists()
