"""What a module refuses, and what it says then."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

import rehub as hub
from tests.tf1.sessions import MODULES, RICH, X, initialize, session

v1 = tf.compat.v1


@pytest.mark.parametrize(
    ("shape", "name", "says"),
    [
        ([2, 2], "w", r"'w' has the shape \(2, 2\) in the checkpoint .* and \(3, 2\) in the module"),
        ([3, 2], "v", "lacks w"),
        (None, "", "lacks variables/variables.index"),
    ],
)
def test_module_whose_checkpoint_does_not_fit_is_refused(
    tmp_path: Path, shape: list[int] | None, name: str, says: str
) -> None:
    def module_fn() -> None:
        hub.add_signature(inputs={}, outputs=v1.get_variable("w", [3, 2]) + 0.0)

    folder = tmp_path / "module"
    hub.create_module_spec(module_fn).export(folder)
    shutil.rmtree(folder / "variables")
    if shape is not None:
        with session() as running:
            v1.get_variable(name, shape)
            initialize(running)
            v1.train.Saver().save(running, str(folder / "variables" / "variables"))

    with tf.Graph().as_default(), pytest.raises(hub.errors.FormatError, match=says):
        hub.Module(str(folder))


def test_eager_execution_is_refused() -> None:
    with pytest.raises(hub.errors.UsageError, match=r"eager execution is enabled.*tf\.Graph"):
        hub.Module(RICH)


def test_function_of_tensorflow_2_is_refused_and_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    @tf.function(autograph=False)
    def apply(x: Any) -> Any:
        return hub.Module(RICH)(x)

    with pytest.raises(hub.errors.UsageError, match=r"inside a tf\.function.*hub\.load"):
        apply(tf.constant(X))
    assert list(tmp_path.iterdir()) == []


def test_other_graph_is_refused() -> None:
    with tf.Graph().as_default():
        module = hub.Module(RICH)
    with tf.Graph().as_default(), pytest.raises(RuntimeError, match="in the graph it was instantiated for"):
        module(X)


def test_name_scope_that_is_taken_is_refused() -> None:
    with tf.Graph().as_default():
        with v1.name_scope("taken"):
            tf.constant(1.0)
        with pytest.raises(RuntimeError, match="variable_scope taken/ was unused but the corresponding name_scope"):
            hub.Module(RICH, name="taken")


@pytest.mark.parametrize(
    ("call", "kind", "says"),
    [
        (lambda m: m(X, signature="nope"), ValueError, r"'nope' is missing.*'two_in'"),
        (lambda m: m(), TypeError, "expects an input"),
        (lambda m: m(X, signature="two_in"), TypeError, "multiple inputs. Use a dict with the keys a, b"),
        (lambda m: m({"a": 1.0}, signature="two_in"), TypeError, r"missing \['b'\], extra given \[\]"),
        (lambda m: m({"default": X, "more": X}), TypeError, r"missing \[\], extra given \['more'\]"),
        (lambda m: m(X, signature="no_in"), TypeError, "expects no inputs"),
        (lambda m: m(tf.constant(X, tf.float64)), TypeError, "float64.*expects .*float32"),
        (lambda m: m(X[:, :2]), TypeError, r"shape=\(3, 2\).*expects .*shape=\(None, 4\)"),
        (lambda m: m(["text"]), TypeError, "expects .*float32"),
        (lambda m: m(tf.sparse.from_dense(X)), TypeError, "Sparse"),
    ],
)
def test_wrong_call_is_refused_with_what_the_signature_takes(
    call: Callable[[Any], Any], kind: type[Exception], says: str
) -> None:
    with tf.Graph().as_default():
        module = hub.Module(RICH)
        with pytest.raises(kind, match=says) as info:
            call(module)
    assert isinstance(info.value, hub.errors.SignatureError)


def test_output_default_is_missing_where_the_signature_has_none() -> None:
    def module_fn() -> None:
        hub.add_signature(inputs={}, outputs={"cats": tf.constant(1.0), "dogs": tf.constant(2.0)})

    with tf.Graph().as_default():
        module = hub.Module(hub.create_module_spec(module_fn))
        with pytest.raises(TypeError, match=r"no output named 'default'. Use as_dict=True. The outputs are cats, dogs"):
            module()


def test_unknown_tags_are_refused_with_those_that_exist() -> None:
    with (
        tf.Graph().as_default(),
        pytest.raises(ValueError, match=r"tags=\['nope'\].*Choose one.*\['train'\]"),
    ):
        hub.Module(RICH, tags={"nope"})


def test_saved_model_is_refused_with_what_loads_it() -> None:
    folder = MODULES.parent / "saved_models" / "module"
    with (
        tf.Graph().as_default(),
        pytest.raises(ValueError, match=r"not a module in TF1 Hub format. Load it with hub\.load"),
    ):
        hub.Module(str(folder))


def test_something_else_is_no_handle() -> None:
    with tf.Graph().as_default(), pytest.raises(ValueError, match="Unknown module spec type: <class 'int'>"):
        hub.Module(3)


def test_module_that_reads_other_files_is_refused_by_setting(tmp_path: Path) -> None:
    def module_fn() -> None:
        hub.add_signature(inputs={}, outputs=tf.io.read_file("/etc/hostname"))

    hub.create_module_spec(module_fn).export(tmp_path / "reader")
    with hub.settings(op_policy="refuse"), tf.Graph().as_default(), pytest.raises(hub.errors.PolicyError):
        hub.Module(str(tmp_path / "reader"))
