"""A comparison as a picture: what is gained, and for what time and size."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

from rehub.comparison.label_places import place_labels
from rehub.errors import DependencyError, UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rehub.comparison.result import Comparison

BEST, OTHER, DARK = "#2b6a4d", "#6f9bc8", "#404040"
_LARGEST_POINTS = 36.0
_SMALLEST_POINTS = 7.0


def check_dependencies() -> None:
    """Raises an error where nothing can be drawn.

    Raises:
        DependencyError: If matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise DependencyError(
            "The plot needs matplotlib, which is not installed.",
            hint="Run: pip install 'rehub[plot]'",
            package="matplotlib",
        ) from error


def draw(comparison: Comparison, path: str | os.PathLike[str] | None) -> Figure:
    """Draws scores with error bars against latencies, with bubbles whose areas are the sizes; see `Comparison.plot`."""
    check_dependencies()
    # Not pyplot: that chooses a backend for the whole process.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    rows = comparison.rows
    largest = max(row.size_bytes for row in rows)
    latencies = [row.latency_s * 1e3 for row in rows]
    points = []
    for row, latency in zip(rows, latencies, strict=True):
        color, diameter = BEST if row is comparison.best else OTHER, _diameter(row.size_bytes, largest)
        # Small bubbles lie on large ones, and error bars on all.
        order = 3 - diameter / _LARGEST_POINTS
        points += axes.plot(latency, row.score, "o", color=color, mec="white", ms=diameter, alpha=0.9, zorder=order)
        axes.errorbar(
            latency, row.score, row.standard_error, fmt="none", ecolor=DARK, elinewidth=1, capsize=3, zorder=4
        )
    _set_axes(axes, comparison, latencies)
    _add_legend(axes, largest, min(row.size_bytes for row in rows))
    place_labels(axes, [row.name for row in rows], points, [row.standard_error for row in rows])
    if path is not None:
        _save(figure, path)
    return figure


def _diameter(size_bytes: int, largest: int) -> float:
    return max(_SMALLEST_POINTS, _LARGEST_POINTS * math.sqrt(size_bytes / max(largest, 1)))


def _set_axes(axes: Any, comparison: Comparison, latencies: list[float]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    axes.set_xscale("log")
    middle = math.sqrt(min(latencies) * max(latencies))
    reach = max(3.0, 1.6 * max(latencies) / middle)  # room for labels, and more than one tick
    axes.set_xlim(middle / reach, middle * reach)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.margins(y=0.25)
    axes.autoscale_view(scalex=False)
    low, high = axes.get_ylim()
    axes.set_yticks([tick for tick in axes.get_yticks() if low <= tick <= min(high, 1)])  # no score is above 1
    axes.set_xlabel(f"latency: ms for an example, in batches of {comparison.batch_size}")
    axes.set_ylabel(f"{comparison.metric}, mean of {comparison.folds} folds ± standard error")
    axes.set_title(
        f"Linear heads on {len(comparison.rows)} frozen models, {comparison.examples:,} examples. Green: best.",
        fontsize=11,
    )
    axes.grid(color="#e6e6e6", zorder=0)
    axes.spines[["top", "right"]].set_visible(False)


def _add_legend(axes: Any, largest: int, smallest: int) -> None:
    """Shows what bubbles of two or three round sizes look like."""
    sizes = sorted({_rounded(size) for size in (smallest, math.sqrt(smallest * largest), largest) if size >= 1})
    handles = [
        axes.plot([], [], "o", color="#d0d0d0", markersize=_diameter(size, largest), label=f"{size / 1e6:g} MB")[0]
        for size in sizes
    ]
    axes.legend(
        handles=handles,
        title="size on disk",
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        frameon=False,
        labelspacing=2.4,
        handletextpad=1.4,
        borderpad=1.6,
    )


def _rounded(size: float) -> int:
    """Returns a size with one digit."""
    return int(round(size, -math.floor(math.log10(size))))


def _save(figure: Any, path: str | os.PathLike[str]) -> None:
    try:
        figure.savefig(path, dpi=130)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"The plot cannot be written to '{os.fspath(path)}': {error}.",
            hint="Name a file that ends in .png, .svg or .pdf, in a folder that exists.",
        ) from error
