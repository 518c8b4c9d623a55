"""Inputs to try a model with, and the comparison of what two models make of them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rehub.conversion.entry_point import EntryPoint
from rehub.errors import ConversionError, SignatureError
from rehub.runtime import reusable
from rehub.runtime.tf_version import import_tensorflow

Arrays = Mapping[str, Any]
"""Arrays by name; sparse and ragged tensors as ``tf.SparseTensor`` and ``tf.RaggedTensor``."""

_BATCH = 2
_SIZES = (8, 64, 224)
"""For axes of any size, in the order in which they are tried: convolutions need some room."""

_TEXTS = ("a text", "and another one")


class Samples:
    """Inputs of an entry point, and what the model makes of them.

    Args:
        entry: The entry point.
        given: Inputs of the user's, by name; None to make some.

    Attributes:
        inputs: The inputs by name, tensors.
        outputs: What the model made of them, arrays by name; empty if there is nothing to compare.
        problem: Why there is nothing to compare; empty if there is.

    Raises:
        SignatureError: If the user's are not the inputs of the entry point.
        ConversionError: If the model cannot be run with the user's.
    """

    def __init__(self, entry: EntryPoint, given: Arrays | None) -> None:
        self.inputs: dict[str, Any] = {}
        self.outputs: dict[str, Any] = {}
        self.problem = "the model ran with none of the inputs that were made for it; pass some as sample inputs"
        for inputs in [_converted(entry, given)] if given is not None else _made(entry.specs):
            try:
                first, second = (as_arrays(entry.call(inputs)) for _ in range(2))
            except Exception as error:  # whatever the ops of a model raise
                if given is not None:
                    raise ConversionError(
                        f"{entry} cannot be run with the sample inputs: {_first_line(error)}.",
                        hint="Pass inputs that the model takes, or none.",
                    ) from error
                continue
            self.inputs = inputs
            self.problem = "" if difference(first, second) == 0 else "the model gives other outputs each time"
            self.outputs = {} if self.problem else first
            return

    def only(self, output: str) -> Samples:
        """Returns the same with one of the outputs."""
        found = copy.copy(self)
        found.outputs = {output: self.outputs[output]}
        return found

    def compare(self, run: Callable[[dict[str, Any]], Arrays], tolerance: float, what: str) -> float | None:
        """Compares what a converted model makes of the inputs.

        Args:
            run: Runs it.
            tolerance: The largest difference that is no error, relative to the largest magnitude of an output.
            what: The converted model, for the reader.

        Returns:
            The largest difference; None if there is nothing to compare.

        Raises:
            ConversionError: If the difference is larger, or there are other outputs.
        """
        if self.problem:
            return None
        try:
            found = as_arrays(run(self.inputs))
        except Exception as error:  # whatever other runtimes raise
            raise ConversionError(
                f"{what} cannot be run: {_first_line(error)}.",
                hint="Nothing was written. If these inputs are no good ones for the model, pass others as sample "
                "inputs; else choose another signature, or format.",
            ) from error
        if len(found) == len(self.outputs) == 1:
            found = dict(zip(self.outputs, found.values(), strict=True))  # whatever the format calls it
        if set(found) != set(self.outputs):
            raise ConversionError(
                f"{what} has the outputs {', '.join(sorted(found))}, the model has {', '.join(sorted(self.outputs))}.",
                hint="Report this, with the model.",
            )
        largest = difference(found, self.outputs)
        if not largest <= tolerance:
            raise ConversionError(
                f"{what} gives other outputs than the model: they differ by {largest:.1e}, relative to the largest.",
                hint="Nothing was written. If these inputs are no good ones for the model, pass others as sample "
                "inputs; else report this.",
            )
        return largest


def as_arrays(outputs: Arrays) -> dict[str, Any]:
    """Returns the outputs of a model as arrays; sparse and ragged ones as an array of each of their parts."""
    import numpy as np

    tf = import_tensorflow()
    found: dict[str, Any] = {}
    for name, value in outputs.items():
        parts = tf.nest.flatten(value, expand_composites=True)
        keys = [name] if len(parts) == 1 else [f"{name}, part {place}" for place in range(len(parts))]
        found.update((key, np.asarray(part)) for key, part in zip(keys, parts, strict=True))
    return found


def difference(found: Arrays, expected: Arrays) -> float:
    """The largest difference between arrays of the same names, relative to the largest magnitude in each.

    Infinite where shapes differ, or values that are no numbers.
    """
    import numpy as np

    largest = 0.0
    for name, value in expected.items():
        other = found[name]
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


def _converted(entry: EntryPoint, given: Arrays) -> dict[str, Any]:
    if set(given) != set(entry.specs):
        raise SignatureError(
            f"The sample inputs are {', '.join(sorted(given)) or 'none'}; {entry} takes other ones.",
            hint=f"Pass {', '.join(f'{name}: {reusable.describe_spec(each)}' for name, each in entry.specs.items())}.",
            available=tuple(sorted(entry.specs)),
        )
    return {name: _fitting(name, given[name], spec) for name, spec in entry.specs.items()}


def _fitting(name: str, value: Any, spec: Any) -> Any:
    tf = import_tensorflow()
    try:
        if isinstance(spec, tf.TensorSpec):
            value = tf.convert_to_tensor(value, spec.dtype)
        if not spec.is_compatible_with(value):
            raise ValueError(f"it is {reusable.describe_spec(value)}")
    except (TypeError, ValueError) as error:
        raise SignatureError(
            f"The sample input {name!r} is no {reusable.describe_spec(spec)}: {_first_line(error)}.",
            hint="Convert it, or pass another one.",
        ) from error
    return value


def _made(specs: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for size in _SIZES:
        found = {name: _value(spec, size, place) for place, (name, spec) in enumerate(sorted(specs.items()))}
        if any(value is None for value in found.values()):
            return
        yield found


def _value(spec: Any, size: int, seed: int) -> Any:
    """A tensor that fits a spec; None for kinds that have rules of their own."""
    import numpy as np

    tf = import_tensorflow()
    if not isinstance(spec, (tf.TensorSpec, tf.SparseTensorSpec, tf.RaggedTensorSpec)):
        return None
    axes = reusable.dimensions(spec.shape)
    axes = (None,) if axes is None else axes
    shape = [(size if place else _BATCH) if axis is None else axis for place, axis in enumerate(axes)]
    random = np.random.default_rng(seed)
    if spec.dtype.is_floating or spec.dtype.is_complex:
        dense = tf.cast(random.uniform(0.0, 1.0, shape), spec.dtype)
    elif spec.dtype.is_integer or spec.dtype.is_bool:
        dense = tf.cast(random.integers(0, 2, shape), spec.dtype)  # small enough for the ids of any vocabulary
    elif spec.dtype == tf.string:
        dense = tf.constant(np.resize(np.array(_TEXTS, object), shape), tf.string)
    else:
        return None
    if isinstance(spec, tf.SparseTensorSpec):
        return tf.sparse.from_dense(dense)
    if isinstance(spec, tf.RaggedTensorSpec):
        return tf.RaggedTensor.from_tensor(dense, ragged_rank=spec.ragged_rank, row_splits_dtype=spec.row_splits_dtype)
    return dense


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
