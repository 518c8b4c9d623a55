"""The examples of docs/converting.md give what their comments say."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import tensorflow as tf

import rehub as hub

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_from_tensorflow_1() -> None:
    tf1_module = DATA / "tf1_hub/half_plus_two"
    done = hub.convert(tf1_module, "model")
    assert done.difference is not None
    assert done.difference <= 1e-6
    layer = hub.KerasLayer("model", trainable=True)
    assert layer.trainable_weights


def test_to_tensorflow_1() -> None:
    hub.convert(DATA / "saved_models/keras2", "module", to="tf1-hub")
    with tf.Graph().as_default():
        module = hub.Module("module", trainable=True, tags={"train"})
        assert module.get_signature_names() == ["default", "serving_default"]


def test_outwards() -> None:
    model = DATA / "saved_models/keras2"
    hub.convert(model, "model.tflite", to="tflite")
    assert Path("model.tflite").is_file()
    if importlib.util.find_spec("tf2onnx"):
        hub.convert(model, "model.onnx", to="onnx", signature="serving_default")
        assert Path("model.onnx").is_file()


def test_what_is_compared() -> None:
    model = DATA / "models/half_plus_two"
    done = hub.convert(model, "checked", to="tf1-hub", sample_inputs={"x": [1.0, 2.0, 3.0]})
    assert done.not_compared == ""
