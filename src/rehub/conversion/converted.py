"""What the writers of formats have in common: a SavedModel to begin with, and a way to run what comes of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
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
class Converted:
    """A converted model.

    Attributes:
        run: Runs it on tensors by name, and returns arrays by name; None if it cannot be run here.
        problem: Why not.
    """

    run: Run | None
    problem: str = ""


def write_signature(obj: Any, entry: EntryPoint, folder: Path) -> None:
    """Writes a SavedModel with one entry point of a model.

    Raises:
        ConversionError: If an input is sparse or ragged.
    """
    check_dense(entry)
    tf = import_tensorflow()
    function = tf.function(lambda **inputs: entry.call(inputs), autograph=False)
    specs = {name: tf.TensorSpec(spec.shape, spec.dtype, name) for name, spec in entry.specs.items()}
    holder = tf.Module()
    holder.model = obj
    tf.saved_model.save(holder, str(folder), {SIGNATURE: function.get_concrete_function(**specs)})


def check_dense(entry: EntryPoint) -> None:
    """Raises a ConversionError if an input is sparse or ragged, which only TensorFlow has."""
    if not entry.is_dense:
        what = ", ".join(f"{name}: {reusable.describe_spec(spec)}" for name, spec in entry.specs.items())
        raise ConversionError(
            f"{entry} takes inputs that only TensorFlow has: {what}.",
            hint="Choose a signature whose inputs are plain tensors with signature=.",
        )
