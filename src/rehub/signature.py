"""Shapes, dtypes and signatures as plain values, for code that runs with and without TensorFlow."""

from __future__ import annotations

import dataclasses
from typing import Literal

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
