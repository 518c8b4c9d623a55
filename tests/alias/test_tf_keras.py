"""Programs that build their models with tf_keras beside Keras 3, for which tensorflow_hub 0.16 made its layers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import rehub

PROGRAM = """
import sys
import rehub
rehub.install_as_tensorflow_hub()
import tensorflow as tf, tf_keras
import tensorflow_hub as hub
assert tf.keras.version().startswith("3.")
inputs = tf_keras.Input((), dtype=tf.float32)
model = tf_keras.Model(inputs, hub.KerasLayer(sys.argv[1])(inputs))
assert model(tf.constant([1.0])).numpy().tolist() == [2.0]
"""


def test_layer_is_one_of_keras_2_when_the_program_uses_tf_keras(doubling: str) -> None:
    known = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, doubling],
        capture_output=True,
        text=True,
        timeout=300,
        env={**known, "PYTHONPATH": str(Path(rehub.__file__).parents[1])},
    )
    assert done.returncode == 0, done.stderr
