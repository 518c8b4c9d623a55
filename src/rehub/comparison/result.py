"""What a comparison found out."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from rehub.comparison import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Metric = Literal["accuracy", "R²"]


@dataclasses.dataclass(frozen=True)
class ModelScore:
    """One model: how good a head on its features is, and what it costs.

    Attributes:
        name: What tells it from the others.
        handle: Where it comes from.
        options: The further arguments of `rehub.KerasLayer`.
        score: The mean over the folds; 1 is perfect.
        standard_error: Of that mean.
        fold_scores: In the order of the folds, which are the same for all models.
        size_bytes: Of the model on disk.
        parameters: How many numbers its variables hold.
        width: How many numbers it makes of one example.
        latency_s: The median time for one example, in batches.
        load_s: How long it took to load from the disk.
    """

    name: str
    handle: str
    options: Mapping[str, Any]
    score: float
    standard_error: float
    fold_scores: tuple[float, ...]
    size_bytes: int
    parameters: int
    width: int
    latency_s: float
    load_s: float


@dataclasses.dataclass(frozen=True)
class ModelFailure:
    """One model that could not be compared.

    Attributes:
        name: What tells it from the others.
        handle: Where it comes from.
        options: The further arguments of `rehub.KerasLayer`.
        error: Why.
    """

    name: str
    handle: str
    options: Mapping[str, Any]
    error: Exception


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Models on the same examples and folds. Its text is a table; a notebook shows it as such, too.

    Attributes:
        rows: The models that ran, the best one first.
        failures: The others.
        metric: What a score is: the share of right answers, or R² of predicted numbers.
        chance: The score without any model: the share of the commonest class, or 0.
        examples: How many.
        classes: The labels; empty where numbers are predicted.
        folds: How many parts the examples were divided into.
        seed: Which examples came together.
        batch_size: With how many examples at once the latency was measured.
    """

    rows: tuple[ModelScore, ...]
    failures: tuple[ModelFailure, ...]
    metric: Metric
    chance: float
    examples: int
    classes: tuple[str, ...]
    folds: int
    seed: int
    batch_size: int

    @property
    def best(self) -> ModelScore:
        """The model with the highest score."""
        return self.rows[0]

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Draws the score of each model against its latency, with bubbles for the sizes on disk.

        Args:
            path: Where to write the picture; the name's end chooses the format, such as ``.png`` or ``.svg``.

        Returns:
            A ``matplotlib.figure.Figure``, which a notebook shows.

        Raises:
            DependencyError: If matplotlib is not installed.
        """
        from rehub.comparison import plot

        return plot.draw(self, path)

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as dicts, lists, texts and numbers, for `json.dumps`."""
        facts = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {
            **facts,
            "classes": list(self.classes),
            "rows": [_facts(row) for row in self.rows],
            "failures": [{**_facts(failure), "error": str(failure.error)} for failure in self.failures],
        }

    def __str__(self) -> str:
        return table.as_text(self)

    def _repr_html_(self) -> str:
        return table.as_html(self)


def _facts(row: ModelScore | ModelFailure) -> dict[str, Any]:
    facts = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    options = {name: value if isinstance(value, (str, bool)) else repr(value) for name, value in row.options.items()}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in facts.items()} | {
        "options": options
    }
