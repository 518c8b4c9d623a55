"""Our hub in a process of its own. Its answer is no measurement, but its port."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from urllib.parse import urlsplit

from benchmarks.contenders.answering import answer
from rehub.server import EmbeddedHub

with EmbeddedHub(sys.argv[1]) as hub:

    def _port() -> Mapping[str, float]:
        return {"port": float(urlsplit(hub.url).port or 0)}

    answer(_port)
