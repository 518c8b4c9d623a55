"""Names of tensorflow_hub that are there to be imported, and whose use makes no sense on rehub."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from rehub.errors import UsageError


class Retired:
    """Stands for a function or class of tensorflow_hub; whoever calls it or derives from it gets an error."""

    def __init__(self, name: str, hint: str) -> None:
        self._name = name
        self._hint = hint

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        """Raises the error.

        Raises:
            UsageError: Always.
        """
        raise UsageError(f"rehub has no {self._name}, which is of the inside of tensorflow_hub.", hint=self._hint)

    def __mro_entries__(self, _: Any) -> NoReturn:
        self()

    def __repr__(self) -> str:
        return f"<{self._name}, which rehub does not have>"


def retired(module: str, hint: str, *names: str) -> Callable[[str], Any]:
    """Returns the ``__getattr__`` of a module.

    Args:
        module: The module's name.
        hint: What to use instead.
        *names: What it has no more.
    """

    def find(name: str) -> Retired:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return Retired(f"{module}.{name}", hint)

    return find
