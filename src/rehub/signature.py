"""Shapes, dtypes and signatures as plain values, for code that runs with and without TensorFlow."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

Kind = Literal["dense", "sparse", "ragged", "other"]
"""How a value is laid out. ``other``: a composite of a class that only its own library knows."""


@dataclasses.dataclass(frozen=True)
class TensorSpec:
    """What one input or output is.

    Attributes:
        dtype: TensorFlow's name of the dtype, such as ``float32`` or ``string``; ``dtype_99`` for a number that is
            newer than this library; for the kind ``other`` the name of the composite's class.
        shape: One entry per axis, None where any size fits; None for any rank.
        name: The name of the argument or output.
        kind: How the value is laid out.
    """

    dtype: str
    shape: tuple[int | None, ...] | None
    name: str = ""
    kind: Kind = "dense"

    def __str__(self) -> str:
        axes = "..." if self.shape is None else ", ".join("?" if size is None else str(size) for size in self.shape)
        text = f"{self.dtype}[{axes}]"
        return text if self.kind in ("dense", "other") else f"{self.kind} {text}"


@dataclasses.dataclass(frozen=True)
class Signature:
    """One way to call a model: named inputs to named outputs.

    Attributes:
        name: The name to call it by.
        inputs: Sorted by name.
        outputs: Sorted by name.
    """

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def __str__(self) -> str:
        return f"{self.name}({_listed(self.inputs)}) -> ({_listed(self.outputs)})"


def _listed(specs: tuple[TensorSpec, ...]) -> str:
    return ", ".join(f"{spec.name}: {spec}" for spec in specs)


def describe(value: Any, leaf: Callable[[Any], str] = repr) -> str:
    """Writes an argument or a result: a tensor as ``float32[?, 64]``, a nest of them as Python would.

    Args:
        value: A `TensorSpec`, a Python value, or a list, tuple or dict of such.
        leaf: Writes what is neither a `TensorSpec` nor a nest.
    """
    if isinstance(value, TensorSpec):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {describe(item, leaf)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        left, right = ("[", "]") if isinstance(value, list) else ("(", ")")
        return left + ", ".join(describe(item, leaf) for item in value) + right
    return leaf(value)
