"""Resolvers that a program brings along; `rehub.alias` puts those here that it registers with tensorflow_hub."""

from __future__ import annotations

import os
from collections.abc import Callable

Find = Callable[["str | os.PathLike[str]"], "str | None"]
"""Gives the folder of a model by its handle; None for handles that rehub is to resolve."""

_find: Find | None = None


def find(handle: str | os.PathLike[str]) -> str | None:
    """Returns the folder that the program's own resolvers name for a handle; None if they leave it to rehub."""
    return None if _find is None else _find(handle)


def ask_first(find_folder: Find | None) -> None:
    """Sets what is asked for each handle before rehub resolves it; None for nothing."""
    global _find
    _find = find_folder
