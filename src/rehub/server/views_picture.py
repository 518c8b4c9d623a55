"""The picture of a model's variables: a treemap, in which each area is a size."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from rehub.server.views_interface import VariableView
from rehub.words import count, size

WIDTH, HEIGHT = 400.0, 190.0
"""Of the drawing, in its own units."""

_SHOWN = 40
_GAP = 1.5
_LABELLED_WIDTH, _LABELLED_HEIGHT = 30.0, 18.0


@dataclasses.dataclass(frozen=True)
class Area:
    """One rectangle of the drawing.

    Attributes:
        x: Of its left edge.
        y: Of its upper edge.
        width: In units of the drawing.
        height: In units of the drawing.
        kind: ``trainable``, ``fixed``, or ``others`` for all those that are too small.
        title: What it shows, in full.
        label: What is written into it, as far as it fits; empty where there is no room.
    """

    x: float
    y: float
    width: float
    height: float
    kind: str
    title: str
    label: str


@dataclasses.dataclass(frozen=True)
class Picture:
    """A drawing, and the same in words."""

    areas: tuple[Area, ...]
    description: str
    has_trainable: bool
    has_fixed: bool


def draw_variables(variables: Sequence[VariableView]) -> Picture | None:
    """Draws variables by size; None where there is nothing to compare.

    Args:
        variables: The largest first.
    """
    sized = [variable for variable in variables if variable.size_bytes > 0]
    if len(sized) < 2:
        return None
    total = sum(variable.size_bytes for variable in sized)
    shown, others = sized[:_SHOWN], sized[_SHOWN:]
    items = [(variable.size_bytes, _kind(variable), variable.name, variable.size) for variable in shown]
    if others:
        rest = sum(variable.size_bytes for variable in others)
        items.append((rest, "others", f"{len(others):,} smaller ones", size(rest)))
        items.sort(key=lambda item: -item[0])
    places = _squarified([item[0] / total * WIDTH * HEIGHT for item in items])
    areas = tuple(
        _area(place, kind, name, f"{name}: {text}, {100 * size_bytes / total:.1f} %")
        for place, (size_bytes, kind, name, text) in zip(places, items, strict=True)
    )
    largest = sized[0]
    return Picture(
        areas,
        f"{count(len(sized), 'variable')}, {size(total)} in all. The largest is {largest.name} with {largest.size}, "
        f"{100 * largest.size_bytes / total:.0f} % of it.",
        has_trainable=any(area.kind == "trainable" for area in areas),
        has_fixed=any(area.kind == "fixed" for area in areas),
    )


def _kind(variable: VariableView) -> str:
    return "trainable" if variable.is_trainable else "fixed"


def _area(place: tuple[float, float, float, float], kind: str, name: str, title: str) -> Area:
    x, y, width, height = place
    short = name if kind == "others" else "/".join(name.split("/")[-2:])
    label = short if width >= _LABELLED_WIDTH and height >= _LABELLED_HEIGHT else ""
    inner_width, inner_height = (round(max(side - _GAP, 0.2), 2) for side in (width, height))
    return Area(round(x, 2), round(y, 2), inner_width, inner_height, kind, title, label)


def _squarified(areas: Sequence[float]) -> list[tuple[float, float, float, float]]:
    """Places rectangles of these areas, the largest first, so that they come close to squares.

    Source: M. Bruls, K. Huizing, J. van Wijk, "Squarified Treemaps" (2000).
    """
    places: list[tuple[float, float, float, float]] = []
    x, y, width, height = 0.0, 0.0, WIDTH, HEIGHT
    row: list[float] = []
    waiting = list(areas)[::-1]
    while waiting or row:
        side = min(width, height)
        if waiting and (not row or _worst([*row, waiting[-1]], side) <= _worst(row, side)):
            row.append(waiting.pop())
            continue
        thickness = sum(row) / side if side else 0.0
        at = 0.0
        for area in row:
            length = area / thickness if thickness else 0.0
            places.append((x, y + at, thickness, length) if width >= height else (x + at, y, length, thickness))
            at += length
        if width >= height:
            x, width = x + thickness, max(width - thickness, 1e-9)
        else:
            y, height = y + thickness, max(height - thickness, 1e-9)
        row = []
    return places


def _worst(row: Sequence[float], side: float) -> float:
    """How far the rectangles of a row are from squares."""
    total = sum(row)
    return max(side**2 * max(row) / total**2, total**2 / (side**2 * min(row)))
