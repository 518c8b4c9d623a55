"""Times a module and the graph that it was made from in turn: ``module_running.py MODULE_FOLDER``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

import rehub
from benchmarks.contenders.answering import answer
from benchmarks.contenders.module_building import SIZE, build

v1 = tf.compat.v1


def _session(apply: Callable[[Any], Any]) -> tuple[Any, dict[str, Any]]:
    with tf.Graph().as_default() as graph:
        images = tf.random.stateless_uniform((8, SIZE, SIZE, 3), seed=(0, 0))
        output = apply(images)
        updates = v1.get_collection(v1.GraphKeys.UPDATE_OPS)
        with tf.control_dependencies(updates):
            step = v1.train.GradientDescentOptimizer(1e-6).minimize(tf.reduce_sum(output))
        session = v1.Session(graph=graph)
        session.run(v1.global_variables_initializer())
        return session, {"run": output.op, "train": step}


_contenders = {
    "module": _session(lambda images: rehub.Module(sys.argv[1], trainable=True)(images)),
    "graph": _session(build),
}
for _running, _targets in _contenders.values():
    for _target in _targets.values():
        for _ in range(3):
            _running.run(_target)


def _measure(mode: str, *, module_first: bool) -> Mapping[str, float]:
    names = list(_contenders)
    seconds = {}
    for name in names if module_first else names[::-1]:
        session, targets = _contenders[name]
        start = time.perf_counter()
        session.run(targets[mode])
        seconds[name] = time.perf_counter() - start
    return seconds


answer(_measure)
