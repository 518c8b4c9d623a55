"""Resolvers, to which a program may add its own; the one added last is asked first."""

from __future__ import annotations

import os
from typing import Any

from rehub.errors import UsageError
from rehub.resolvers import own_resolvers


class MultiImplRegister:
    """Several implementations of one function.

    Each has ``is_supported``, with the arguments of the call, which says whether it is for these.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._impls: list[Any] = []

    def add_implementation(self, impl: Any) -> None:
        """Adds an implementation, which is asked before those that are there."""
        self._impls.append(impl)

    def clear_implementations(self) -> None:
        """Removes all implementations."""
        self._impls.clear()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the implementation that was added last of those that support the arguments.

        Raises:
            UsageError: If there is none.
        """
        for impl in reversed(self._impls):
            if impl.is_supported(*args, **kwargs):
                return impl(*args, **kwargs)
        tried = [type(impl).__name__ for impl in reversed(self._impls)]
        raise UsageError(
            f"Missing implementation that supports: {self._name}(*{args!r}, **{kwargs!r}). Tried {tried!r}.",
            hint="Add one that does: tensorflow_hub.registry.resolver.add_implementation(…)",
        )


resolver = MultiImplRegister("resolver")
loader = MultiImplRegister("loader")
_rehubs: list[Any] = []


def _find(handle: str | os.PathLike[str]) -> str | None:
    """Asks what the program registered, unless that is just what was there."""
    if resolver._impls == _rehubs or not isinstance(handle, (str, os.PathLike)):
        return None
    found: str = resolver(os.fspath(handle))
    return found


def _begin_with(*impls: Any) -> None:
    """Registers rehub's own resolvers."""
    for impl in impls:
        resolver.add_implementation(impl)
    _rehubs.extend(impls)
    own_resolvers.ask_first(_find)
