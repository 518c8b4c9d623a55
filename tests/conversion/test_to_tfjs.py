"""Models of TensorFlow.js. Its converter is large, and has an environment of its own, for the slow tests.

In the others a script takes its place, and gives what the converter wrote for the same model.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import rehub as hub
from rehub.errors import ConversionError, DependencyError

DATA = Path(__file__).parents[1] / "data"
KERAS_2 = DATA / "saved_models/keras2"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a script in the place of the converter; ``out`` is the folder that it is to write to."""

    def write(code: str) -> None:
        command = tmp_path / "bin/tensorflowjs_converter"
        command.parent.mkdir()
        command.write_text(f"#!{sys.executable}\nimport shutil, sys\nout = sys.argv[-1]\n{code}\n")
        command.chmod(0o755)
        monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")

    return write


COPY = f"shutil.copytree({str(DATA / 'tfjs/keras2')!r}, out, dirs_exist_ok=True)"


def test_graph_model_is_compared_with_the_model(install: Callable[[str], None], tmp_path: Path) -> None:
    install(COPY)
    done = hub.convert(KERAS_2, tmp_path / "out", to="tfjs")
    assert done.difference is not None
    assert done.difference <= 1e-6
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["group1-shard1of1.bin", "model.json"]


def test_graph_model_with_other_outputs_is_not_written(install: Callable[[str], None], tmp_path: Path) -> None:
    install(f"{COPY}\nopen(out + '/group1-shard1of1.bin', 'r+b').write(bytes(8))")
    with pytest.raises(ConversionError, match="tfjs gives other outputs than the model"):
        hub.convert(KERAS_2, tmp_path / "out", to="tfjs")
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


def test_failure_of_the_converter_is_told(install: Callable[[str], None], tmp_path: Path) -> None:
    install("sys.exit('ModuleNotFoundError: no module')")
    with pytest.raises(ConversionError, match="tensorflowjs_converter failed: ModuleNotFoundError: no module"):
        hub.convert(KERAS_2, tmp_path / "out", to="tfjs")
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


def test_converter_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DependencyError, match="uv tool install tensorflowjs"):
        hub.convert(KERAS_2, tmp_path / "out", to="tfjs")


@pytest.fixture
def converter(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = os.environ.get("REHUB_TENSORFLOWJS")
    if not folder:
        pytest.skip("REHUB_TENSORFLOWJS names no folder with tensorflowjs_converter; make test-all sets it")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.slow
@pytest.mark.usefixtures("converter")
@pytest.mark.parametrize("source", [KERAS_2, DATA / "tf1_hub/v1_layers"], ids=["saved_model", "module"])
def test_converter_gives_the_outputs_of_the_model(source: Path, tmp_path: Path) -> None:
    done = hub.convert(source, tmp_path / "out", to="tfjs")
    assert done.difference is not None
    assert done.difference <= 1e-6


@pytest.mark.slow
@pytest.mark.usefixtures("converter")
def test_ops_that_the_format_lacks_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"TensorFlow\.js does not have: ReadFile") as caught:
        hub.convert(DATA / "tf1_hub/assets", tmp_path / "out", to="tfjs")
    assert "ReadFile" in caught.value.ops
    assert list(tmp_path.iterdir()) == []
