"""How much the outputs of two models differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rehub.runtime.tf_version import import_tensorflow

Arrays = Mapping[str, Any]
"""Arrays by name; sparse and ragged tensors as ``tf.SparseTensor`` and ``tf.RaggedTensor``."""


def as_arrays(outputs: Arrays) -> dict[str, list[Any]]:
    """Returns the outputs of a model as arrays: one for a dense tensor, and one for each part of others."""
    import numpy as np

    tf = import_tensorflow()
    return {
        name: [np.asarray(part) for part in tf.nest.flatten(value, expand_composites=True)]
        for name, value in outputs.items()
    }


def difference(found: Mapping[str, Sequence[Any]], expected: Mapping[str, Sequence[Any]]) -> float:
    """The largest difference between the arrays of outputs, relative to the largest magnitude in each.

    Infinite where shapes differ, or values that are no numbers.
    """
    return max((_difference(found[name], parts) for name, parts in expected.items()), default=0.0)


def _difference(found: Sequence[Any], expected: Sequence[Any]) -> float:
    import numpy as np

    if len(found) != len(expected):
        return np.inf
    largest = 0.0
    for other, value in zip(found, expected, strict=True):
        if other.shape != value.shape:
            return np.inf
        if value.dtype.kind not in "fiuc":
            if _texts(other) != _texts(value):
                return np.inf
        elif not np.array_equal(other, value, equal_nan=value.dtype.kind in "fc"):
            if not np.array_equal(np.isfinite(other), np.isfinite(value)) or not np.isfinite(value).all():
                return np.inf
            wide = np.complex128 if value.dtype.kind == "c" else np.float64
            scale = max(1.0, float(np.abs(value.astype(wide)).max(initial=0.0)))
            largest = max(largest, float(np.abs(other.astype(wide) - value.astype(wide)).max()) / scale)
    return largest


def _texts(value: Any) -> Any:
    return [each.decode() if isinstance(each, bytes) else each for each in value.ravel().tolist()]
