"""What came of trying a model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Similarities:
    """How alike some sentences are to a model.

    Attributes:
        matrix: The cosine between the vectors of each two.
        width: How many numbers a vector has.
        seconds: How long the model took.
    """

    matrix: tuple[tuple[float, ...], ...]
    width: int
    seconds: float


@dataclasses.dataclass(frozen=True)
class Classes:
    """What a model takes a picture for.

    Attributes:
        best: The likeliest classes: the number, the name or nothing, and the share of 1.
        count: How many classes there are.
        are_logits: Whether the model returned logits, which were made shares.
        picture: What the model saw, as JPEG.
        seconds: How long the model took.
    """

    best: tuple[tuple[int, str, float], ...]
    count: int
    are_logits: bool
    picture: bytes
    seconds: float


@dataclasses.dataclass(frozen=True)
class Features:
    """What a model makes of a picture.

    Attributes:
        values: The first numbers of the vector.
        width: How many it has.
        norm: Its length.
        picture: What the model saw, as JPEG.
        seconds: How long the model took.
    """

    values: tuple[float, ...]
    width: int
    norm: float
    picture: bytes
    seconds: float


@dataclasses.dataclass(frozen=True)
class Failure:
    """Why nothing came of it, for whoever tried."""

    reason: str


Outcome = Similarities | Classes | Features | Failure


def read_outcome(values: Mapping[str, Any], picture: bytes) -> Outcome:
    """Reads what `rehub.server.trial_child` answers."""
    if "error" in values:
        return Failure(values["error"])
    seconds = values["seconds"]
    if "matrix" in values:
        return Similarities(tuple(map(tuple, values["matrix"])), values["width"], seconds)
    if "best" in values:
        return Classes(tuple(map(tuple, values["best"])), values["count"], values["are_logits"], picture, seconds)
    return Features(tuple(values["values"]), values["width"], values["norm"], picture, seconds)
