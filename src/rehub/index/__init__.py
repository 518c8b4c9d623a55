"""Nearest neighbours among the rows that a model was run on."""

from __future__ import annotations

from rehub.index.building import Built, build
from rehub.index.search import Index, Match, open_index

__all__ = ["Built", "Index", "Match", "build", "open_index"]
