"""Times training steps on top of a trunk: ``training.py TRUNK MODE [FOLDER]``.

TRUNK is ``native`` (the Keras model itself), ``rehub`` or ``tensorflow_hub`` (their layers, of the model in FOLDER).
MODE is ``trainable`` or ``frozen`` (``fit``), or ``tape`` (a frozen trunk in an eager loop with a gradient tape).
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from benchmarks.contenders.answering import answer

_BATCH = 8
_CLASSES = 10


def _status_bytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def _trunk(kind: str, mode: str, folder: str) -> Any:
    if kind == "native":
        trunk = tf.keras.applications.EfficientNetB0(include_top=False, pooling="avg", weights=None)
        trunk.trainable = mode == "trainable"
        return trunk
    return importlib.import_module(kind).KerasLayer(folder, trainable=mode == "trainable")


def _fit_steps(trunk: Any, images: tf.Tensor, labels: tf.Tensor) -> Callable[[], object]:
    model = tf.keras.Sequential([tf.keras.Input((224, 224, 3)), trunk, tf.keras.layers.Dense(_CLASSES)])
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf.keras.optimizers.SGD(1e-4), loss, jit_compile=False)
    # Its autotuner looks up after 10, 20, 40 … ms, and the end of a run waits for that: 80 ms a step became 127.
    options = tf.data.Options()
    options.autotune.enabled = False
    data = tf.data.Dataset.from_tensors((images, labels)).repeat(_STEPS).with_options(options)
    return lambda: model.fit(data, verbose=0)


def _tape_steps(trunk: Any, images: tf.Tensor, labels: tf.Tensor) -> Callable[[], object]:
    head = tf.keras.layers.Dense(_CLASSES)
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = tf.keras.optimizers.SGD(1e-4)

    def run() -> None:
        for _ in range(_STEPS):
            with tf.GradientTape() as tape:
                value = loss(labels, head(trunk(images)))
            variables = head.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(value, variables), variables, strict=True))

    return run


_kind, _mode, _folder = sys.argv[1:4]
_STEPS = 10 if _mode == "frozen" else 3  # as many as take about a second
tf.keras.utils.set_random_seed(0)
_images = tf.random.stateless_uniform((_BATCH, 224, 224, 3), seed=(0, 0))
_labels = tf.range(_BATCH) % _CLASSES
_run = (_tape_steps if _mode == "tape" else _fit_steps)(_trunk(_kind, _mode, _folder), _images, _labels)
# 5 resets the peak to what is in use now, so that loading does not count. Source: proc(5), clear_refs.
Path("/proc/self/clear_refs").write_text("5")
_before_bytes = _status_bytes("VmRSS")
for _ in range(2):  # the first traces, and the second is slow still
    _run()


def _measure() -> Mapping[str, float]:
    start = time.perf_counter()
    _run()
    return {
        "seconds": (time.perf_counter() - start) / _STEPS,
        "peak_bytes": _status_bytes("VmHWM") - _before_bytes,
    }


answer(_measure)
