"""Files and tensors."""

from __future__ import annotations

import os
import time
import uuid
from typing import Any

from rehub.runtime import signature_tensors
from rehub.runtime.tf_version import import_tensorflow

MAX_DIRECTORY_CREATION_ATTEMPTS = 10
_UNIT = 1024.0


def __getattr__(name: str) -> Any:
    if name != "SUPPORTED_ARGUMENT_TYPES":
        raise AttributeError(f"module 'tensorflow_hub.tf_utils' has no attribute {name!r}")
    tf = import_tensorflow()
    return tf.Tensor, tf.SparseTensor, tf.RaggedTensor


def read_file_to_string(filename: str) -> str:
    """Returns the text of a file, on this machine or wherever TensorFlow reads."""
    with import_tensorflow().io.gfile.GFile(filename, "r") as file:
        text: str = file.read()
    return text


def atomic_write_string_to_file(filename: str, contents: str, overwrite: bool) -> None:
    """Writes a file so that it is there with all its text, or not at all.

    Raises:
        tf.errors.AlreadyExistsError: If it exists and is not to be overwritten.
    """
    tf = import_tensorflow()
    beside = f"{filename}.tmp{uuid.uuid4().hex}"
    with tf.io.gfile.GFile(beside, "w") as file:
        file.write(contents)
    try:
        tf.io.gfile.rename(beside, filename, overwrite)
    except tf.errors.OpError:
        tf.io.gfile.remove(beside)
        raise


def absolute_path(path: str) -> str:
    """Returns the absolute path; one of a filesystem with a scheme, such as gs://, as it is."""
    return path if "://" in path else os.path.abspath(path)  # noqa: PTH100 - a string, as it came


def bytes_to_readable_str(num_bytes: int | None, include_b: bool = False) -> str:
    """Returns a number of bytes as a text such as ``1.46kB``; ``include_b`` adds the ``B``."""
    if num_bytes is None:
        return "None"
    size, unit = float(num_bytes), ""
    for larger in ("k", "M", "G"):
        if size < _UNIT:
            break
        size, unit = size / _UNIT, larger
    return (f"{size:.2f}{unit}" if unit else str(num_bytes)) + ("B" if include_b else "")


def get_timestamped_export_dir(export_dir_base: str) -> bytes:
    """Returns the path of a folder that does not exist yet, named by the seconds since 1970, below another one.

    Raises:
        FileExistsError: If there is one for each of the next seconds.
    """
    tf = import_tensorflow()
    for second in range(MAX_DIRECTORY_CREATION_ATTEMPTS):
        path = os.path.join(export_dir_base, str(int(time.time()) + second))  # noqa: PTH118 - may be gs://
        if not tf.io.gfile.exists(path):
            return os.fsencode(path)
    raise FileExistsError(f"{path} and the {MAX_DIRECTORY_CREATION_ATTEMPTS - 1} before it exist already.")


def get_temp_export_dir(timestamped_export_dir: str | bytes) -> bytes:
    """Returns the path of a folder beside another one, for what is not finished."""
    parent, name = os.path.split(os.fsencode(timestamped_export_dir))
    return os.path.join(parent, b"temp-" + name)  # noqa: PTH118 - may be gs://


def garbage_collect_exports(export_dir_base: str, exports_to_keep: int | None) -> None:
    """Removes the oldest of the folders that are named by a number.

    Args:
        export_dir_base: Where they are.
        exports_to_keep: How many are kept; None for all.
    """
    gfile = import_tensorflow().io.gfile
    if exports_to_keep is None:
        return
    names = [name.rstrip("/") for name in gfile.listdir(export_dir_base)]
    versions = sorted((name for name in names if name.isdigit()), key=int)
    for name in versions[: max(0, len(versions) - exports_to_keep)]:
        gfile.rmtree(os.path.join(export_dir_base, name))  # noqa: PTH118 - may be gs://


def is_composite_tensor(x: Any) -> bool:
    """Whether a tensor consists of several, as sparse and ragged ones do."""
    return get_composite_tensor_type_spec(x) is not None


def get_composite_tensor_type_spec(x: Any) -> Any:
    """Returns the ``tf.TypeSpec`` of a tensor that consists of several; None for anything else."""
    tf = import_tensorflow()
    if not tf.is_tensor(x) or isinstance(x, (tf.Tensor, tf.Variable)):
        return None
    return tf.type_spec_from_value(x)


def composite_tensor_info_to_type_spec(tensor_info: Any) -> Any:
    """Returns the ``tf.TypeSpec`` in the ``TensorInfo`` of a tensor that consists of several.

    Raises:
        ValueError: If it is of another tensor.
    """
    if tensor_info.WhichOneof("encoding") != "composite_tensor":
        raise ValueError("The TensorInfo is not one of a composite tensor.")
    return signature_tensors.parse(tensor_info).type_spec


def composite_tensor_from_components(type_spec: Any, components: Any) -> Any:
    """Returns the tensor of that type that consists of others."""
    return import_tensorflow().nest.pack_sequence_as(type_spec, list(components), expand_composites=True)
