"""The documents of the repository, and what stands in them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("*", "docs/**/*", "examples/*", "notebooks/*")
    for path in ROOT.glob(f"{folder}.md")
)

_FENCE = re.compile(r"^([ \t]*)(```+|~~~+)[ \t]*([^\n`]*)\n(.*?)^[ \t]*\2[ \t]*$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} +(.*?)(?: +#+)?$", re.MULTILINE)


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[tuple[str, str, str]]:
    """Returns the indentation, the language with what follows it, and the content of each block of code."""
    return [(indent, info.strip(), code) for indent, _, info, code in _FENCE.findall(text(page))]


def without_code(page: str) -> str:
    return re.sub(r"``[^\n]*?``|`[^`\n]*`", "", _FENCE.sub("", text(page)))


def anchors(page: str) -> set[str]:
    """Returns the anchors of the headings, as GitHub and the site make them."""
    names = (re.sub(r"\]\([^)]*\)", "]", heading) for heading in _HEADING.findall(_FENCE.sub("", text(page))))
    return {re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", name).strip().lower()) for name in names}
