"""Models with ops that TensorFlow does not have."""

from __future__ import annotations

import functools
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

import rehub as hub
from rehub.errors import DependencyError
from rehub.formats import schema
from tests.tf1 import modules

v1 = tf.compat.v1

X = tf.constant([10.0, 20.0])


@pytest.fixture
def folder(half_plus_two: Path, tmp_path: Path) -> Path:
    shutil.copytree(half_plus_two, tmp_path / "model")
    return tmp_path / "model"


def give_op(folder: Path, op: str) -> None:
    """Replaces each multiplication of a model of one graph by another op."""
    file = folder / "saved_model.pb"
    model = schema.message("tensorflow.SavedModel")()
    model.ParseFromString(file.read_bytes())
    graph = model.meta_graphs[0].graph_def
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    multiplications = [node for node in nodes if node.op in ("Mul", "AddV2")]
    assert multiplications
    for node in multiplications:
        node.op = op
    file.write_bytes(model.SerializeToString())


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installed tensorflow-text 2.20 that does nothing."""
    module = tmp_path / "site" / "tensorflow_text.py"
    (tmp_path / "site" / "tensorflow_text-2.20.0.dist-info").mkdir(parents=True)
    (tmp_path / "site" / "tensorflow_text-2.20.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: tensorflow-text\nVersion: 2.20.0\n"
    )
    module.write_text("")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "tensorflow_text", raising=False)
    yield module
    sys.modules.pop("tensorflow_text", None)


def test_missing_op_names_the_package_to_install(folder: Path) -> None:
    give_op(folder, "CaseFoldUTF8")
    with pytest.raises(DependencyError, match=r"'CaseFoldUTF8'.*pip install tensorflow-text") as info:
        hub.load(folder)

    assert info.value.package == "tensorflow-text"


def test_package_of_a_missing_op_is_imported_when_it_is_there(folder: Path, package: Path) -> None:
    original = (folder / "saved_model.pb").read_bytes()
    give_op(folder, "CaseFoldUTF8")
    # It cannot register an op without a C++ compiler, so it takes the op out of the model instead.
    package.write_text(f"import pathlib; pathlib.Path({str(folder / 'saved_model.pb')!r}).write_bytes({original!r})")

    assert hub.load(folder)(X).numpy().tolist() == [7.0, 12.0]


def test_package_of_another_version_is_named_with_it(folder: Path, package: Path) -> None:
    give_op(folder, "CaseFoldUTF8")
    with pytest.raises(DependencyError, match=r"neither does tensorflow-text 2\.20\.0") as info:
        hub.load(folder)

    assert info.value.found == "2.20.0"


def test_op_that_nobody_knows_is_named(folder: Path) -> None:
    give_op(folder, "AcmeSecretOp")
    with pytest.raises(DependencyError, match=r"'AcmeSecretOp'.*Ask its publisher"):
        hub.KerasLayer(str(folder))


def test_package_that_cannot_be_imported_is_named_with_the_reason(folder: Path, package: Path) -> None:
    give_op(folder, "CaseFoldUTF8")
    package.write_text("import no_such_library")
    with pytest.raises(DependencyError, match=r"tensorflow-text 2\.20\.0 .*No module named 'no_such_library'"):
        hub.load(folder)


def test_package_of_a_submodule_is_named_when_it_is_missing(folder: Path) -> None:
    give_op(folder, "HorovodAllreduce")
    with hub.settings(op_policy="allow"), pytest.raises(DependencyError, match="pip install horovod"):
        hub.load(folder)


@pytest.fixture(params=["graph", "function", "branch"])
def tf1_module(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A module in the TF1 Hub format that doubles: in its graph, in a function, or in a branch."""
    multiply = {
        "graph": tf.multiply,
        "function": tf.function(lambda *both: tf.multiply(*both), autograph=False),
        "branch": lambda *both: tf.switch_case(tf.size(both[0]) - 2, [lambda: tf.multiply(*both), lambda: both[0]]),
    }

    def double() -> None:
        x = v1.placeholder(tf.float32, [None])
        factor = tf.identity(v1.get_variable("factor", initializer=2.0))
        hub.add_signature(inputs=x, outputs=multiply[request.param](x, factor))

    return modules.export(hub, hub.create_module_spec(double), tmp_path / "module")


def convert(folder: Path) -> Any:
    hub.convert(folder, folder.parent / "converted")
    return hub.load(folder.parent / "converted")


USES_OF_TF1 = pytest.mark.parametrize(
    "use",
    [hub.KerasLayer, functools.partial(hub.KerasLayer, trainable=True), convert],
    ids=["frozen", "trainable", "convert"],
)


@USES_OF_TF1
def test_missing_op_of_a_tf1_module_names_the_package_to_install(tf1_module: Path, use: Callable[[Path], Any]) -> None:
    give_op(tf1_module, "CaseFoldUTF8")
    with pytest.raises(DependencyError, match=r"'CaseFoldUTF8'.*pip install tensorflow-text"):
        use(tf1_module)


@USES_OF_TF1
def test_package_of_a_missing_op_of_a_tf1_module_is_imported(
    tf1_module: Path, package: Path, use: Callable[[Path], Any]
) -> None:
    file = tf1_module / "saved_model.pb"
    original = file.read_bytes()
    give_op(tf1_module, "CaseFoldUTF8")
    package.write_text(f"import pathlib; pathlib.Path({str(file)!r}).write_bytes({original!r})")

    assert use(tf1_module)(X).numpy().tolist() == [20.0, 40.0]
