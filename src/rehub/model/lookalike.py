"""What a path is that is no model folder, and what to do with it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from google.protobuf.message import DecodeError

from rehub.formats import saved_model, schema

_HEAD_BYTES = 512
_GRAPH_BYTES = 1 << 28
_MAX_FILES = 200
_KERAS_HINT = (
    "Load it with keras.saving.load_model and export it: model.export(FOLDER) in Keras 3, "
    "model.save(FOLDER, save_format='tf') in Keras 2."
)


def explain(path: Path) -> tuple[str, str]:
    """Tells what a path looks like, and what to do next.

    Args:
        path: A file or folder without a SavedModel.

    Returns:
        What completes "… is not a model folder: it is", and a hint.
    """
    if path.is_file():
        return _explain_file(path)
    try:
        names = sorted(entry.name for entry in path.iterdir())
    except OSError as error:
        return f"a folder that cannot be read ({error.strerror})", "Check the path and its permissions."
    return _explain_folder(path, names)


def _explain_folder(path: Path, names: list[str]) -> tuple[str, str]:
    if not names:
        return "an empty folder", "Pass the folder that holds saved_model.pb."
    inner = [name for name in names[:_MAX_FILES] if _has_model(path / name)]
    if inner:
        newest = max(inner, key=lambda name: (name.isdigit(), int(name) if name.isdecimal() else 0))
        return f"a folder of models ({', '.join(inner[:10])})", f"Pass one of them, such as {path / newest}"
    if "variables.index" in names and _has_model(path.parent):
        return "the folder of a model's variables", f"Pass the model's folder: {path.parent}"
    if "model.json" in names and _is_tfjs(path / "model.json"):
        return "a TensorFlow.js model", "rehub cannot read it; ask its publisher for the SavedModel it was made from."
    indexes = [name for name in names if name.endswith(".index")]
    if "checkpoint" in names or any(f"{name[:-6]}.data-" in "\n".join(names) for name in indexes):
        return (
            "a checkpoint: variables without a graph",
            "Restore it into the code that made it, and write that with tf.saved_model.save.",
        )
    for name in names[:_MAX_FILES]:
        if (path / name).is_file():
            what, hint = _explain_file(path / name)
            if what != _UNKNOWN_FILE:
                return f"a folder that holds {what} ({name})", hint
    listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"a folder that holds {listed}", "Pass the folder that holds saved_model.pb directly."


_UNKNOWN_FILE = "a file of an unknown kind"


def _explain_file(path: Path) -> tuple[str, str]:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        return f"a file that cannot be read ({error.strerror})", "Check its permissions."
    if path.name in (saved_model.FILE_NAME, saved_model.TEXT_FILE_NAME):
        return "a file of a model", f"Pass its folder: {path.parent}"
    if head.startswith(b"\x89HDF\r\n"):
        return "a Keras model or weights in HDF5", _KERAS_HINT
    if head.startswith(b"PK") and _is_keras_archive(path):
        return "a Keras model", _KERAS_HINT
    if head[4:8] == b"TFL3":
        return "a TensorFlow Lite model", "Run it with an interpreter of LiteRT; rehub reads SavedModels."
    if head.startswith(b"\x1f\x8b") or head[257:262] == b"ustar":
        return "an archive", "Unpack it, or serve it and pass its URL; then pass the folder with saved_model.pb."
    if path.name == "model.json" and _is_tfjs(path):
        return "a TensorFlow.js model", "rehub cannot read it; ask its publisher for the SavedModel it was made from."
    if path.suffix == ".onnx":
        return "an ONNX model", "rehub reads SavedModels; ask its publisher for one."
    if path.suffix == ".pb" and _is_frozen_graph(path):
        return (
            "a frozen graph (GraphDef) of TensorFlow 1",
            "Import it with tf.compat.v1.import_graph_def, and write a SavedModel with tf.compat.v1.saved_model.",
        )
    return _UNKNOWN_FILE, "Pass the folder that holds saved_model.pb."


def _has_model(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (saved_model.FILE_NAME, saved_model.TEXT_FILE_NAME))


def _is_keras_archive(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return "config.json" in archive.namelist()
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError):
        return False


def _is_tfjs(path: Path) -> bool:
    try:
        facts = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(facts, dict) and "weightsManifest" in facts


def _is_frozen_graph(path: Path) -> bool:
    try:
        if path.stat().st_size > _GRAPH_BYTES:
            return False
        graph = schema.parse("tensorflow.GraphDef", path.read_bytes())
    except (OSError, DecodeError):
        return False
    return bool(graph.node) and all(node.op and node.name for node in graph.node)
