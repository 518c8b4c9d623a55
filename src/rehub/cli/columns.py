"""Text in columns. rich lays out tables too, but takes longer to import than most commands take to run."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

_PIECE = re.compile(r"[^\s/]*[\s/]|[^\s/]+")
_GAP = 3
_NARROWEST = 10


def lay_out(rows: Sequence[Sequence[str]], width: int | None, right: Collection[int] = ()) -> list[list[str]]:
    """Puts rows into columns that fit a width; what is too long goes on in the next line, nothing is cut off.

    Args:
        rows: The cells, as many in each row.
        width: In characters; None for as wide as it takes.
        right: The columns, from 0, that are aligned to the right; these are never made narrower.

    Returns:
        The lines of each row.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if width is not None:
        _narrow(widths, width, right)
    return [_lines(row, widths, right) for row in rows]


def _narrow(widths: list[int], width: int, right: Collection[int]) -> None:
    flexible = [index for index in range(len(widths)) if index not in right]
    for _ in range(sum(widths) + _GAP * (len(widths) - 1) - width):
        widest = max(flexible, key=lambda index: widths[index])
        if widths[widest] <= _NARROWEST:
            return
        widths[widest] -= 1


def _lines(row: Sequence[str], widths: Sequence[int], right: Collection[int]) -> list[str]:
    cells = [folded(cell, width) for cell, width in zip(row, widths, strict=True)]
    lines = []
    for number in range(max(map(len, cells))):
        parts = [cell[number] if number < len(cell) else "" for cell in cells]
        aligned = [
            part.rjust(width) if index in right else part.ljust(width)
            for index, (part, width) in enumerate(zip(parts, widths, strict=True))
        ]
        lines.append((" " * _GAP).join(aligned).rstrip())
    return lines


def folded(cell: str, width: int) -> list[str]:
    """Breaks a text after blanks and slashes, and elsewhere if there are none."""
    if len(cell) <= width:
        return [cell]
    lines = [""]
    for piece in _PIECE.findall(cell):
        if lines[-1] and len(lines[-1] + piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
        while len(lines[-1].rstrip()) > width:
            lines[-1:] = [lines[-1][:width], lines[-1][width:]]
    return [line.rstrip() for line in lines]
