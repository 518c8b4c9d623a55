"""Two pictures of a training: which classes are taken for which, and how it went."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rehub.errors import DependencyError

if TYPE_CHECKING:
    from rehub.train.stage import Epoch

_MOST = 30
"""Classes in the picture; more cannot be read."""

_NUMBERED = 25
"""With more classes than that, the cells have no numbers."""

_LONGEST = 30
_CELL_INCHES = 0.42
_RARE_CONFUSIONS_SEEN = 0.5
"""The power of shares by which cells are coloured."""

_SMALLEST_INCHES = 2.6
_TRAINING, _VALIDATION, _DARK = "#6f9bc8", "#2b6a4d", "#404040"
_DPI = 130


def check_dependencies() -> None:
    """Raises an error where nothing can be drawn.

    Raises:
        DependencyError: If matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise DependencyError(
            "The pictures of a training need matplotlib, which is not installed.",
            hint="Run: pip install 'rehub[plot]'",
            package="matplotlib",
        ) from error


def draw_confusion(confusion: NDArray[np.int64], classes: Sequence[str], path: Path) -> None:
    """Draws how many examples of each class (rows) were taken for each class (columns).

    Of very many classes, those are drawn that are confused most.

    Args:
        confusion: ``[classes, classes]``.
        classes: Their names.
        path: The PNG file to write.
    """
    # Not pyplot: that chooses a backend for the whole process.
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

    total, right = int(confusion.sum()), int(np.trace(confusion))
    chosen = _most_confused(confusion)
    shown, names = confusion[np.ix_(chosen, chosen)], [shortened(classes[place]) for place in chosen]
    side = max(_SMALLEST_INCHES, _CELL_INCHES * len(names))
    margin = 0.085 * max(map(len, names)) + 1.0
    figure = Figure(figsize=(side + margin + 0.9, side + margin + 0.4), layout="constrained")
    axes = figure.add_subplot()
    shares = shown / np.maximum(confusion[chosen].sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Greens", norm=PowerNorm(_RARE_CONFUSIONS_SEEN, vmin=0, vmax=1))
    _write_numbers(axes, shown, shares)
    axes.set_xticks(range(len(names)), names, rotation=90 if len(names) > 5 else 30, fontsize=9)
    if len(names) <= 5:
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("right")
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("predicted class", labelpad=8)
    axes.set_ylabel("true class", labelpad=8)
    figure.colorbar(
        image, ax=axes, shrink=0.6, label="share of the true class", ticks=[0, 0.05, 0.2, 0.5, 1]
    ).outline.set_visible(False)
    title = f"{right:,} of {total:,} validation examples are right ({right / max(total, 1):.1%})"
    if len(chosen) < len(classes):
        title += f"\nShown: the {len(chosen)} of {len(classes)} classes that are confused most"
    axes.set_title(title, fontsize=11, pad=10)
    figure.savefig(path, dpi=_DPI)


def shortened(name: str) -> str:
    """Returns a name for which there is room beside a picture; its end tells names apart as often as its beginning."""
    if len(name) <= _LONGEST:
        return name
    half = (_LONGEST - 1) // 2
    return f"{name[:half].rstrip()}…{name[-half:].lstrip()}"


def _most_confused(confusion: NDArray[np.int64]) -> NDArray[np.int64]:
    wrong = confusion.sum(axis=0) + confusion.sum(axis=1) - 2 * np.diagonal(confusion)
    most: NDArray[np.int64] = np.sort(np.argsort(-wrong, kind="stable")[:_MOST])
    return most


def _write_numbers(axes: Any, numbers: NDArray[np.int64], shares: NDArray[np.float64]) -> None:
    if len(numbers) > _NUMBERED:
        return
    for (row, column), number in np.ndenumerate(numbers):
        if number:
            color = "white" if shares[row, column] > 0.35 else _DARK
            size = 9 if number < 1000 or len(numbers) < 6 else 6.5
            axes.text(column, row, f"{number}", ha="center", va="center", color=color, fontsize=size)


def draw_curves(epochs: Sequence[Epoch], path: Path) -> None:
    """Draws loss and accuracy after each epoch, on the examples to train with and on those for the validation.

    Args:
        epochs: Of all stages, one after the other.
        path: The PNG file to write.
    """
    from matplotlib.figure import Figure

    stages = list(dict.fromkeys(epoch.stage for epoch in epochs))
    figure = Figure(figsize=(5 + 3.2 * len(stages), 6), layout="constrained")
    grid = figure.subplots(2, len(stages), squeeze=False, sharey="row", sharex="col")
    for column, stage in enumerate(stages):
        of_stage = [epoch for epoch in epochs if epoch.stage == stage]
        for axes, (label, key) in zip(grid[:, column], (("loss", "loss"), ("accuracy", "accuracy")), strict=True):
            _draw_curve(axes, of_stage, key)
            axes.set_ylabel(label if column == 0 else "")
        grid[0, column].set_title(_STAGES.get(stage, stage), fontsize=11)
        grid[1, column].set_xlabel("epoch")
    for axes in grid[1]:
        axes.set_ylim(0, 1.02)
    grid[0, 0].set_ylim(bottom=0)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, dpi=_DPI)


_STAGES = {"head": "The new last layer alone", "fine-tuning": "Fine-tuning all of it"}


def _draw_curve(axes: Any, epochs: Sequence[Epoch], key: str) -> None:
    from rehub.train.stage import best_of

    numbers = [epoch.number for epoch in epochs]
    held_out = [getattr(epoch, f"validation_{key}") for epoch in epochs]
    trained = [(epoch.number, getattr(epoch, key)) for epoch in epochs if getattr(epoch, key) is not None]
    marker = "o" if len(epochs) <= 12 else ""
    axes.plot(
        [each[0] for each in trained], [each[1] for each in trained], color=_TRAINING, marker=marker, ms=4,
        label="examples to train with, while they were",
    )  # fmt: skip
    axes.plot(numbers, held_out, color=_VALIDATION, marker=marker, ms=4, label="validation, after the epoch")
    best = best_of(epochs)
    axes.plot(
        best.number, getattr(best, f"validation_{key}"), "D", color=_VALIDATION, ms=8, mec="white",
        label="least validation loss: kept", linestyle="none", zorder=4,
    )  # fmt: skip
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(color="#e6e6e6", zorder=0)
    axes.spines[["top", "right"]].set_visible(False)
