"""The examples of docs/converting.md give what their comments say."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parents[1] / "data"
TEXT = (Path(__file__).parents[2] / "docs" / "converting.md").read_text(encoding="utf-8")
IMPORTS, *BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _run(block: str, **given: Path) -> dict[str, Any]:
    names: dict[str, Any] = {**given}
    exec(IMPORTS + block, names)
    return names


def test_examples_are_all_run_here() -> None:
    assert len(BLOCKS) == 4


def test_from_tensorflow_1() -> None:
    names = _run(BLOCKS[0], tf1_module=DATA / "tf1_hub/half_plus_two")
    assert names["done"].difference <= 1e-6
    assert names["layer"].trainable_weights


def test_to_tensorflow_1() -> None:
    names = _run(BLOCKS[1], model=DATA / "saved_models/keras2")
    assert names["module"].get_signature_names() == ["default", "serving_default"]


def test_outwards() -> None:
    has_onnx = importlib.util.find_spec("tf2onnx") is not None
    lines = [line for line in BLOCKS[2].splitlines() if has_onnx or "onnx" not in line]
    _run("\n".join(lines), model=DATA / "saved_models/keras2")
    assert Path("model.tflite").is_file()
    assert Path("model.onnx").is_file() is has_onnx


def test_what_is_compared() -> None:
    names = _run(BLOCKS[3], model=DATA / "models/half_plus_two")
    assert names["done"].not_compared == ""
