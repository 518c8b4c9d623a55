"""Names for what is in a nest, in the order of ``tf.nest.flatten``."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def names_of(nest: Any, alone: str, prefix: str) -> list[str]:
    """Returns a name for each leaf: the keys that lead to it, with a number where another leaf has that name.

    Args:
        nest: Of dicts, lists and tuples.
        alone: The name if the nest is a leaf itself.
        prefix: What the names begin with if it is a list or tuple.
    """
    if not isinstance(nest, (Mapping, list, tuple)):
        return [alone]
    before = () if isinstance(nest, Mapping) else (prefix,)
    return numbered("_".join((*before, *path)) for path in _paths(nest))


def numbered(names: Iterable[str]) -> list[str]:
    """Returns names that all differ: one that was there before gets a number at its end."""
    found: list[str] = []
    for name in names:
        others = (f"{name}_{number}" for number in itertools.count(1))
        found.append(next(each for each in itertools.chain([name], others) if each not in found))
    return found


def _paths(nest: Any) -> Iterator[tuple[str, ...]]:
    if isinstance(nest, Mapping):
        parts = [(str(key), nest[key]) for key in sorted(nest)]
    elif isinstance(nest, (list, tuple)):
        parts = [(str(place), value) for place, value in enumerate(nest)]
    else:
        yield ()
        return
    for key, value in parts:
        yield from ((key, *path) for path in _paths(value))
