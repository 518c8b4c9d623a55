"""Processes of TensorFlow 1's behaviour, and objects that are carried from one mode into another."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

import rehub as hub

from .graph_mode import models

ROOT = Path(__file__).parents[2]
EAGER_AGAIN = """
import sys
import numpy as np
import tensorflow as tf
import rehub as hub

tf.compat.v1.disable_v2_behavior()
tf.compat.v1.enable_eager_execution()
rows = np.ones([2, 3], "float32")
m = hub.load(sys.argv[1])
print("object", m(tf.constant(rows)).numpy().tolist())
layer = hub.KerasLayer(sys.argv[1], trainable=True)
print("layer", layer(rows, training=False).numpy().tolist(), layer.compute_output_shape((2, 3)))
try:
    layer(np.ones([2, 4], "float32"))
except hub.errors.SignatureError as error:
    print("error", error)
model = tf.keras.Sequential([layer, tf.keras.layers.Dense(1, kernel_initializer="ones")])
model.compile("sgd", "mse")
model.fit(rows, rows[:, :1], verbose=0)
print("fit", layer.resolved_object.kernel.numpy().tolist() != [1.0, 2.0, 3.0])
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    models.save_all(folder, tmp_path_factory.mktemp("scratch"))
    return folder


def _run(*command: str, folder: Path) -> str:
    environment = {**os.environ, "GRAPH_MODE_MODELS": str(folder)}
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=600, cwd=ROOT, env=environment, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_all_that_works_in_a_graph_works_after_disable_v2_behavior(folder):
    plugins = ["-p", "tests.keras.graph_mode.disable_v2_behavior", "-p", "no:cacheprovider"]
    printed = _run("-m", "pytest", *plugins, "-q", "--tb=short", "tests/keras/graph_mode", folder=folder)
    assert " passed" in printed


def test_models_are_eager_when_eager_execution_is_enabled_after_disable_v2_behavior(folder):
    printed = _run("-c", EAGER_AGAIN, str(folder / "scale"), folder=folder)
    assert "object [[2.0, 3.0, 4.0], [2.0, 3.0, 4.0]]" in printed
    assert "layer [[2.0, 3.0, 4.0], [2.0, 3.0, 4.0]] (2, 3)" in printed
    assert "has size 4 along axis 1, not 3" in printed
    assert "fit True" in printed


def test_eager_layer_in_a_graph_is_told_to_be_loaded_there(folder):
    layer = hub.KerasLayer(folder / "scale")
    with (
        tf.Graph().as_default(),
        pytest.raises(hub.errors.UsageError, match=r"was loaded in eager mode and is used in a tf\.Graph") as info,
    ):
        layer(tf.ones([2, 3]))
    assert "inside of the same" in info.value.hint


def test_layer_of_a_graph_used_eagerly_is_told_to_be_loaded_again(folder):
    with tf.Graph().as_default():
        layer = hub.KerasLayer(folder / "scale")
    with pytest.raises(hub.errors.UsageError, match=r"was loaded in a tf\.Graph and is used eagerly") as info:
        layer(tf.ones([2, 3]))
    assert "Load it again" in info.value.hint


def test_object_of_a_graph_says_outside_of_it_too_that_it_cannot_be_pickled(folder):
    with tf.Graph().as_default():
        m = hub.load(folder / "scale")
    with pytest.raises(hub.errors.UsageError, match="its values live in a session"):
        pickle.dumps(m)
