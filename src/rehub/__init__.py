"""rehub: the complete TensorFlow Hub on today's TensorFlow and Keras. Import it as ``hub``.

The names that need TensorFlow arrive on first use, so that ``import rehub`` is quick and needs none.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rehub import errors
from rehub.configuration import Settings, define_flags, settings

if TYPE_CHECKING:
    from rehub.keras import KerasLayer
    from rehub.resolvers.chain import resolve
    from rehub.runtime.load import load

__version__ = "0.1.0"

__all__ = ["KerasLayer", "Settings", "__version__", "errors", "load", "resolve", "settings"]

_LAZY = {
    "KerasLayer": "rehub.keras",
    "load": "rehub.runtime.load",
    "resolve": "rehub.resolvers.chain",
}

define_flags()


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'rehub' has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
