"""Programs that use both versions of Keras."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
import rehub.keras

DATA = Path(__file__).parents[1] / "data"
IS_KERAS_3 = hasattr(tf.keras, "version")
HAS_KERAS_3 = importlib.metadata.version("keras").startswith("3.")  # but TensorFlow 2.15 comes with Keras 2

if HAS_KERAS_3 and importlib.util.find_spec("tf_keras") is not None:

    def test_layers_of_both_versions_work_side_by_side(scale, batch):
        import keras
        import tf_keras

        one = keras.Sequential([keras.Input((3,)), rehub.keras.Keras3Layer(scale)])
        other = tf_keras.Sequential([tf_keras.Input((3,)), rehub.keras.Keras2Layer(scale)])
        np.testing.assert_allclose(one(batch), other(batch))

    def test_layer_in_a_model_of_the_other_version_is_told_which_to_use(scale):
        import keras
        import tf_keras

        with pytest.raises(hub.errors.DependencyError, match=r"Use rehub\.keras\.Keras3Layer"):
            rehub.keras.Keras2Layer(scale)(keras.Input((3,)))
        with pytest.raises(hub.errors.DependencyError, match=r"Use rehub\.keras\.Keras2Layer"):
            rehub.keras.Keras3Layer(scale)(tf_keras.Input((3,)))

elif HAS_KERAS_3:

    def test_layer_refuses_a_keras_3_that_would_train_copies(monkeypatch):
        import keras

        module = importlib.import_module("rehub.keras.keras3")
        monkeypatch.setattr(keras, "version", lambda: "3.9.2")
        with pytest.raises(hub.errors.DependencyError, match=r"Keras 3\.9\.2 is older than 3\.10"):
            importlib.reload(module)

    def test_keras_2_layer_without_tf_keras_says_what_to_install():
        with pytest.raises(hub.errors.DependencyError, match="pip install tf_keras"):
            _ = rehub.keras.Keras2Layer

else:

    def test_keras_3_layer_without_keras_3_says_what_to_do():
        with pytest.raises(hub.errors.DependencyError, match=r"Keras 2\..* is installed\. Use .*Keras2Layer"):
            _ = rehub.keras.Keras3Layer


def test_layer_follows_tf_keras():
    assert hub.KerasLayer is (rehub.keras.Keras3Layer if IS_KERAS_3 else rehub.keras.Keras2Layer)


if HAS_KERAS_3:

    def test_unknown_backend_of_keras_3_is_refused_with_the_variable_to_set():
        done = _run("rehub.keras.Keras3Layer")
        assert done.returncode
        assert "Set KERAS_BACKEND to" in done.stderr

    def test_layer_of_tf_keras_minds_the_backend_of_keras_3_only_when_it_is_one():
        done = _run("hub.KerasLayer")
        assert ("Set KERAS_BACKEND to" in done.stderr) == IS_KERAS_3 == bool(done.returncode)

    def _run(name):
        """Asks for a layer class in a program whose Keras 3 says that it runs on OpenVINO."""
        model = str(DATA / "models" / "half_plus_two")
        backend = "import keras\nkeras.backend.backend = lambda: 'openvino'\n"
        code = f"{backend}import rehub as hub, rehub.keras\n{name}({model!r})"
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ.copy())
