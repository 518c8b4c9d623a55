"""Real text that needs no download: what the docstrings of installed scientific libraries say.

Their first sentences are short texts with a topic, since each library (or part of one) has its own. The longer
descriptions below them are plentiful unlabelled text of the same kind. No text is in both.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

TOPICS = {
    "graphs": "networkx",
    "images": "skimage",
    "plots": "matplotlib",
    "signals": "scipy/signal",
    "statistics": "scipy/stats",
    "optimisation": "scipy/optimize",
}
_DOCSTRING = re.compile(r'"""(.*?)"""', re.DOTALL)


def read_texts() -> tuple[dict[str, list[str]], list[str]]:
    """Returns the first sentences of docstrings by topic, and the descriptions that follow such sentences."""
    sentences: dict[str, list[str]] = {}
    descriptions = []
    for topic, path in TOPICS.items():
        found = set()
        for docstring in _docstrings(path):
            first, _, rest = docstring.strip().partition("\n\n")
            first = " ".join(first.split())
            if first.endswith(".") and 5 <= len(first.split()) <= 30:
                found.add(first)
            descriptions.append(rest)
        sentences[topic] = sorted(found)
    return sentences, descriptions


def _docstrings(path: str) -> list[str]:
    library, _, part = path.partition("/")
    specification = importlib.util.find_spec(library)
    if specification is None or specification.origin is None:
        raise SystemExit(f"This example reads the docstrings of {library}. Run: pip install 'rehub[demo]'")
    files = sorted((Path(specification.origin).parent / part).rglob("*.py"))
    sources = (file.read_text(encoding="utf-8", errors="replace") for file in files if "tests" not in file.parts)
    return [docstring for source in sources for docstring in _DOCSTRING.findall(source)]
