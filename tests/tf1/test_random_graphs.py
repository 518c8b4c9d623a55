"""Random graphs do in modules what they do in plain sessions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

import rehub as hub
from rehub.runtime.lift_tf1 import lift
from tests.tf1 import applications, lifted, modules, random_graphs
from tests.tf1.measurement import Application, Measurement, assert_same, measure

v1 = tf.compat.v1

TOLERANCE = 1e-6

GRAPHS = [
    *((seed, 2) for seed in range(6)),
    *(pytest.param(seed, 3, marks=pytest.mark.slow) for seed in range(6, 100)),
]


@pytest.mark.parametrize(("seed", "depth"), GRAPHS)
def test_random_graph_in_a_module_does_what_it_does_alone(seed: int, depth: int, tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    spec = random_graphs.create_spec(seed, depth, texts, hub)
    exported = modules.export(hub, str(modules.export(hub, spec, tmp_path / "once")), tmp_path / "twice")
    for module, (tags, arguments) in zip((spec, exported), random_graphs.VARIANTS, strict=True):
        add = functools.partial(random_graphs.module_fn, seed, depth, texts, **arguments)
        assert_same(measure(functools.partial(second_application, seed, module, tags)), alone(seed, add), TOLERANCE)


@pytest.mark.parametrize(("seed", "depth"), GRAPHS)
def test_random_graph_lifted_does_what_it_does_alone(seed: int, depth: int, tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    folder = modules.export(hub, random_graphs.create_spec(seed, depth, texts, hub), tmp_path / "module")
    model = lift(folder)
    lifted.save_with_all_outputs(model, tmp_path / "saved")
    again = tf.saved_model.load(str(tmp_path / "saved"))
    for training, (_, arguments) in enumerate(random_graphs.VARIANTS):
        expected = alone(seed, functools.partial(random_graphs.module_fn, seed, depth, texts, **arguments))
        for found in (lifted.of(model, "default", bool(training)), lifted.of_loaded(again, "default", bool(training))):
            actual = lifted.measure(found, random_graphs.inputs(seed), expected, bool(training))
            assert_same(actual, expected, TOLERANCE)


def alone(seed: int, add: Callable[[applications.Recorder], None]) -> Measurement:
    with modules.control_flow(v2=random_graphs.uses_control_flow_v2(seed)):
        return measure(lambda: applications.of_plain_graph(add, random_graphs.inputs(seed), "default"))


def second_application(seed: int, module: Any, tags: frozenset[str]) -> Application:
    """Of a module that is applied twice; leaves the update ops of this one alone."""
    placed = applications.place(hub, module, tags)
    applications.apply(placed, random_graphs.inputs(seed), "default")
    v1.get_collection_ref(v1.GraphKeys.UPDATE_OPS).clear()
    return applications.apply(placed, random_graphs.inputs(seed), "default")
