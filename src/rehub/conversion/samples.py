"""Inputs to try a model with, and the comparison of what two models make of them."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from rehub.conversion.differences import Arrays, as_arrays, difference
from rehub.conversion.entry_point import EntryPoint
from rehub.errors import ConversionError, SignatureError
from rehub.runtime import reusable
from rehub.runtime.tf_version import import_tensorflow

_BATCH = 2
_SIZES = (8, 64, 224)
"""For axes of any size, in the order in which they are tried: convolutions need some room."""

_TEXTS = ("a text", "and another one")


class Samples:
    """Inputs of an entry point, and what the model makes of them.

    Args:
        entry: The entry point.
        given: Inputs of the user's, by name; None to make some.
        variables: Those of a model that runs eagerly: they keep their values.

    Attributes:
        inputs: The inputs by name, tensors.
        outputs: What the model made of them, as from `as_arrays`; empty if there is nothing to compare.
        problem: Why there is nothing to compare; empty if there is.

    Raises:
        SignatureError: If the user's are not the inputs of the entry point.
        ConversionError: If the model cannot be run with the user's.
    """

    def __init__(self, entry: EntryPoint, given: Arrays | None, variables: Sequence[Any] = ()) -> None:
        self.inputs: dict[str, Any] = {}
        self.outputs: dict[str, Any] = {}
        self.problem = "the model ran with none of the inputs that were made for it; pass some as sample inputs"
        for inputs in [_converted(entry, given)] if given is not None else fill(dict(entry.specs)):
            try:
                first, second = (_run(entry, inputs, variables) for _ in range(2))
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

    @classmethod
    def of_another(
        cls, entry: EntryPoint, given: Arrays | None, chosen: EntryPoint, variables: Sequence[Any] = ()
    ) -> Samples:
        """Returns those of an entry point beside the chosen one: the user's if it takes them, too, else made ones."""
        if given is not None and entry.takes_what(chosen):
            with contextlib.suppress(ConversionError):
                return cls(entry, given, variables)
        return cls(entry, None, variables)

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


class Tally:
    """The largest of several differences, and why others are not known."""

    def __init__(self) -> None:
        self._found: list[float] = []
        self._problems: dict[str, None] = {}

    def add(
        self, samples: Samples, run: Callable[[dict[str, Any]], Arrays], tolerance: float, what: str, part: str = ""
    ) -> None:
        """Compares; arguments and errors as for `Samples.compare`.

        Args:
            samples: Those of the model.
            run: Runs the converted model.
            tolerance: The largest difference that is no error.
            what: The converted model, for the reader.
            part: What of the model has the samples, if there are others.
        """
        found = samples.compare(run, tolerance, what)
        if found is None:
            self.leave_out(f"{part}: {samples.problem}" if part else samples.problem)
        else:
            self._found.append(found)

    def leave_out(self, why: str) -> None:
        """Notes what is not compared, and why."""
        self._problems[why] = None

    @property
    def largest(self) -> float | None:
        """The largest difference; None if there is none."""
        return max(self._found, default=None)

    @property
    def problem(self) -> str:
        """What was not compared, and why."""
        return "; ".join(self._problems)


@contextlib.contextmanager
def unchanged(variables: Iterable[Any]) -> Iterator[None]:
    """Gives variables the values back that they had."""
    values = [(variable, variable.read_value()) for variable in variables]
    try:
        yield
    finally:
        for variable, value in values:
            variable.assign(value)


def _run(entry: EntryPoint, inputs: Mapping[str, Any], variables: Iterable[Any]) -> dict[str, list[Any]]:
    with unchanged(variables):
        return as_arrays(entry.call(inputs))


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


def fill(specs: Any, *, batch: int = _BATCH, seed: int = 0, texts: Sequence[str | bytes] = ()) -> Iterator[Any]:
    """Makes arguments for a function; yields several, since not every model takes every size.

    Args:
        specs: A nest with a ``tf.TypeSpec`` for each tensor.
        batch: The size of the first axis, where any fits.
        seed: Others give other numbers.
        texts: For inputs that are texts; empty for any.

    Yields:
        The nest with tensors for the specs; nothing if one is of a kind that has rules of its own.
    """
    tf = import_tensorflow()
    leaves = tf.nest.flatten(specs)
    for size in _SIZES:
        found = [
            _value(leaf, (batch, size), seed + place, texts or _TEXTS) if isinstance(leaf, tf.TypeSpec) else leaf
            for place, leaf in enumerate(leaves)
        ]
        if any(value is None and leaf is not None for value, leaf in zip(found, leaves, strict=True)):
            return
        yield tf.nest.pack_sequence_as(specs, found)


def _value(spec: Any, sizes: tuple[int, int], seed: int, texts: Sequence[str | bytes]) -> Any:
    """A tensor that fits a spec, with sizes for its first and other axes; None for kinds with rules of their own."""
    import numpy as np

    tf = import_tensorflow()
    if not isinstance(spec, (tf.TensorSpec, tf.SparseTensorSpec, tf.RaggedTensorSpec)):
        return None
    axes = reusable.dimensions(spec.shape)
    axes = (None,) if axes is None else axes
    shape = [sizes[place > 0] if axis is None else axis for place, axis in enumerate(axes)]
    random = np.random.default_rng(seed)
    if spec.dtype.is_floating or spec.dtype.is_complex:
        dense = tf.cast(random.uniform(0.0, 1.0, shape), spec.dtype)
    elif spec.dtype.is_integer or spec.dtype.is_bool:
        dense = tf.cast(random.integers(0, 2, shape), spec.dtype)  # small enough for the ids of any vocabulary
    elif spec.dtype == tf.string:
        dense = tf.constant(np.resize(np.array(texts, object), shape), tf.string)
    else:
        return None
    if isinstance(spec, tf.SparseTensorSpec):
        return tf.sparse.from_dense(dense)
    if isinstance(spec, tf.RaggedTensorSpec):
        return tf.RaggedTensor.from_tensor(dense, ragged_rank=spec.ragged_rank, row_splits_dtype=spec.row_splits_dtype)
    return dense


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
