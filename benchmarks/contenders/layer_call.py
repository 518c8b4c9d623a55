"""Times the layer and the restored function that it calls in turn: ``layer_call.py RESNET_FOLDER TINY_FOLDER``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

import rehub
from benchmarks.contenders.answering import answer


def _seconds(call: Callable[[], Any], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        result = call()
    result.numpy()
    return (time.perf_counter() - start) / calls


def _pair(layer: Any, batch: tf.Tensor, *, graph: bool) -> tuple[Callable[[], Any], Callable[[], Any]]:
    restored = layer.resolved_object
    calls = (lambda x: layer(x)), (lambda x: restored(x, training=False))
    if graph:
        calls = tuple(tf.function(call, autograph=False) for call in calls)
    pair = tuple((lambda call=call: call(batch)) for call in calls)
    for call in pair:
        _seconds(call, 3)
    return pair


_resnet, _tiny = (rehub.KerasLayer(folder) for folder in sys.argv[1:3])
_image = tf.random.stateless_uniform((8, 224, 224, 3), seed=(0, 0))
_row = tf.zeros((1, 4))
_pairs = {
    "graph": (_pair(_resnet, _image, graph=True), 1),
    "eager": (_pair(_resnet, _image[:1], graph=False), 3),
    "tiny graph": (_pair(_tiny, _row, graph=True), 500),
    "tiny eager": (_pair(_tiny, _row, graph=False), 500),
}


def _measure(mode: str, *, layer_first: bool) -> Mapping[str, float]:
    pair, calls = _pairs[mode]
    seconds = {place: _seconds(pair[place], calls) for place in ((0, 1) if layer_first else (1, 0))}
    return {"layer": seconds[0], "function": seconds[1]}


answer(_measure)
