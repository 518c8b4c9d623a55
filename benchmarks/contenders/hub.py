"""Our hub in a process of its own. Its answer is no measurement, but its port.

With ``archives`` in the arguments it sends archives to everyone, as hubs do that know no manifests.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from benchmarks.contenders.answering import answer
from rehub.server import EmbeddedHub, app

_Scope = MutableMapping[str, Any]


class _Deaf:
    """An application that does not hear what clients accept."""

    def __init__(self, inner: app.HubApp) -> None:
        self._inner = inner
        self.open, self.close = inner.open, inner.close

    async def __call__(self, scope: _Scope, receive: Any, send: Any) -> None:
        headers = [pair for pair in scope.get("headers", ()) if pair[0] != b"accept"]
        await self._inner({**scope, "headers": headers}, receive, send)


if "archives" in sys.argv[2:]:
    from rehub.server import embedded

    embedded.build_app = lambda *store: _Deaf(app.build_app(*store))  # type: ignore[assignment,return-value]

with EmbeddedHub(sys.argv[1]) as hub:

    def _port() -> Mapping[str, float]:
        return {"port": float(urlsplit(hub.url).port or 0)}

    answer(_port)
