"""tensorflow_hub 0.15, in the environment that has it, reads what rehub writes, and both do the same with it."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf.wrappers_pb2 import StringValue

import rehub as hub
from tests.tf1 import applications, modules
from tests.tf1.measurement import Application, Measurement, assert_same, assert_same_value, measure
from tests.tf1.modules import Case, Kind
from tests.tf1.oracle import OracleCase, OracleModule, load_all

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of pkg_resources
    import tensorflow_hub as peer

v1 = tf.compat.v1

MODULES = {module.path.name: module for module in load_all()}
KINDS = {kind.name: kind for kind in modules.KINDS}
PEER_TRAINS = {name: name not in KINDS or KINDS[name].peer_trains for name in (*MODULES, *KINDS)}
# It repeats itself to this only, where sums are long.
TOLERANCE = 5e-6


def cases(modules_or_kinds: dict[str, Any]) -> Any:
    return pytest.mark.parametrize(
        ("name", "case"),
        [
            pytest.param(name, case, id=f"{name}-{number}-{'-'.join([*sorted(case.tags), case.signature])}")
            for name, module in modules_or_kinds.items()
            for number, case in enumerate(module.cases)
        ],
    )


def measured(library: Any, path: Path, case: Case | OracleCase, *, trains: bool) -> Measurement:
    def build() -> Application:
        return applications.of_module(library, path, case.inputs, case.signature, case.tags)

    return measure(build, trains=trains)


def assert_same_by_peer(path: Path, name: str, case: Case | OracleCase) -> None:
    """Ops that cannot run are in the peer's collection alone; then neither runs any."""
    trains = PEER_TRAINS[name]
    by_peer, by_us = (measured(library, path, case, trains=trains) for library in (peer, hub))
    if by_peer.updated is None:
        assert by_us.updated is None
        by_peer, by_us = (
            dataclasses.replace(each, update_ops=0, sgd_losses=(), trained=None) for each in (by_peer, by_us)
        )
    assert_same(by_us, by_peer, TOLERANCE)


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("exports")
    return {
        name: modules.export(hub, kind.create_spec(hub, folder / "texts"), folder / name)
        for name, kind in KINDS.items()
    }


@pytest.fixture(scope="module")
def exports_again(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("exports_again")
    return {name: modules.export(hub, str(module.path), folder / name) for name, module in MODULES.items()}


@cases(KINDS)
def test_exported_module_does_the_same_in_the_peer(name: str, case: Case, exports: dict[str, Path]) -> None:
    assert_same_by_peer(exports[name], name, case)


@cases(MODULES)
def test_module_of_the_peer_exported_again_does_the_same_in_the_peer(
    name: str, case: OracleCase, exports_again: dict[str, Path]
) -> None:
    assert_same_by_peer(exports_again[name], name, case)


@pytest.mark.parametrize("module", MODULES.values(), ids=MODULES)
def test_peer_reads_the_same_bits_from_a_module_exported_again(
    module: OracleModule, exports_again: dict[str, Path]
) -> None:
    before, after = (variables_in_peer(path) for path in (module.path, exports_again[module.path.name]))
    assert list(after) == list(before)
    assert_same_value(after, before, 0.0, "variables")


def variables_in_peer(path: Path) -> dict[str, Any]:
    with tf.Graph().as_default():
        variables = applications.flat_variables(peer.Module(str(path)).variable_map)
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            return session.run(variables)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_peer_describes_an_exported_module_as_rehub_does(kind: Kind, exports: dict[str, Path]) -> None:
    ours, theirs = (library.load_module_spec(str(exports[kind.name])) for library in (hub, peer))
    assert sorted(map(sorted, ours.get_tags())) == sorted(map(sorted, theirs.get_tags()))
    for tags in ours.get_tags():
        assert sorted(ours.get_signature_names(tags)) == sorted(theirs.get_signature_names(tags))
        for name in ours.get_signature_names(tags):
            for our_infos, their_infos in (
                (ours.get_input_info_dict(name, tags), theirs.get_input_info_dict(name, tags)),
                (ours.get_output_info_dict(name, tags), theirs.get_output_info_dict(name, tags)),
            ):
                assert facts(our_infos) == facts(their_infos)


def facts(infos: Any) -> dict[str, Any]:
    return {
        name: (info.dtype, info.get_shape().as_list(), info.is_sparse, info.is_supported_type)
        for name, info in infos.items()
        if not isinstance(getattr(info, "type_spec", None), tf.RaggedTensorSpec)
    }


def test_peer_reads_messages_that_rehub_attached(tmp_path: Path) -> None:
    def module_fn(text: str) -> None:
        x = v1.placeholder(tf.float32, [None])
        hub.add_signature(inputs=x, outputs=x * 2.0)
        hub.attach_message("greeting", StringValue(value=text))

    spec = hub.create_module_spec(module_fn, [(set(), {"text": "plain"}), ({"train"}, {"text": "training"})])
    spec.export(str(tmp_path / "module"))
    read = peer.load_module_spec(str(tmp_path / "module"))
    assert read.get_attached_message("greeting", StringValue).value == "plain"
    assert read.get_attached_message("greeting", StringValue, tags={"train"}).value == "training"


def test_peer_applies_a_module_of_tens_of_megabytes(tmp_path: Path) -> None:
    kernel = np.random.RandomState(0).standard_normal((2048, 4096)).astype(np.float32)  # 32 MiB
    path = modules.export_large(hub, kernel, tmp_path / "large")
    assert_same_value(variables_in_peer(path), {"kernel": kernel}, 0.0, "variables")
