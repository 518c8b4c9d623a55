"""Modules that tensorflow_hub made are fine-tuned as objects of TensorFlow 2 as they were in its sessions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rehub.runtime.lift_tf1 import LiftedModel, lift
from tests.tf1 import lifted
from tests.tf1.measurement import assert_same, assert_same_value
from tests.tf1.oracle import OracleCase, OracleModule, load_all

MODULES = {module.path.name: module for module in load_all()}
CASES = pytest.mark.parametrize(
    ("module", "case"),
    [
        pytest.param(module, case, id=f"{name}-{number}-{'-'.join([*sorted(case.tags), case.signature])}")
        for name, module in MODULES.items()
        for number, case in enumerate(module.cases)
    ],
)
# In a function, sums over a batch are taken in another order.
TOLERANCE = 5e-6
# The file does not hold this gradient.
FORWARD_GRADIENTS = pytest.mark.filterwarnings("ignore:.*had a gradient of its own")
# Their switch is off in the session that made the oracle; see the last test.
SWITCHED = frozenset({"training_switch"})


@pytest.fixture(scope="module")
def models() -> Callable[[str], LiftedModel]:
    found: dict[str, LiftedModel] = {}

    def model(name: str) -> LiftedModel:
        if name not in found:
            found[name] = lift(MODULES[name].path)
        return found[name]

    return model


@pytest.fixture(scope="module")
def loaded(models: Callable[[str], LiftedModel], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    folder, found = tmp_path_factory.mktemp("saved"), dict[str, Any]()

    def model(name: str) -> Any:
        if name not in found:
            lifted.save(models(name), folder / name)
            found[name] = tf.saved_model.load(str(folder / name))
        return found[name]

    return model


def trains(module: OracleModule, case: OracleCase) -> bool:
    """Whether ``training=True`` runs the variant of the case."""
    return module.path.name not in SWITCHED and ("train" in case.tags or len(module.tags) == 1)


def expected_of(case: OracleCase) -> Any:
    if not case.updates_fail:
        return case.expected
    return dataclasses.replace(case.expected, update_ops=0, updated=None, sgd_losses=(), trained=None)


@FORWARD_GRADIENTS
@CASES
def test_lifted_it_computes_and_trains_as_in_a_session(
    module: OracleModule, case: OracleCase, models: Callable[[str], LiftedModel]
) -> None:
    training, expected = trains(module, case), expected_of(case)
    found = lifted.of(models(module.path.name), case.signature, training)
    assert_same(lifted.measure(found, case.inputs, expected, training), expected, TOLERANCE)


@FORWARD_GRADIENTS
@CASES
def test_lifted_it_computes_the_same_eagerly(
    module: OracleModule, case: OracleCase, models: Callable[[str], LiftedModel]
) -> None:
    model = models(module.path.name)
    before = [variable.numpy() for variable in model.variables]
    inputs = {name: lifted.to_tensor(value) for name, value in case.inputs.items()}
    outputs = model.named[case.signature](inputs, trains(module, case))
    for variable, value in zip(model.variables, before, strict=True):
        variable.assign(value)
    values = {name: lifted.to_value(output) for name, output in outputs.items()}
    assert_same_value(values, case.expected.outputs, TOLERANCE, "outputs")


@FORWARD_GRADIENTS
@CASES
def test_saved_and_loaded_it_computes_and_trains_as_in_a_session(
    module: OracleModule, case: OracleCase, loaded: Callable[[str], Any]
) -> None:
    training, expected = trains(module, case), expected_of(case)
    found = lifted.of_loaded(loaded(module.path.name), case.signature, training)
    assert_same(lifted.measure(found, case.inputs, expected, training), expected, TOLERANCE)


@FORWARD_GRADIENTS
@CASES
def test_saved_and_loaded_a_call_returns_the_main_output(
    module: OracleModule, case: OracleCase, loaded: Callable[[str], Any]
) -> None:
    model = loaded(module.path.name)
    inputs = {name: lifted.to_tensor(value) for name, value in case.inputs.items()}
    given = next(iter(inputs.values())) if len(inputs) == 1 else inputs
    before = [variable.numpy() for variable in model.variables]
    output = getattr(model, case.signature)(given, training=trains(module, case))
    for variable, value in zip(model.variables, before, strict=True):
        variable.assign(value)
    expected = case.expected.outputs
    if len(expected) == 1 or "default" in expected:
        value = expected.get("default", next(iter(expected.values())))
        assert_same_value(lifted.to_value(output), value, TOLERANCE, "output")
    else:
        values = {name: lifted.to_value(each) for name, each in output.items()}
        assert_same_value(values, expected, TOLERANCE, "outputs")


@FORWARD_GRADIENTS
@pytest.mark.parametrize("name", MODULES)
def test_saved_and_loaded_it_serves_all_signatures(name: str, loaded: Callable[[str], Any]) -> None:
    variant = MODULES[name].tags[0]
    assert set(loaded(name).signatures) == set(MODULES[name].signatures[variant])
    for case in MODULES[name].cases:
        if case.tags == variant and all(isinstance(value, np.ndarray) for value in case.inputs.values()):
            inputs = {key: tf.constant(value) for key, value in case.inputs.items()}
            outputs = loaded(name).signatures[case.signature](**inputs)
            values = {key: lifted.to_value(output) for key, output in outputs.items()}
            assert_same_value(values, case.expected.outputs, TOLERANCE, case.signature)


def test_training_turns_the_switch_of_a_graph_on() -> None:
    named = lift(MODULES["training_switch"].path).named
    x = tf.constant(np.random.default_rng(0).normal(size=(4, 3)), tf.float32)
    trained = named["default"](x, training=True)["default"]
    on, off = (named["with_switch"]({"x": x, "training": tf.constant(mode)})["default"] for mode in (True, False))
    np.testing.assert_allclose(trained, on, rtol=1e-6)
    assert not np.allclose(trained, off)
