"""A hub that serves models from a folder, over HTTP, to programs and to people."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rehub.errors import DependencyError

if TYPE_CHECKING:
    from rehub.server.app import build_app
    from rehub.server.embedded import EmbeddedHub
    from rehub.server.foreground import serve
    from rehub.server.options import HubOptions

__all__ = ["EmbeddedHub", "HubOptions", "build_app", "serve"]

_LAZY = {
    "EmbeddedHub": "rehub.server.embedded",
    "HubOptions": "rehub.server.options",
    "build_app": "rehub.server.app",
    "serve": "rehub.server.foreground",
}
_PACKAGES = frozenset(
    {"anyio", "granian", "jinja2", "markdown_it", "markupsafe", "nh3", "pygments", "starlette", "yaml"}
)


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'rehub.server' has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(_LAZY[name]), name)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _PACKAGES:
            raise
        raise DependencyError(
            f"The hub server needs the package {package!r}, which is not installed.",
            hint='Run: pip install "rehub[server]"',
            package=package,
            required="rehub[server]",
        ) from error
