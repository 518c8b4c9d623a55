"""Numbers, sizes and dates as people read them on pages."""

from __future__ import annotations

import datetime

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def size(size_bytes: int) -> str:
    """Returns a size: ``1.2 MB`` are 1,200,000 bytes."""
    value, unit = float(size_bytes), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if unit == 0 or value >= 99.95 else f"{value:.1f} {_UNITS[unit]}"


def count(number: int, what: str) -> str:
    """Returns a number of things: ``1 model``, ``2 models``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def day(time: datetime.datetime) -> str:
    """Returns a day: ``3 Aug 2026``."""
    return f"{time.day} {_MONTHS[time.month - 1]} {time.year}"
