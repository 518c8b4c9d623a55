"""Names beside the points of a plot, where they cover neither each other nor a point nor its error bar."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

_ANGLES = (0, 180, 45, 315, 135, 225, 90, 270)
_DISTANCES_POINTS = (5, 14, 26, 40, 56)
_FAR_POINTS = 10
_BAR_POINTS = 4


def place_labels(axes: Any, names: Sequence[str], points: Sequence[Any], errors: Sequence[float]) -> None:
    """Writes a name beside each point, as near as there is room; a line leads to those that are far off.

    Args:
        axes: The plot, whose limits are final.
        names: As many as points.
        points: Lines of one round marker each.
        errors: How far the error bar of each reaches up and down.
    """
    axes.figure.draw_without_rendering()  # which settles where everything is
    taken = [_box(axes, point, 0, point.get_markersize()) for point in points]
    taken += [_box(axes, point, error, _BAR_POINTS) for point, error in zip(points, errors, strict=True)]
    for name, point in zip(names, points, strict=True):
        label = _place(axes, name, point, taken)
        taken.append(label.get_window_extent())


def _place(axes: Any, name: str, point: Any, taken: Sequence[Any]) -> Any:
    """Tries places from near to far; the one that covers least stays, the first one of equals."""
    radius = point.get_markersize() / 2
    least, chosen = math.inf, (0, _DISTANCES_POINTS[0])
    for distance in _DISTANCES_POINTS:
        for angle in _ANGLES:
            label = _write(axes, name, point, angle, radius + distance)
            covered = _covered(axes, label.get_window_extent(), taken)
            label.remove()
            if covered < least:
                least, chosen = covered, (angle, distance)
        if not least:
            break
    angle, distance = chosen
    return _write(axes, name, point, angle, radius + distance, line=distance > _FAR_POINTS)


def _write(axes: Any, name: str, point: Any, angle: float, distance: float, *, line: bool = False) -> Any:
    x, y = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return axes.annotate(
        name,
        (point.get_xdata()[0], point.get_ydata()[0]),
        (distance * x, distance * y),
        textcoords="offset points",
        ha="center" if abs(x) < 0.5 else "left" if x > 0 else "right",
        va="center" if abs(y) < 0.5 else "bottom" if y > 0 else "top",
        fontsize=9,
        arrowprops={"arrowstyle": "-", "color": "#8a8a8a", "linewidth": 0.8} if line else None,
        zorder=4,
        annotation_clip=False,
    )


def _box(axes: Any, point: Any, error: float, size: float) -> Any:
    """Returns what a point takes up, in pixels: its error up and down, and half a size in points on each side."""
    from matplotlib.transforms import Bbox

    x, y = point.get_xdata()[0], point.get_ydata()[0]
    (left, bottom), (_, top) = axes.transData.transform([(x, y - error), (x, y + error)])
    half = size / 2 * axes.figure.dpi / 72
    return Bbox.from_extents(left - half, bottom - half, left + half, top + half)


def _covered(axes: Any, box: Any, taken: Sequence[Any]) -> float:
    """Returns the area of what lies under a box, and of what of it lies outside of the plot."""
    from matplotlib.transforms import Bbox

    def common(other: Any) -> float:
        both = Bbox.intersection(box, other)
        return 0.0 if both is None else float(both.width * both.height)

    return sum(map(common, taken)) + float(box.width * box.height) - common(axes.get_window_extent())
