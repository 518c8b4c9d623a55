"""The memo of loaded models."""

from __future__ import annotations

import concurrent.futures
import copy
import gc
import os
import pickle
import shutil
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
import tensorflow as tf

import rehub as hub

X = tf.constant([10.0, 20.0])


@pytest.fixture(autouse=True)
def _memo() -> Iterator[None]:
    with hub.settings(memo=True):
        yield
    hub.clear_memo()


def test_load_gives_the_same_object_again(half_plus_two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    obj = hub.load(half_plus_two)
    monkeypatch.chdir(half_plus_two.parent)

    assert hub.load(half_plus_two.name) is obj
    assert hub.KerasLayer(str(half_plus_two)).resolved_object is obj
    with hub.settings(memo=False):
        assert hub.load(half_plus_two) is not obj


def test_load_tells_tags_and_options_apart(two_graphs: Path, half_plus_two: Path) -> None:
    assert hub.load(two_graphs, tags=["serve", "gpu"]) is hub.load(two_graphs, tags=["gpu", "serve"])
    assert hub.load(two_graphs, tags=["serve", "gpu"]) is not hub.load(two_graphs, tags=["serve"])

    def options(device: str) -> tf.saved_model.LoadOptions:
        return tf.saved_model.LoadOptions(experimental_io_device=device)

    obj = hub.load(half_plus_two, options=options("/job:localhost"))
    assert hub.load(half_plus_two, options=options("/job:localhost")) is obj
    assert hub.load(half_plus_two) is not obj


def test_layers_of_a_tf1_model_share_what_was_made_of_it(tf1_hub: Path) -> None:
    layer = hub.KerasLayer(str(tf1_hub), trainable=True)
    layer.resolved_object.variables[1].assign(3.0)
    frozen = hub.KerasLayer(str(tf1_hub))

    assert frozen.resolved_object is layer.resolved_object
    assert frozen(X).numpy().tolist() == [8.0, 13.0]


def test_layers_of_a_tf1_model_with_other_options_share_nothing(tf1_hub: Path) -> None:
    layer = hub.KerasLayer(str(tf1_hub))
    here = tf.saved_model.LoadOptions(experimental_io_device="/job:localhost")
    other = hub.KerasLayer(str(tf1_hub), load_options=here)

    assert hub.KerasLayer(str(tf1_hub), load_options=here).resolved_object is other.resolved_object
    assert other.resolved_object is not layer.resolved_object
    assert hub.load(tf1_hub) is not layer.resolved_object


def test_load_gives_another_object_in_the_scope_of_a_strategy(half_plus_two: Path) -> None:
    obj = hub.load(half_plus_two)
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        assert hub.load(half_plus_two) is not obj
    with tf.Graph().as_default():
        assert hub.load(half_plus_two) is not obj


def test_load_reads_a_model_again_that_was_written_anew(half_plus_two: Path, tmp_path: Path) -> None:
    shutil.copytree(half_plus_two, tmp_path / "model")
    obj = weakref.ref(hub.load(tmp_path / "model"))
    os.utime(tmp_path / "model" / "variables" / "variables.index", ns=(0, 0))
    again = hub.load(tmp_path / "model")
    gc.collect()

    assert obj() is None
    assert hub.load(tmp_path / "model") is again


def test_threads_share_one_object(half_plus_two: Path) -> None:
    def load(_: int) -> int:
        with hub.settings(memo=True):  # settings hold in one thread
            return id(hub.load(half_plus_two))

    with concurrent.futures.ThreadPoolExecutor(4) as executor:
        assert len(set(executor.map(load, range(8)))) == 1


def test_copies_are_objects_of_their_own(half_plus_two: Path) -> None:
    obj = hub.load(half_plus_two)
    obj.variables[1].assign(3.0)
    copies = [pickle.loads(pickle.dumps(obj)), copy.deepcopy(obj)]
    obj.variables[1].assign(4.0)

    assert [copied(X).numpy().tolist() for copied in copies] == [[8.0, 13.0], [8.0, 13.0]]


@pytest.mark.parametrize("name", ["half_plus_two", "tf1_hub"])
def test_cleared_memo_keeps_no_object_alive(name: str, request: pytest.FixtureRequest) -> None:
    layer = hub.KerasLayer(str(request.getfixturevalue(name)), trainable=True)
    layer(X)
    obj = layer.resolved_object
    references = [weakref.ref(each) for each in (obj, *obj.variables)]
    hub.clear_memo()
    del layer, obj
    gc.collect()

    assert not [reference() for reference in references if reference() is not None]
