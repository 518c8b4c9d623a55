"""Columns as the arrays that a model takes: texts, images, numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from rehub.batch.input_columns import is_image
from rehub.runtime.tf_version import import_tensorflow
from rehub.runtime.upright import upright
from rehub.signature import TensorSpec

_OPEN_IMAGE_BYTES = 1 << 20


class Feature:
    """Makes one input of a model.

    Args:
        spec: The input.
        columns: Of which it is made.
        root: The folder to which paths of images are relative.
        image_size: What images are brought to where the model takes all sizes.
    """

    def __init__(self, spec: TensorSpec, columns: Sequence[str], root: str, image_size: tuple[int, int] | None) -> None:
        self._spec = spec
        self._columns = columns
        self._root = root
        self._size = image_size
        if is_image(spec):
            assert spec.shape is not None
            height, width = spec.shape[1:3]
            self._size = image_size if height is None or width is None else (height, width)

    def size_bytes(self, batch: Any) -> Any:
        """Returns about how many bytes each row takes in the model, as a numpy array."""
        columns = [batch.column(name) for name in self._columns]
        if self._is_of_images(columns):
            channels = 3 if self._spec.shape is None else self._spec.shape[3] or 3
            each = _OPEN_IMAGE_BYTES if self._size is None else 4 * self._size[0] * self._size[1] * channels
            return np.full(batch.num_rows, each)
        return sum((_sizes(column) for column in columns), np.zeros(batch.num_rows, np.int64))

    def __call__(self, batch: Any) -> Any:
        """Returns a numpy array with a row for each row of a ``pyarrow.RecordBatch``.

        Raises:
            ValueError: If a value is missing, or is not what the model takes.
            OSError: If the file of an image cannot be read.
        """
        columns = [batch.column(name) for name in self._columns]
        for name, column in zip(self._columns, columns, strict=True):
            if column.null_count:
                raise ValueError(f"The column {name!r} is null.")
        if self._is_of_images(columns):
            return self._images(columns[0])
        arrays = [self._texts(column) if self._spec.dtype == "string" else self._numbers(column) for column in columns]
        array = arrays[0] if len(arrays) == 1 else np.stack(arrays, axis=1)
        return self._shaped(array)

    def _is_of_images(self, columns: Sequence[Any]) -> bool:
        return is_image(self._spec) and len(columns) == 1

    def _texts(self, column: Any) -> Any:
        if not pt.is_binary(column.type):
            column = column.cast(pa.string()).cast(pa.binary())
        array = np.empty(len(column), object)
        array[:] = column.to_pylist()
        return array

    def _numbers(self, column: Any) -> Any:
        target = np.dtype(import_tensorflow().dtypes.as_dtype(self._spec.dtype).as_numpy_dtype)
        if _is_listed(column.type):
            return _cast(_listed(column), target)
        is_vector = self._spec.shape is not None and len(self._spec.shape) > 1 and len(self._columns) == 1
        if pt.is_string(column.type) and is_vector:
            return _cast(np.array([json.loads(text) for text in column.to_pylist()]), target)
        if pt.is_string(column.type):
            column = pc.utf8_trim_whitespace(column).cast(pa.from_numpy_dtype(target))
        return _cast(column.to_numpy(zero_copy_only=False), target)

    def _shaped(self, array: Any) -> Any:
        """Brings an array to the axes of the input, where only axes of 1, or none but the rows, differ."""
        shape = self._spec.shape
        if shape is None or _fits(array.shape, shape):
            return array
        sizes = [size for size in shape[1:] if size is not None]
        if len(sizes) == len(shape) - 1 and array.size == len(array) * math.prod(sizes):
            return array.reshape(len(array), *sizes)
        if len(shape) == array.ndim + 1 and shape[-1] in (1, None):
            return array[..., None]
        raise ValueError(
            f"Its values have the shape {list(array.shape[1:])}, the input {self._spec.name!r} is {self._spec}."
        )

    # Images

    def _images(self, column: Any) -> Any:
        if _is_listed(column.type):
            return np.stack([self._fitted(self._pixels(values)) for values in _listed(column)])
        return np.stack([self._fitted(self._image(value)) for value in column.to_pylist()])

    def _image(self, value: Any) -> Any:
        tf = import_tensorflow()
        assert self._spec.shape is not None
        try:
            encoded = self._encoded(value)
            image = tf.io.decode_image(encoded, self._spec.shape[3] or 3, expand_animations=False)
        except tf.errors.InvalidArgumentError as error:
            raise ValueError("It is no image that can be read: JPEG, PNG, GIF or BMP.") from error
        return upright(image, encoded).numpy()

    def _pixels(self, values: Any) -> Any:
        assert self._spec.shape is not None
        channels = self._spec.shape[3]
        if values.ndim == 1 and self._size is not None and values.size == math.prod((*self._size, channels or 3)):
            return values.reshape(*self._size, channels or 3)
        if values.ndim == 2:
            values = values[..., None]
        if values.ndim != 3 or values.shape[2] != (channels or values.shape[2]):
            raise ValueError(
                f"Its values have the shape {list(values.shape)}, the input {self._spec.name!r} is {self._spec}."
            )
        return values

    def _fitted(self, image: Any) -> Any:
        tf = import_tensorflow()
        dtype = tf.dtypes.as_dtype(self._spec.dtype)
        if dtype.is_floating and image.dtype.kind in "iu":
            image = image.astype(np.float32) / 255  # Source: TensorFlow Hub, common signatures for images
        if self._size is not None and image.shape[:2] != self._size:
            image = tf.image.resize(image, self._size, antialias=True).numpy()
        return (np.rint(image) if dtype.is_integer else image).astype(dtype.as_numpy_dtype)

    def _encoded(self, value: Any) -> bytes:
        if isinstance(value, dict):  # as the libraries of Hugging Face write images
            value = value.get("bytes") or value.get("path")
        if isinstance(value, bytes):
            return value
        if not isinstance(value, str):
            raise ValueError(f"It is no image, but {type(value).__name__}.")
        return Path(self._root, value).read_bytes()


def _is_listed(kind: Any) -> bool:
    return bool(pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind)) or hasattr(kind, "shape")


def _sizes(column: Any) -> Any:
    kind = column.type
    if pt.is_string(kind) or pt.is_binary(kind) or pt.is_large_string(kind) or pt.is_large_binary(kind):
        return pc.fill_null(pc.binary_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return np.full(len(column), -(-column.nbytes // max(1, len(column))))


def _listed(column: Any) -> Any:
    """Returns lists of one length, or tensors, as an array of all their axes; an array of arrays if they differ."""
    if isinstance(column, pa.ExtensionArray):
        is_of_arrow = hasattr(column, "to_numpy_ndarray")
        return column.to_numpy_ndarray() if is_of_arrow else column.to_numpy(zero_copy_only=False)  # or of Ray
    axes: list[int] = []
    rows = len(column)
    while _is_listed(column.type):
        lengths = pc.unique(pc.list_value_length(column)).to_pylist()
        if len(lengths) > 1 or None in lengths:
            raise ValueError(f"Its lists have different lengths: {', '.join(map(str, lengths))}.")
        axes += lengths or [0]
        column = pc.list_flatten(column)
    if column.null_count:
        raise ValueError("Its lists hold nulls.")
    return column.to_numpy(zero_copy_only=False).reshape(rows, *axes)


def _cast(array: Any, target: Any) -> Any:
    if array.dtype == target:
        return array
    if array.dtype.kind not in "biuf":
        raise ValueError(f"It holds {array.dtype}, the model takes {target}.")
    cast = array.astype(target)
    if target.kind in "biu" and not np.array_equal(cast, array):
        raise ValueError(f"Its numbers do not fit {target}.")
    return cast


def _fits(actual: Sequence[int], wanted: Sequence[int | None]) -> bool:
    return len(actual) == len(wanted) and all(
        size in (None, found) for size, found in zip(wanted[1:], actual[1:], strict=True)
    )
