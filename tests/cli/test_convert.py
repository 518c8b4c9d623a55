from __future__ import annotations

from pathlib import Path

from tests import sample
from tests.cli import command


def test_convert_says_that_tensorflow_is_missing(tmp_path: Path) -> None:
    sample.write(tmp_path / "model")
    code, out, err = command.run(tmp_path / "cache", "convert", tmp_path / "model", tmp_path / "out")
    assert (code, out) == (1, "")
    assert "error: This call runs a model and needs TensorFlow, which is not installed.\nhint: Run: pip install" in err
    assert not (tmp_path / "out").exists()


def test_convert_lists_the_formats_that_there_are(tmp_path: Path) -> None:
    code, _, err = command.run(tmp_path / "cache", "convert", "--to", "onyx", "model", "out")
    assert code == 2
    assert "'onyx' is not one of 'reusable', 'tf1-hub', 'tflite', 'onnx', 'tfjs'" in err


def test_convert_names_a_sample_that_is_missing(tmp_path: Path) -> None:
    code, _, err = command.run(tmp_path / "cache", "convert", "--sample", tmp_path / "no.npz", "model", "out")
    assert code == 2
    assert "no.npz' does not exist" in err


def test_convert_refuses_what_exists_before_it_asks_for_tensorflow(tmp_path: Path) -> None:
    sample.write(tmp_path / "model")
    sample.write(tmp_path / "out")
    code, out, err = command.run(tmp_path / "cache", "convert", tmp_path / "model", tmp_path / "out")
    assert (code, out) == (1, "")
    assert err == (
        f"error: '{tmp_path / 'out'}' exists, and is not an empty folder.\n"
        "hint: Choose another path, or remove it first.\n"
        "more: docs/troubleshooting.md#publisherror\n"
    )


def test_convert_says_that_a_sample_needs_numpy(tmp_path: Path) -> None:
    (tmp_path / "sample.npz").touch()
    code, _, err = command.run(tmp_path / "cache", "convert", "--sample", tmp_path / "sample.npz", "model", "out")
    assert code == 1
    assert "error: Arrays are read by NumPy, which is not installed.\nhint: Run: pip install" in err
