"""The models of a comparison, by name."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from rehub.errors import ComparisonError

Handle: TypeAlias = "str | os.PathLike[str]"
Options: TypeAlias = Mapping[str, Any]
"""Arguments of `rehub.KerasLayer`."""
Entry: TypeAlias = "Handle | tuple[Handle, Options]"

_VERSION = re.compile(r"\d+")


def named(handles: Sequence[Entry] | Mapping[str, Entry]) -> dict[str, tuple[Handle, Options]]:
    """Returns handles and options by name: the caller's, or what tells a handle (or its options) from the others.

    Raises:
        ComparisonError: If there are none, or some is no handle, or the same is there twice.
    """
    if isinstance(handles, (str, os.PathLike)) or not handles:
        raise ComparisonError(
            f"There are no models to compare: the handles are {handles!r}.", hint="Pass a list of paths or URLs."
        )
    if isinstance(handles, Mapping):
        return {name: _as_pair(entry) for name, entry in handles.items()}
    pairs = [_as_pair(entry) for entry in handles]
    names = _short([os.fspath(handle) for handle, _ in pairs])
    models: dict[str, tuple[Handle, Options]] = {}
    for name, (handle, options) in zip(names, pairs, strict=True):
        alone = names.count(name) == 1
        full = name if alone else ", ".join([name, *(f"{key}={value}" for key, value in options.items())])
        if full in models:
            raise ComparisonError(f"'{handle}' is there twice.", hint="Leave one out, or give them other options.")
        models[full] = handle, options
    return models


def _as_pair(entry: Any) -> tuple[Handle, Options]:
    handle, options = entry if isinstance(entry, tuple) and len(entry) == 2 else (entry, {})
    if not isinstance(handle, (str, os.PathLike)) or not isinstance(options, Mapping):
        raise ComparisonError(
            f"This is no model to compare: {entry!r}.",
            hint="Pass a path or a URL, or a pair of that and a dict of options for hub.KerasLayer.",
        )
    return handle, options


def _short(handles: Sequence[str]) -> list[str]:
    """Returns for each the fewest last parts by which all differ, at least one that is no number.

    What all end in, such as the same version, is left out.
    """
    paths = [handle.rstrip("/").split("/") for handle in handles]
    while len({parts[-1] for parts in paths}) == 1 < min(map(len, paths)) and len(set(handles)) > 1:
        paths = [parts[:-1] for parts in paths]
    for count in range(1, max(map(len, paths)) + 1):
        names = ["/".join(parts[-count:]) for parts in paths]
        if len(set(names)) == len(set(handles)) and not any(map(_VERSION.fullmatch, names)):
            return names
    return list(handles)
