"""Nothing of ours keeps a model in memory that its user has let go."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest
import tensorflow as tf

import rehub as hub

X = tf.constant([10.0, 20.0])


def references(obj: object, *more: object) -> list[weakref.ref[object]]:
    return [weakref.ref(each) for each in (obj, *obj.variables, *more)]  # type: ignore[attr-defined]


def test_loading_many_times_keeps_no_object_alive(half_plus_two: Path) -> None:
    alive = []
    for _ in range(20):
        obj = hub.load(half_plus_two)
        obj(X)
        alive += references(obj, type(obj))
    del obj
    gc.collect()

    assert len(alive) == 80
    assert not [reference() for reference in alive if reference() is not None]


@pytest.mark.parametrize("trainable", [True, False])
def test_layers_keep_no_model_alive(half_plus_two: Path, trainable: bool) -> None:
    alive = []
    for _ in range(5):
        layer = hub.KerasLayer(str(half_plus_two), trainable=trainable)
        layer(X)
        alive += references(layer.resolved_object, layer)
    del layer
    gc.collect()

    assert not [reference() for reference in alive if reference() is not None]


def test_pickling_keeps_no_second_copy_alive(half_plus_two: Path) -> None:
    obj = hub.load(half_plus_two)
    gc.collect()
    before = sum(isinstance(each, tf.Variable) for each in gc.get_objects())
    for _ in range(3):
        obj.__reduce_ex__(4)
    gc.collect()

    assert sum(isinstance(each, tf.Variable) for each in gc.get_objects()) == before
