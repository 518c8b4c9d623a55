from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf

import rehub as hub
from rehub.errors import ConversionError, DependencyError

DATA = Path(__file__).parents[1] / "data"
KERAS_2 = DATA / "saved_models/keras2"


def test_file_gives_the_outputs_of_the_model_by_their_names(tmp_path: Path) -> None:
    done = hub.convert(KERAS_2, tmp_path / "m.onnx", to="onnx", signature="serving_default")
    assert done.difference is not None
    assert done.difference <= 1e-6
    onnx.checker.check_model(str(tmp_path / "m.onnx"))
    x = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(["bn"], {"input_1": x})
    np.testing.assert_allclose(found, tf.saved_model.load(str(KERAS_2))(tf.constant(x)), 1e-5)


def test_module_of_tensorflow_1_becomes_a_file(tmp_path: Path) -> None:
    done = hub.convert(DATA / "tf1_hub/v1_layers", tmp_path / "m.onnx", to="onnx")
    assert done.difference is not None
    assert done.difference <= 1e-6


def test_ops_that_the_format_lacks_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="ONNX, or tf2onnx, does not have: ReadFile, StringJoin") as caught:
        hub.convert(DATA / "tf1_hub/assets", tmp_path / "m.onnx", to="onnx")
    assert caught.value.ops == ("ReadFile", "StringJoin")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets a package seem not to be installed."""
    find = importlib.util.find_spec

    def hide(package: str) -> None:
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name, *more: None if name == package else find(name, *more)
        )

    return hide


def test_converter_that_is_not_installed_is_named(missing: Any, tmp_path: Path) -> None:
    missing("tf2onnx")
    with pytest.raises(DependencyError, match=r"pip install 'rehub\[onnx\]'"):
        hub.convert(KERAS_2, tmp_path / "m.onnx", to="onnx")


def test_file_is_written_without_a_comparison_where_there_is_no_runtime(missing: Any, tmp_path: Path) -> None:
    missing("onnxruntime")
    done = hub.convert(KERAS_2, tmp_path / "m.onnx", to="onnx")
    assert (done.difference, done.not_compared) == (None, "onnxruntime is not installed")
    assert (tmp_path / "m.onnx").is_file()
