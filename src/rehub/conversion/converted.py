"""What the writers of formats have in common: a SavedModel to begin with, and a way to run what comes of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rehub.conversion.entry_point import EntryPoint
from rehub.errors import ConversionError
from rehub.runtime import reusable
from rehub.runtime.tf_version import import_tensorflow

SIGNATURE = "serving_default"
"""The only signature of the SavedModel that converters get."""

Run = Callable[[dict[str, Any]], Mapping[str, Any]]


@dataclasses.dataclass(frozen=True)
class Twin:
    """A call that a converted model has beside the one that was chosen.

    Attributes:
        entry: That of the model.
        runs: All that became of it.
    """

    entry: EntryPoint
    runs: Sequence[Run]


@dataclasses.dataclass(frozen=True)
class Converted:
    """A converted model.

    Attributes:
        run: Runs it on tensors by name, and returns arrays by name; None if it cannot be run here.
        problem: Why not.
        twins: Its other calls.
    """

    run: Run | None
    problem: str = ""
    twins: Sequence[Twin] = ()


def write_signature(obj: Any, entry: EntryPoint, folder: Path) -> None:
    """Writes a SavedModel with one entry point of a model.

    Raises:
        ConversionError: If an input or an output is sparse or ragged.
    """
    check_dense(entry, "takes inputs", entry.specs)
    tf = import_tensorflow()
    function = tf.function(lambda **inputs: entry.call(inputs), autograph=False)
    specs = {name: tf.TensorSpec(spec.shape, spec.dtype, name) for name, spec in entry.specs.items()}
    holder = tf.Module()
    holder.model = obj
    concrete = function.get_concrete_function(**specs)
    check_dense(entry, "gives outputs", concrete.structured_outputs)
    tf.saved_model.save(holder, str(folder), {SIGNATURE: concrete})


def check_dense(entry: EntryPoint, does: str, specs: Mapping[str, Any]) -> None:
    """Checks the inputs or outputs of an entry point.

    Args:
        entry: The entry point.
        does: What it does with them, for the reader.
        specs: The ``tf.TypeSpec`` of each, or a symbolic tensor.

    Raises:
        ConversionError: If one is sparse or ragged, which only TensorFlow has.
    """
    tf = import_tensorflow()
    if not all(isinstance(spec, (tf.TensorSpec, tf.Tensor)) for spec in specs.values()):
        what = ", ".join(f"{name}: {reusable.describe_spec(spec)}" for name, spec in specs.items())
        raise ConversionError(
            f"{entry} {does} that only TensorFlow has: {what}.",
            hint="Choose a signature of plain tensors.",
        )
