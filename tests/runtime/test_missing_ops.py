"""Models with ops that TensorFlow does not have."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import tensorflow as tf

import rehub as hub
from rehub.errors import DependencyError
from rehub.formats import schema

X = tf.constant([10.0, 20.0])


@pytest.fixture
def folder(half_plus_two: Path, tmp_path: Path) -> Path:
    shutil.copytree(half_plus_two, tmp_path / "model")
    return tmp_path / "model"


def give_op(folder: Path, op: str) -> None:
    """Replaces each multiplication of a model by another op."""
    file = folder / "saved_model.pb"
    model = schema.message("tensorflow.SavedModel")()
    model.ParseFromString(file.read_bytes())
    nodes = [node for function in model.meta_graphs[0].graph_def.library.function for node in function.node_def]
    multiplications = [node for node in nodes if node.op in ("Mul", "AddV2")]
    assert multiplications
    for node in multiplications:
        node.op = op
    file.write_bytes(model.SerializeToString())


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed tensorflow-text 2.20 that does nothing."""
    module = tmp_path / "site" / "tensorflow_text.py"
    (tmp_path / "site" / "tensorflow_text-2.20.0.dist-info").mkdir(parents=True)
    (tmp_path / "site" / "tensorflow_text-2.20.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: tensorflow-text\nVersion: 2.20.0\n"
    )
    module.write_text("")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "tensorflow_text", raising=False)
    return module


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
