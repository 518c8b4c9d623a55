"""Modules made by tensorflow_hub do here what they did there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf.empty_pb2 import Empty

import rehub as hub
from tests.tf1 import applications, modules
from tests.tf1.measurement import assert_same_value, dense, flat_variables, measure, sum_of_squares
from tests.tf1.oracle import OracleCase, OracleModule, load_all

v1 = tf.compat.v1

MODULES = {module.path.name: module for module in load_all()}
CASES = [
    pytest.param(module, case, id=f"{name}-{number}-{'-'.join([*sorted(case.tags), case.signature])}")
    for name, module in MODULES.items()
    for number, case in enumerate(module.cases)
]
EACH_MODULE = pytest.mark.parametrize("module", MODULES.values(), ids=MODULES)
EACH_VARIANT = pytest.mark.parametrize(
    ("module", "tags"),
    [
        pytest.param(module, tags, id="-".join([name, *sorted(tags)]))
        for name, module in MODULES.items()
        for tags in module.tags
    ],
)

# Sums over many values, whose order differs from one TensorFlow to the next.
LONG_SUMS = frozenset({"image", "batch_norm"})
# tf.saved_model.load knows the paths of assets only where a table is filled from them.
ASSETS_AS_DATA = frozenset({"assets"})


def tolerance(name: str) -> float:
    return 5e-6 if name in LONG_SUMS else 1e-6


def assert_case(spec: Any, module: OracleModule, case: OracleCase) -> None:
    actual = measure(lambda: applications.of_module(hub, spec, case.inputs, case.signature, case.tags))
    case.assert_met_by(actual, tolerance(module.path.name))


# The file does not hold this gradient; see the test of the warning.
FORWARD_GRADIENTS = pytest.mark.filterwarnings("ignore:.*had a gradient of its own")


def is_dense(values: Mapping[str, Any]) -> bool:
    return all(isinstance(value, np.ndarray | np.generic) for value in values.values())


@FORWARD_GRADIENTS
@pytest.mark.parametrize(("module", "case"), CASES)
def test_application_computes_and_trains_as_by_the_peer(module: OracleModule, case: OracleCase) -> None:
    assert_case(module.path, module, case)


def test_training_warns_that_a_custom_gradient_is_not_in_the_file() -> None:
    module = MODULES["custom_gradient"]
    with pytest.warns(UserWarning, match="had a gradient of its own"):
        assert_case(module.path, module, module.cases[0])


@EACH_MODULE
def test_module_names_its_variables_as_the_peer_does(module: OracleModule) -> None:
    with tf.Graph().as_default():
        variable_map = hub.Module(str(module.path)).variable_map
    names = {
        name: [part.op.name for part in found] if isinstance(found, list) else found.op.name
        for name, found in variable_map.items()
    }
    assert names == module.variable_map


@EACH_MODULE
def test_spec_tells_the_variants(module: OracleModule) -> None:
    found = hub.load_module_spec(str(module.path)).get_tags()
    assert sorted(map(sorted, found)) == sorted(map(sorted, module.tags))


@EACH_VARIANT
def test_spec_and_module_tell_the_signatures(module: OracleModule, tags: frozenset[str]) -> None:
    spec = hub.load_module_spec(str(module.path))
    signatures = module.signatures[tags]
    assert sorted(spec.get_signature_names(tags=set(tags))) == sorted(signatures)
    with tf.Graph().as_default():
        placed = hub.Module(spec, tags=set(tags))
    assert sorted(placed.get_signature_names()) == sorted(signatures)
    for name, ends in signatures.items():
        assert texts(spec.get_input_info_dict(name, tags=set(tags))) == ends["inputs"]
        assert texts(spec.get_output_info_dict(name, tags=set(tags))) == ends["outputs"]
        assert texts(placed.get_input_info_dict(name)) == ends["inputs"]
        assert texts(placed.get_output_info_dict(name)) == ends["outputs"]


def texts(infos: Any) -> dict[str, str]:
    return {name: text(info) for name, info in infos.items()}


def text(info: Any) -> str:
    """How the oracle spells it."""
    assert info.is_supported_type
    if isinstance(info.type_spec, tf.RaggedTensorSpec):
        return f"<hub.ParsedTensorInfo type_spec={info.type_spec}>"
    return f"<hub.ParsedTensorInfo shape={info.get_shape()} dtype={info.dtype.name} is_sparse={info.is_sparse}>"


@EACH_VARIANT
def test_spec_and_module_have_the_attached_messages(module: OracleModule, tags: frozenset[str]) -> None:
    spec = hub.load_module_spec(str(module.path))
    with tf.Graph().as_default():
        placed = hub.Module(spec, tags=set(tags))
    for key in {key for messages in module.attachments.values() for key in messages}:
        data = module.attachments[tags].get(key)
        for message in (spec.get_attached_message(key, Empty, tags=set(tags)), placed.get_attached_message(key, Empty)):
            # No field is known to an empty message, and unknown ones are kept.
            assert (None if message is None else message.SerializeToString()) == data


@pytest.mark.parametrize(("module", "case"), CASES)
def test_eval_function_computes_the_same_in_eager_programs(module: OracleModule, case: OracleCase) -> None:
    with hub.eval_function_for_module(str(module.path), tags=set(case.tags)) as function:
        outputs = function(dict(case.inputs), signature=case.signature, as_dict=True)
    assert_same_value(outputs, case.expected.outputs, tolerance(module.path.name), "outputs")


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("exports")
    return {name: modules.export(hub, str(module.path), folder / name) for name, module in MODULES.items()}


@FORWARD_GRADIENTS
@pytest.mark.parametrize(("module", "case"), CASES)
def test_exported_again_it_does_the_same(module: OracleModule, case: OracleCase, exports: dict[str, Path]) -> None:
    assert_case(exports[module.path.name], module, case)


@EACH_MODULE
def test_exported_again_the_checkpoint_has_the_same_bits(module: OracleModule, exports: dict[str, Path]) -> None:
    assert checkpoint(exports[module.path.name]).keys() == checkpoint(module.path).keys()
    assert_same_value(checkpoint(exports[module.path.name]), checkpoint(module.path), 0.0, "variables")


def checkpoint(folder: Path) -> dict[str, Any]:
    if not (folder / "variables/variables.index").exists():
        return {}
    reader = tf.train.load_checkpoint(str(folder / "variables/variables"))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


@pytest.mark.parametrize(
    ("module", "case"),
    [case for case in CASES if is_dense(case.values[1].inputs) and case.values[0].path.name not in ASSETS_AS_DATA],
)
def test_exported_again_tensorflow_itself_loads_it(
    module: OracleModule, case: OracleCase, exports: dict[str, Path]
) -> None:
    loaded = tf.saved_model.load(str(exports[module.path.name]), tags=sorted(case.tags))
    arguments = {name: tf.constant(value) for name, value in case.inputs.items()}
    outputs = loaded.signatures[case.signature](**arguments)
    for name, value in case.expected.outputs.items():
        if is_dense({name: value}):
            assert_same_value(outputs[name].numpy(), value, tolerance(module.path.name), name)


def test_modules_with_functions_of_the_same_names_work_in_one_graph() -> None:
    names = ("functions_a", "functions_b")
    cases = [MODULES[name].cases[0] for name in names]
    with tf.Graph().as_default():
        placed = [hub.Module(str(MODULES[name].path), trainable=True) for name in names]
        applied = [applications.apply(module, cases[0].inputs, "default") for module in placed]
        outputs = [application.outputs["default"] for application in applied]
        kernels = [application.variables["kernel"] for application in applied]
        losses = [tf.reduce_sum(tf.square(output)) for output in outputs]
        gradients = v1.gradients(tf.add_n(losses), kernels)
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            found = session.run([outputs, gradients])
    expectations = [
        [case.expected.outputs["default"] for case in cases],
        [case.expected.gradients["kernel"] for case in cases],
    ]
    assert_same_value(found, expectations, 1e-6, "outputs and gradients")


@EACH_MODULE
def test_applications_of_one_module_share_its_variables(module: OracleModule) -> None:
    case = module.cases[0]
    with tf.Graph().as_default():
        placed = hub.Module(str(module.path), trainable=True, tags=set(case.tags))
        before = [variable.name for variable in v1.global_variables()]
        first, second = (applications.apply(placed, case.inputs, case.signature) for _ in range(2))
        assert [variable.name for variable in v1.global_variables()] == before
        assert flat_variables(placed.variable_map) == dict(second.variables)
        with v1.Session() as session:
            session.run([v1.global_variables_initializer(), v1.tables_initializer()])
            once = session.run(dict(first.outputs))
            session.run(v1.global_variables_initializer())
            again = session.run(dict(second.outputs))
    assert_same_value(once, case.expected.outputs, tolerance(module.path.name), "first application")
    assert_same_value(again, case.expected.outputs, tolerance(module.path.name), "second application")


@FORWARD_GRADIENTS
@pytest.mark.parametrize(
    "module",
    [module for module in MODULES.values() if module.cases[0].expected.gradients],
    ids=lambda module: module.path.name,
)
def test_gradients_flow_through_two_applications_of_one_module(module: OracleModule) -> None:
    case = module.cases[0]
    with tf.Graph().as_default():
        placed = applications.place(hub, module.path, case.tags)
        losses = [
            sum_of_squares(applications.apply(placed, case.inputs, case.signature).outputs),
            2.0 * sum_of_squares(applications.apply(placed, case.inputs, case.signature).outputs),
        ]
        variables = flat_variables(placed.variable_map)
        trained = [variables[name] for name in case.expected.gradients]
        found = [dense(*pair) for pair in zip(v1.gradients(tf.add_n(losses), trained), trained, strict=True)]
        with v1.Session() as session:
            session.run([v1.global_variables_initializer(), v1.tables_initializer()])
            gradients = session.run(found)
    assert_same_value(gradients, [3.0 * value for value in case.expected.gradients.values()], 5e-6, "gradients")


def test_module_of_tens_of_megabytes_keeps_every_bit(tmp_path: Path) -> None:
    kernel = np.random.RandomState(0).standard_normal((2048, 4096)).astype(np.float32)  # 32 MiB
    path = modules.export_large(hub, kernel, tmp_path / "large")
    x = np.eye(3, 2048, dtype=np.float32)
    with tf.Graph().as_default():
        module = hub.Module(str(path))
        y = module(tf.constant(x))
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            value, rows = session.run([module.variable_map["kernel"], y])
    np.testing.assert_array_equal(value, kernel)
    np.testing.assert_array_equal(rows, kernel[:3])
    # The values are in the checkpoint alone.
    assert (path / "saved_model.pb").stat().st_size < 100_000
