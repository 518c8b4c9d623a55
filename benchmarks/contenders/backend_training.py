"""Times training steps of Keras 3 on its backend: ``backend_training.py TRUNK MODEL [FOLDER]``.

TRUNK is ``native`` (the Keras model itself) or ``rehub`` (the layer, of the model in FOLDER); MODEL is ``tiny`` or the
name of a model of ``keras.applications``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.contenders.answering import answer

_BATCH = 8


def _trunk(kind: str, model: str, folder: str) -> Any:
    if kind == "rehub":
        import rehub

        return rehub.KerasLayer(folder, trainable=True)
    if model == "tiny":
        return keras.layers.Dense(2)
    return getattr(keras.applications, model)(include_top=False, pooling="avg", weights=None)


_kind, _model, _folder = sys.argv[1:4]
_steps, _shape = (200, (4,)) if _model == "tiny" else (5, (96, 96, 3))
keras.utils.set_random_seed(0)
_inputs = np.random.default_rng(0).uniform(size=(_BATCH, *_shape)).astype("float32")
_labels = np.zeros((_BATCH, 1), "float32")
_whole = keras.Sequential([keras.Input(_shape), _trunk(_kind, _model, _folder), keras.layers.Dense(1)])
_whole.compile(keras.optimizers.SGD(1e-4), "mse")
_data = tf.data.Dataset.from_tensors((_inputs, _labels)).repeat(_steps)
for _ in range(2):  # the first compiles
    _whole.fit(_data, verbose=0)


def _measure() -> Mapping[str, float]:
    start = time.perf_counter()
    _whole.fit(_data, verbose=0)
    return {"seconds": (time.perf_counter() - start) / _steps}


answer(_measure)
