"""What is said of paths that are no model folders."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from rehub.errors import FormatError
from rehub.formats import schema
from rehub.model import model_info
from tests import sample


def refusal(path: Path) -> FormatError:
    with pytest.raises(FormatError, match="is not a model folder: it is") as caught:
        model_info.describe(path)
    assert caught.value.path == str(path)
    return caught.value


def frozen_graph() -> bytes:
    graph = schema.message("tensorflow.GraphDef")()
    graph.node.add(name="x", op="Placeholder")
    return bytes(graph.SerializeToString())


def keras_archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")


FILES = {
    "model.keras": (keras_archive, "a Keras model", "model.export"),
    "model.h5": (b"\x89HDF\r\n\x1a\n....", "a Keras model or weights in HDF5", "model.export"),
    "model.tflite": (b"\x1c\0\0\0TFL3....", "a TensorFlow Lite model", "LiteRT"),
    "model.tar.gz": (sample.archive(), "an archive", "Unpack it"),
    "model.tar": (sample.tar(), "an archive", "Unpack it"),
    "frozen.pb": (frozen_graph(), "a frozen graph (GraphDef)", "import_graph_def"),
    "model.json": (json.dumps({"weightsManifest": []}).encode(), "a TensorFlow.js model", "SavedModel"),
    "model.onnx": (b"....", "an ONNX model", "SavedModel"),
}


@pytest.mark.parametrize("name", FILES)
def test_describe_tells_what_a_file_is(tmp_path: Path, name: str) -> None:
    content, what, hint = FILES[name]
    (tmp_path / name).write_bytes(content) if isinstance(content, bytes) else content(tmp_path / name)
    error = refusal(tmp_path / name)
    assert f"it is {what}" in error.message
    assert hint in error.hint


@pytest.mark.parametrize("name", FILES)
def test_describe_tells_what_a_folder_holds(tmp_path: Path, name: str) -> None:
    content, what, hint = FILES[name]
    (tmp_path / name).write_bytes(content) if isinstance(content, bytes) else content(tmp_path / name)
    (tmp_path / "README").touch()
    error = refusal(tmp_path)
    assert what in error.message
    assert hint in error.hint


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"{", b"[" * 100_000, b"\xff\xff", b"text"])
@pytest.mark.parametrize("name", ["model.keras", "frozen.pb", "model.json", "notes.txt"])
def test_describe_takes_nothing_for_what_it_is_not(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    assert "a file of an unknown kind" in refusal(tmp_path / name).message
    assert f"a folder that holds {name}" in refusal(tmp_path).message


def test_describe_names_the_models_in_a_folder_and_the_newest(tmp_path: Path) -> None:
    for version in ("1", "9", "10"):
        sample.write(tmp_path / version)
    error = refusal(tmp_path)
    assert "a folder of models (1, 10, 9)" in error.message
    assert error.hint.endswith(str(tmp_path / "10"))


def test_describe_leads_from_a_part_of_a_model_to_its_folder(tmp_path: Path) -> None:
    sample.write(tmp_path, {"saved_model.pb": sample.SAVED_MODEL, "variables/variables.index": b""})
    for part in ("variables", "saved_model.pb"):
        assert refusal(tmp_path / part).hint == f"Pass the model's folder: {tmp_path}".replace(
            "the model's", "the model's" if part == "variables" else "its"
        )


@pytest.mark.parametrize("names", [("checkpoint", "model.data"), ("ckpt-1.index", "ckpt-1.data-00000-of-00001")])
def test_describe_tells_a_checkpoint(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        (tmp_path / name).touch()
    error = refusal(tmp_path)
    assert "a checkpoint: variables without a graph" in error.message
    assert "tf.saved_model.save" in error.hint


def test_describe_names_some_of_many_files(tmp_path: Path) -> None:
    for number in range(7):
        (tmp_path / f"{number}.txt").touch()
    assert "holds 0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 2 more" in refusal(tmp_path).message


def test_describe_says_when_a_path_is_nothing(tmp_path: Path) -> None:
    assert "a folder that cannot be read (No such file or directory)" in refusal(tmp_path / "gone").message
