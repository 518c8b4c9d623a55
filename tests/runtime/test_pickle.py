"""Loaded models as pickles and copies: they travel as their handle, plus what was changed since."""

from __future__ import annotations

import concurrent.futures
import copy
import multiprocessing
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from rehub.server.embedded import EmbeddedHub

X = tf.constant([10.0, 20.0])
SIZE = 10_000


class Wide(tf.Module):
    """Two wide variables, one of which is read through a method only."""

    def __init__(self) -> None:
        super().__init__()
        self.left = tf.Variable(tf.range(float(SIZE)))
        self.right = tf.Variable(tf.range(float(SIZE)))

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32)])
    def __call__(self, place):
        return self.left[place] - self.right[place]


@pytest.fixture
def wide(tmp_path: Path) -> str:
    tf.saved_model.save(Wide(), str(tmp_path / "wide"))
    return str(tmp_path / "wide")


def call_in_other_process(model: Any, x: np.ndarray[Any, Any]) -> list[float]:
    return model(tf.constant(x)).numpy().tolist()


def test_pickled_model_computes_the_same(half_plus_two: Path) -> None:
    again = pickle.loads(pickle.dumps(hub.load(half_plus_two)))

    assert again(X).numpy().tolist() == [7.0, 12.0]


def test_pickle_of_an_unchanged_model_holds_no_values(wide: str) -> None:
    assert len(pickle.dumps(hub.load(wide))) < 1000


def test_pickle_of_a_changed_model_holds_just_the_changed_variables(wide: str) -> None:
    model = hub.load(wide)
    model.left[7].assign(107.0)
    payload = pickle.dumps(model)
    again = pickle.loads(payload)

    assert 4 * SIZE < len(payload) < 4 * SIZE + 1000
    assert float(again(7)) == 100.0
    np.testing.assert_array_equal(again.right, model.right)


def test_pickled_model_can_be_pickled_again(half_plus_two: Path) -> None:
    model = hub.load(half_plus_two)
    model.variables[1].assign(3.0)
    again = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(model))))

    assert again(X).numpy().tolist() == [8.0, 13.0]


def test_deepcopy_has_variables_of_its_own(half_plus_two: Path) -> None:
    model = hub.load(half_plus_two)
    model.variables[1].assign(3.0)
    twin = copy.deepcopy(model)
    twin.variables[0].assign(0.0)

    assert model(X).numpy().tolist() == [8.0, 13.0]
    assert twin(X).numpy().tolist() == [3.0, 3.0]


def test_pickled_model_keeps_its_tags(two_graphs: Path) -> None:
    again = pickle.loads(pickle.dumps(hub.load(two_graphs, tags=["serve", "gpu"])))

    assert again.signatures["serving_default"](tf.constant([[1.0, 2.0]]))["y"].numpy().tolist() == [[3.0]]


def test_pickled_tf1_hub_model_keeps_changed_values(tf1_hub: Path) -> None:
    model = hub.load(tf1_hub)
    model.variables[1].assign(3.0)
    again = pickle.loads(pickle.dumps(model))

    assert again.signatures["default"](X)["default"].numpy().tolist() == [8.0, 13.0]


def test_pickled_model_loads_its_vocabulary_again(lookup: Path) -> None:
    words = tf.constant(["two", "three", "?"])
    model = hub.load(lookup)

    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model))(words), model(words))


def test_pickle_of_a_model_from_a_relative_path_loads_in_any_folder(
    half_plus_two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(half_plus_two.parent)
    model = hub.load("half_plus_two")
    monkeypatch.chdir(tmp_path)

    assert pickle.loads(pickle.dumps(model))(X).numpy().tolist() == [7.0, 12.0]


def test_pickle_of_a_model_without_version_loads_the_version_that_it_was(
    half_plus_two: Path, wide: str, tmp_path: Path
) -> None:
    versions = tmp_path / "hub" / "acme" / "net"
    shutil.copytree(half_plus_two, versions / "1")
    with EmbeddedHub(tmp_path / "hub") as server, hub.settings(unversioned_ttl_s=0):
        models = [hub.load(f"{server.url}/acme/net"), hub.KerasLayer(f"{server.url}/acme/net")]
        models[0].variables[1].assign(3.0)
        shutil.copytree(wide, versions / "2")
        models = [pickle.loads(pickle.dumps(model)) for model in models]

    assert [model(X).numpy().tolist() for model in models] == [[8.0, 13.0], [7.0, 12.0]]


def test_pickle_works_while_a_function_is_traced(half_plus_two: Path) -> None:
    model = hub.load(half_plus_two)
    model.variables[1].assign(3.0)
    payloads = []
    tf.function(lambda: payloads.append(pickle.dumps(model)))()

    assert pickle.loads(payloads[0])(X).numpy().tolist() == [8.0, 13.0]


def test_model_travels_to_a_process_that_was_spawned(half_plus_two: Path) -> None:
    model = hub.load(half_plus_two)
    layer = hub.KerasLayer(str(half_plus_two))
    for obj in (model, layer.resolved_object):
        obj.variables[1].assign(3.0)
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor:
        results = [executor.submit(call_in_other_process, what, X.numpy()) for what in (model, layer)]

        assert [result.result(timeout=120) for result in results] == [[8.0, 13.0], [8.0, 13.0]]
