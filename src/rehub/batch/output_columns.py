"""What a model gives as columns of Parquet that other tools read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from rehub.conversion.entry_point import DEFAULT
from rehub.signature import TensorSpec

_SINGLE = "output"
"""The column of an output without a name of its own."""

_AS_FLOAT = ("bfloat16", "float16", "half")
_CHECKED = {"quint8": "uint8", "qint8": "int8", "qint32": "int32"}


def fields(outputs: Mapping[str, TensorSpec], taken: Sequence[str]) -> dict[str, Any]:
    """Returns a ``pyarrow.Field`` for each output.

    Vectors are lists of fixed size. What has more axes is a tensor of Arrow, which tools without those read as the
    list of its numbers, row by row; where the model does not fix a size, it is lists of lists.

    Args:
        outputs: What the model gives.
        taken: The names of columns that are there already; an output of such a name gets ``_output`` at its end.
    """
    found: dict[str, Any] = {}
    for key, spec in outputs.items():
        name = _SINGLE if key == DEFAULT else key
        while name in taken or name in {field.name for field in found.values()}:
            name += "_output"
        found[key] = pa.field(name, _type_of(spec))
    return found


def _type_of(spec: TensorSpec) -> Any:
    value = _value_type(spec.dtype)
    axes = None if spec.shape is None else spec.shape[1:]
    if axes is None:  # of any rank: what most models of that kind give
        return pa.list_(value)
    if len(axes) > 1 and None not in axes and not pa.types.is_string(value):
        return pa.fixed_shape_tensor(value, axes)
    for size in reversed(axes):
        value = pa.list_(value) if size is None else pa.list_(value, size)
    return value


def _value_type(dtype: str) -> Any:
    if dtype == "string":
        return pa.string()
    return pa.float32() if dtype in _AS_FLOAT else pa.from_numpy_dtype(np.dtype(_CHECKED.get(dtype, dtype)))


def to_array(values: Any, kind: Any) -> Any:
    """Returns the values of an output as a ``pyarrow.Array``.

    Args:
        values: A numpy array, or a nest of lists, with an entry for each row.
        kind: The type of the column.

    Raises:
        ValueError: If a text is no UTF-8.
        pyarrow.ArrowInvalid: If the values are not what the model said.
    """
    if isinstance(values, list):
        return pa.array(_texts(values), kind)
    if values.dtype.kind in "OSU":
        return pa.array(_texts(values.tolist()), kind)
    if isinstance(kind, pa.FixedShapeTensorType):
        flat = pa.array(_flat(values, kind.value_type))
        return pa.ExtensionArray.from_storage(kind, pa.FixedSizeListArray.from_arrays(flat, type=kind.storage_type))
    if pa.types.is_fixed_size_list(kind) and values.ndim == 2:
        return pa.FixedSizeListArray.from_arrays(pa.array(_flat(values, kind.value_type)), type=kind)
    if values.ndim == 1 and not pa.types.is_nested(kind):
        return pa.array(_flat(values, kind))
    return pa.array(values.tolist(), kind)


def _flat(values: Any, kind: Any) -> Any:
    return np.ascontiguousarray(values).reshape(-1).astype(kind.to_pandas_dtype(), copy=False)


def _texts(values: Any) -> Any:
    if isinstance(values, list):
        return [_texts(value) for value in values]
    return values.decode() if isinstance(values, bytes) else values
