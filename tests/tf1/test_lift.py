"""Modules that tensorflow_hub made are fine-tuned as objects of TensorFlow 2 as they were in its sessions."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from rehub.runtime.lift_tf1 import LiftedModel, lift
from tests.tf1 import applications, lifted
from tests.tf1.measurement import Measurement, assert_same, assert_same_value, measure
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
# Sums over many values, whose order differs from one TensorFlow to the next.
LONG_SUMS = frozenset({"image", "batch_norm"})
# The gradient of a bias before a batch normalisation is what rounding leaves of a sum.
CANCELS_OUT = frozenset({"rich"})
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
            model = models(name)
            tf.saved_model.save(model, str(folder / name), signatures=dict(model.signatures))
            found[name] = tf.saved_model.load(str(folder / name))
        return found[name]

    return model


def trains(module: OracleModule, case: OracleCase) -> bool:
    """Whether ``training=True`` runs the variant of the case."""
    return module.path.name not in SWITCHED and ("train" in case.tags or len(module.tags) == 1)


def tolerance(module: OracleModule) -> float:
    return 5e-6 if module.path.name in LONG_SUMS | CANCELS_OUT else 1e-6


def expected_of(case: OracleCase) -> Measurement:
    if not case.updates_fail:
        return case.expected
    return dataclasses.replace(case.expected, update_ops=0, updated=None, sgd_losses=(), trained=None)


def expected_of_main_output(module: OracleModule, case: OracleCase) -> Measurement:
    """As what a session trains that computes nothing else of the signature."""
    main = lifted.main_output(case.expected.outputs)
    if main is None or len(case.expected.outputs) == 1:
        return expected_of(case)

    def build() -> applications.Application:
        whole = applications.of_module(hub, module.path, case.inputs, case.signature, case.tags)
        return dataclasses.replace(whole, outputs={main: whole.outputs[main]})

    return measure(build)


@FORWARD_GRADIENTS
@CASES
def test_lifted_it_computes_and_trains_as_in_a_session(
    module: OracleModule, case: OracleCase, models: Callable[[str], LiftedModel]
) -> None:
    training, expected = trains(module, case), expected_of(case)
    found = lifted.of(models(module.path.name), case.signature, training)
    assert_same(lifted.measure(found, case.inputs, expected, training), expected, tolerance(module))


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
    assert_same_value(values, case.expected.outputs, tolerance(module), "outputs")


@FORWARD_GRADIENTS
@CASES
def test_saved_and_loaded_its_call_computes_and_trains_as_in_a_session(
    module: OracleModule, case: OracleCase, loaded: Callable[[str], Any]
) -> None:
    training, expected = trains(module, case), expected_of_main_output(module, case)
    call = lifted.of_call(loaded(module.path.name), case.signature, training, case.expected.outputs)
    found = lifted.measure(call, case.inputs, expected, training)
    # Zero, where others of the outputs have one.
    gradients = {name: value for name, value in found.gradients.items() if name in expected.gradients or value.any()}
    assert_same(dataclasses.replace(found, gradients=gradients), expected, tolerance(module))


@pytest.mark.parametrize("training", [True, False])
def test_saved_and_loaded_the_attribute_of_the_main_signature_does_what_a_call_does(
    training: bool, loaded: Callable[[str], Any]
) -> None:
    module = MODULES["rich"]
    case = next(case for case in module.cases if ("train" in case.tags) == training)
    expected, model = expected_of(case), loaded(module.path.name)
    attribute = lifted.of_call(types.SimpleNamespace(main=model.default), "main", training, ["default"])
    assert_same(lifted.measure(attribute, case.inputs, expected, training), expected, tolerance(module))


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
            assert_same_value(values, case.expected.outputs, tolerance(MODULES[name]), case.signature)


def test_training_turns_the_switch_of_a_graph_on() -> None:
    named = lift(MODULES["training_switch"].path).named
    x = tf.constant(np.random.default_rng(0).normal(size=(4, 3)), tf.float32)
    trained = named["default"](x, training=True)["default"]
    on, off = (named["with_switch"]({"x": x, "training": tf.constant(mode)})["default"] for mode in (True, False))
    np.testing.assert_allclose(trained, on, rtol=1e-6)
    assert not np.allclose(trained, off)
