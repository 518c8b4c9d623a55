"""Times loading, applying and initializing a module: ``module_loading.py LIBRARY MODULE_FOLDER``."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Mapping

import tensorflow as tf

from benchmarks.contenders.answering import answer

v1 = tf.compat.v1
_hub = importlib.import_module(sys.argv[1])


def _measure() -> Mapping[str, float]:
    with tf.Graph().as_default() as graph:
        images = v1.placeholder(tf.float32, [None, 16, 16, 3])
        start = time.perf_counter()
        _hub.Module(_hub.load_module_spec(sys.argv[2]), trainable=True)(images)
        loaded = time.perf_counter()
        with v1.Session(graph=graph) as session:
            session.run(v1.global_variables_initializer())
        return {"load": loaded - start, "initialize": time.perf_counter() - start}


_measure()
answer(_measure)
