"""Our hub in a process of its own. Its answer is no measurement, but its port.

With ``archives`` in the arguments it sends archives to everyone, as hubs do that know no manifests.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.contenders.answering import answer
from rehub.server import EmbeddedHub, app

_Scope = MutableMapping[str, Any]


def _knows_no_manifests(build: Callable[..., Any]) -> Callable[..., Any]:
    def built(folder: Path, **options: Any) -> Callable[[_Scope, Any, Any], Awaitable[None]]:
        inner = build(folder, **options)

        async def deaf(scope: _Scope, receive: Any, send: Any) -> None:
            headers = [pair for pair in scope.get("headers", ()) if pair[0] != b"accept"]
            await inner({**scope, "headers": headers}, receive, send)

        return deaf

    return built


if "archives" in sys.argv[2:]:
    from rehub.server import embedded

    embedded.build_app = _knows_no_manifests(app.build_app)

with EmbeddedHub(sys.argv[1]) as hub:

    def _port() -> Mapping[str, float]:
        return {"port": float(urlsplit(hub.url).port or 0)}

    answer(_port)
