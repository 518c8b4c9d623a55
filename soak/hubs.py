"""Hubs that misbehave at random, and the models that they have."""

from __future__ import annotations

import dataclasses
import random
import re
import threading
from collections.abc import Mapping

from tests import sample
from tests.manifests import WEIGHTS, Hub
from tests.misbehaving import Answer, Request, ranged

VERSIONS = 4
NAMES = ("archive", "blocks")
PATHS = tuple(f"/soak/{name}{version}" for name in NAMES for version in ("", *(f"/{i}" for i in range(VERSIONS))))
"""Of the URLs that are loaded, those of newest versions among them."""

_PATH = re.compile(r"/soak/(archive|blocks)(?:/(\d+))?\?")
_BLOCK_BYTES = 64 << 10


def files(path: str) -> Mapping[str, bytes]:
    """Returns the model of a URL: its versions have most blocks in common."""
    last = path.rpartition("/")[2]
    version = int(last) if last.isdigit() else VERSIONS - 1
    weights = bytearray(random.Random(len(path.split("/")[2])).randbytes(8 * _BLOCK_BYTES + 99))
    at = version * _BLOCK_BYTES
    weights[at : at + 1000] = random.Random(version).randbytes(1000)
    return {**sample.FILES, WEIGHTS: bytes(weights), "assets/version.txt": b"%d" % version}


class MoodyHub:
    """A step of a `tests.misbehaving.MisbehavingServer` that does well, or something that servers do.

    Attributes:
        is_good: Whether it does well every time.
    """

    def __init__(self, seed: int) -> None:
        self.is_good = False
        self._dice = random.Random(seed)
        self._lock = threading.Lock()
        self._hubs = {path: Hub(files(path)) for path in PATHS if path[-1].isdigit()}
        self._archives = {path: sample.archive(hub.files) for path, hub in self._hubs.items()}

    def __call__(self, request: Request) -> Answer:
        """Answers a request."""
        answer = self._honest(request)
        with self._lock:
            mood = 1.0 if self.is_good else self._dice.random()
            at = self._dice.randrange(max(1, len(answer.body)))
        return answer if mood > 0.3 or not answer.body else _moody(answer, at, int(mood / 0.3 * 10))

    def _honest(self, request: Request) -> Answer:
        match = _PATH.match(request.target)
        assert match is not None
        name, version = match.groups()
        if version is None:
            newest = request.target.replace("?", f"/{VERSIONS - 1}?", 1)
            return Answer(status=302, headers={"Location": newest})
        path = f"/soak/{name}/{version}"
        if name == "archive":
            return ranged(self._archives[path], f'"{version}"')(request)
        return self._hubs[path](request)


def _moody(answer: Answer, at: int, mood: int) -> Answer:
    body, changed = answer.body, dataclasses.replace
    flipped = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
    return (
        changed(answer, cut_at=at, end="reset"),
        changed(answer, cut_at=at, end="stall"),
        changed(answer, cut_at=at, chunked=True),
        changed(answer, body=flipped),
        changed(answer, body=body + b"more"),
        changed(answer, headers={**answer.headers, "Content-Length": str(at)}),
        changed(answer, bytes_per_s=20_000.0),
        Answer(b"<html>Log in</html>", headers={"Content-Type": "text/html"}),
        Answer(status=503),
        Answer(status=429, headers={"Retry-After": "0"}),
    )[mood]
