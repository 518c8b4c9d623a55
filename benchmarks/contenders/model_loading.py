"""Times loading a SavedModel whole and for a layer: ``model_loading.py FOLDER``."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

import rehub as hub
from benchmarks.contenders.answering import answer

_folder = sys.argv[1]


def _seconds(load: Callable[[], Any]) -> float:
    gc.collect()  # what the load before left must not be cleared within this one
    start = time.perf_counter()
    load()
    return time.perf_counter() - start


def _measure(layer_first: bool) -> Mapping[str, float]:
    loads: dict[str, Callable[[], Any]] = {
        "layer": lambda: hub.KerasLayer(_folder),
        "whole": lambda: tf.saved_model.load(_folder),
        "both": lambda: hub.KerasLayer(_folder).resolved_object,
    }
    names = list(loads) if layer_first else list(reversed(loads))
    return {name: _seconds(loads[name]) for name in names}


_measure(layer_first=True)
answer(_measure)
