"""Ages, as people write them."""

from __future__ import annotations

import re

import click

_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([hdwy])", re.IGNORECASE)
_AGE_S = {"h": 3_600, "d": 86_400, "w": 604_800, "y": 31_557_600}


def age_s(text: str) -> float:
    """Reads an age such as ``30d``, in seconds.

    Raises:
        click.BadParameter: If it is none.
    """
    match = _AGE.fullmatch(text)
    if match is None:
        raise click.BadParameter(f"{text!r} is no age. Write a number and h, d, w or y, such as 30d.")
    return float(match[1]) * _AGE_S[match[2].lower()]
