"""Lets long code in tables break between its parts and nowhere else, so that tables fit a phone."""

from __future__ import annotations

import re
from typing import Any

_CELL = re.compile(r"<(t[dh])\b.*?</\1>", re.DOTALL)
_CODE = re.compile(r"(?<=<code>)[^<]+(?=</code>)")
_JOINT = re.compile(r"(?<=[A-Za-z0-9)\]][_./=,(\[-])(?=[A-Za-z0-9&])|(?<=[A-Za-z]{7}[a-z])(?=[A-Z][a-z]{3})")
"""Behind a sign, and between the long words of a name such as ``LatestModuleExporter``."""
_FLAG = re.compile(r"(?<![\w-])--[a-z0-9]+")
_SHORT = 12
"""Up to how many letters code stays in one piece."""


def on_page_content(html: str, **_: Any) -> str:
    """Says where the code in tables may break."""
    return _CELL.sub(lambda cell: _CODE.sub(_breaking, cell[0]), html)


def _breaking(code: re.Match[str]) -> str:
    text = _JOINT.sub("<wbr>", code[0]) if len(code[0]) > _SHORT else code[0]
    return _FLAG.sub(r'<span class="whole">\g<0></span>', text)
