"""Modules of every kind, created here, do what the same graph does without any library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import rehub as hub
from tests.tf1 import applications, modules
from tests.tf1.measurement import assert_same, measure
from tests.tf1.modules import Case, Kind
from tests.tf1.oracle import ROOMS, load

v1 = tf.compat.v1


def layers_are_those_of_keras_2() -> bool:
    return not hasattr(tf.keras, "version") or tf.keras.version().startswith("2.")


CREATED = {kind.name: kind for kind in modules.KINDS if layers_are_those_of_keras_2() or not kind.keras_2}
ORACLE = {module.path.name: module.cases for module in load(ROOMS[1])}
CASES = [
    pytest.param(kind, number, id=f"{kind.name}-{number}-{'-'.join([*sorted(case.tags), case.signature])}")
    for kind in CREATED.values()
    for number, case in enumerate(kind.cases)
]


@pytest.fixture(scope="module")
def specs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("texts")
    return {name: kind.create_spec(hub, folder) for name, kind in CREATED.items()}


@pytest.fixture(scope="module")
def exports(specs: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("exports")
    for name, spec in specs.items():
        spec.export(str(folder / name))
    return {name: folder / name for name in specs}


@pytest.mark.parametrize(("kind", "number"), CASES)
def test_created_module_does_what_its_graph_does(kind: Kind, number: int, specs: dict[str, Any]) -> None:
    assert_case(specs[kind.name], kind, number)


@pytest.mark.parametrize(("kind", "number"), CASES)
def test_exported_module_does_what_its_graph_does(kind: Kind, number: int, exports: dict[str, Path]) -> None:
    assert_case(exports[kind.name], kind, number)


def assert_case(module: Any, kind: Kind, number: int) -> None:
    case = kind.cases[number]
    actual = measure(lambda: applications.of_module(hub, module, case.inputs, case.signature, case.tags))
    ORACLE[kind.name][number].assert_met_by(actual, 5e-6)


@pytest.mark.parametrize("kind", CREATED.values(), ids=CREATED)
def test_exported_module_has_the_files_and_fields_of_one_by_the_peer(kind: Kind, exports: dict[str, Path]) -> None:
    ours, theirs = exports[kind.name], ROOMS[1] / kind.name
    assert files(ours) == files(theirs)
    assert (ours / "assets").is_dir()
    assert (ours / "variables").is_dir()
    assert (ours / "tfhub_module.pb").read_bytes() == (theirs / "tfhub_module.pb").read_bytes()
    assert facts(ours) == facts(theirs)


def files(folder: Path) -> list[str]:
    """Folders are left out: git keeps no empty ones."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def facts(folder: Path) -> dict[tuple[str, ...], Any]:
    """By tags, what other programs rely on."""
    model = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    return {
        tuple(graph.meta_info_def.tags): (
            graph.meta_info_def.stripped_default_attrs,
            [field.name for field, _ in graph.ListFields()],
            {name: definition.WhichOneof("kind") for name, definition in graph.collection_def.items()},
            {name: str(definition) for name, definition in graph.signature_def.items()},
            {
                tuple(node.attr["value"].tensor.string_val)
                for node in graph.graph_def.node
                if f"{node.name}:0" in graph.collection_def["asset_filepaths"].node_list.value
            },
        )
        for graph in model.meta_graphs
    }


@pytest.mark.parametrize("case", modules.SPLIT_COLUMNS.cases, ids=lambda case: case.signature)
def test_variables_in_parts_along_the_second_axis_work_and_are_whole_in_the_file(case: Case, tmp_path: Path) -> None:
    kind = modules.SPLIT_COLUMNS
    path = modules.export(hub, kind.create_spec(hub, tmp_path / "texts"), tmp_path / "module")
    actual = measure(lambda: applications.of_module(hub, path, case.inputs, case.signature, case.tags))
    plain = modules.measure_plain(kind, case, tmp_path / "texts")
    assert_same(actual, plain, 1e-6)
    reader = tf.train.load_checkpoint(str(path / "variables/variables"))
    assert reader.get_variable_to_shape_map() == {
        "net/table": [7, 5],
        "net/kernel": [5, 4],
        "net/old": [5, 4],
        "net/one": [4],
    }


def test_update_op_that_a_signature_cannot_feed_is_left_out(specs: dict[str, Any]) -> None:
    with tf.Graph().as_default():
        module = hub.Module(specs["nested"], trainable=True)
        module(tf.constant(["red"]), signature="ids")
        assert v1.get_collection(v1.GraphKeys.UPDATE_OPS) == []
        module(tf.constant([[1.0, 2.0, 3.0]]))
        assert len(v1.get_collection(v1.GraphKeys.UPDATE_OPS)) == 2
