"""A comparison as a table: cells, text, and HTML for notebooks."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rehub.comparison.result import Comparison

RIGHT = range(1, 7)
"""The columns with numbers."""

_GAP = "   "


def headings(comparison: Comparison) -> tuple[str, ...]:
    """Returns the names of the columns."""
    return ("MODEL", comparison.metric.upper(), "LATENCY", "SIZE", "PARAMS", "WIDTH", "LOAD")


def cells(comparison: Comparison) -> list[tuple[str, ...]]:
    """Returns a row for each model; those that failed come last. Each column has one unit, to be compared at sight."""
    rows = [
        (
            row.name,
            f"{row.score:.3f} ±{row.standard_error:.3f}",
            f"{number(row.latency_s * 1e3)} ms",
            f"{number(row.size_bytes / 1e6)} MB",
            f"{number(row.parameters / 1e6)} M",
            f"{row.width:,}",
            f"{number(row.load_s)} s",
        )
        for row in comparison.rows
    ]
    return [*rows, *((failure.name, "failed", *[""] * 5) for failure in comparison.failures)]


def captions(comparison: Comparison) -> tuple[str, str]:
    """Returns what was compared and what the numbers are, in a sentence each."""
    classes = len(comparison.classes)
    kinds = f" of {classes:,} classes; the commonest is {comparison.chance:.3f} of them" if classes else ""
    return (
        f"{comparison.examples:,} examples{kinds}.",
        f"{comparison.folds} folds, mean ± standard error; latency for an example, in batches of "
        f"{comparison.batch_size}.",
    )


def number(value: float) -> str:
    """Returns three digits of a positive number, as ``0.0123``, ``1.23`` or ``1,230``."""
    if value < 0.001:
        return "<0.001" if value else "0"
    digits = 2 - math.floor(math.log10(value))
    return f"{round(value, digits):,.{max(0, digits)}f}"


def as_text(comparison: Comparison) -> str:
    """Returns the table as lines, then why models failed."""
    rows = [headings(comparison), *cells(comparison)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        _GAP.join(
            cell.rjust(width) if column in RIGHT else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    failures = [f"{failure.name} failed: {failure.error}" for failure in comparison.failures]
    return "\n".join([*lines, *captions(comparison), *failures])


def as_html(comparison: Comparison) -> str:
    """Returns the same as HTML."""

    def row(tag: str, texts: tuple[str, ...]) -> str:
        styled = (
            f'<{tag} style="text-align:{"right" if column in RIGHT else "left"}">{html.escape(text)}</{tag}>'
            for column, text in enumerate(texts)
        )
        return f"<tr>{''.join(styled)}</tr>"

    caption = html.escape(" ".join(captions(comparison)))
    body = "".join(row("td", texts) for texts in cells(comparison))
    failures = (
        f"<p><b>{html.escape(failure.name)}</b> failed: {html.escape(str(failure.error))}</p>"
        for failure in comparison.failures
    )
    return (
        f"<table><caption>{caption}</caption><thead>{row('th', headings(comparison))}</thead>"
        f"<tbody>{body}</tbody></table>{''.join(failures)}"
    )
