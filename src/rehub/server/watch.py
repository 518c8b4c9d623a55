"""What every request goes through: its id, who asks, how often, the access log, and the metrics."""

from __future__ import annotations

import datetime
import json
import logging
import re
import secrets
import sys
import time
from collections.abc import MutableMapping
from typing import Any

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from rehub.errors import AccessError, HubError
from rehub.server.metrics import KINDS, Metrics
from rehub.server.options import HubOptions
from rehub.server.problems import problem, problem_of
from rehub.server.rate import Guesses, RateLimit
from rehub.server.visitor import Doorkeeper, Visitor, address_of

_LOG = logging.getLogger("rehub.server")
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TOKEN = re.compile(r"rehub_[a-z2-7]+")
_FREE = frozenset({"/healthz", "/metrics"})
_SHOWN = 500
_GONE = 499  # as nginx calls it: nobody was there to answer


class Watch:
    """An application around another one.

    Args:
        app: The other one. It finds ``request_id`` and `Visitor` as ``visitor`` in the state of its requests, and sets
            ``kind`` to one of `rehub.server.metrics.KINDS`.
        doorkeeper: Tells who asks.
        metrics: Where requests are counted.
        options: The hub's.
    """

    def __init__(self, app: ASGIApp, doorkeeper: Doorkeeper, metrics: Metrics, options: HubOptions) -> None:
        self._app = app
        self._doorkeeper = doorkeeper
        self._metrics = metrics
        self._options = options
        per_s = options.requests_per_s
        self._limit = RateLimit(per_s) if per_s is not None else None
        self._guesses = Guesses(per_s) if per_s is not None else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        begun = time.perf_counter()
        headers, state = Headers(scope=scope), scope["state"]
        wanted = headers.get("x-request-id", "")
        state["request_id"] = wanted if _ID.fullmatch(wanted) else secrets.token_hex(8)
        state["kind"] = "other"
        if self._options.is_behind_proxy and headers.get("x-forwarded-proto") in ("http", "https"):
            scope["scheme"] = headers["x-forwarded-proto"]
        client = address_of(scope.get("client"), headers, is_behind_proxy=self._options.is_behind_proxy)
        state["visitor"] = Visitor(client)
        answer = _Answer(send, state["request_id"])
        try:
            refusal = await self._refusal(Request(scope), headers.get("authorization"))
            await (refusal or self._app)(scope, receive, answer.send)
        except ConnectionResetError:  # nobody is there any more
            answer.status = _GONE
        except Exception:  # noqa: BLE001 - it was answered already
            _LOG.exception("request %s failed", state["request_id"])
        finally:
            self._note(scope, headers, answer, time.perf_counter() - begun)

    async def _refusal(self, request: Request, authorization: str | None) -> Response | None:
        """Finds out who asks; returns an answer where that is all that happens."""
        if request.scope["path"] in _FREE:
            return None
        visitor: Visitor = request.state.visitor
        refusal = None
        if authorization:
            wait_s = self._guesses.wait_s(visitor.address, authorization) if self._guesses is not None else 0.0
            if wait_s > 0:
                return self._limited(request, wait_s)
            try:
                visitor = await to_thread.run_sync(self._doorkeeper.visitor, visitor.address, authorization)
                self._tell(visitor, authorization, is_good=True)
            except AccessError as error:
                self._metrics.count("denied")
                self._tell(visitor, authorization, is_good=False)
                refusal = problem_of(request, error)
            except HubError as error:
                refusal = problem_of(request, error)
            request.state.visitor = visitor
        wait_s = self._limit.wait_s(visitor.key) if self._limit is not None else 0.0
        return self._limited(request, wait_s) if wait_s > 0 else refusal

    def _tell(self, visitor: Visitor, authorization: str, *, is_good: bool) -> None:
        if self._guesses is not None:
            self._guesses.tell(visitor.address, authorization, is_good=is_good)

    def _limited(self, request: Request, wait_s: float) -> Response:
        self._metrics.count("limited")
        wait = {"Retry-After": str(int(wait_s) + 1)}
        return problem(request, 429, "there are too many requests.", "Ask again later.", headers=wait)

    def _note(self, scope: Scope, headers: Headers, answer: _Answer, seconds: float) -> None:
        kind = scope["state"]["kind"]
        self._metrics.count_request(kind if kind in KINDS else "other", answer.status, answer.size_bytes, seconds)
        if not self._options.access_log or (scope["path"] in _FREE and answer.status == 200):
            return
        visitor: Visitor = scope["state"]["visitor"]
        query = scope["query_string"].decode("latin-1")
        values = {
            "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds"),
            "id": scope["state"]["request_id"],
            "client": visitor.address,
            "token": visitor.token.name if visitor.token else None,
            "method": scope["method"],
            "path": (scope["path"] + (f"?{query}" if query else ""))[:_SHOWN],
            "status": answer.status,
            "bytes": answer.size_bytes,
            "ms": round(seconds * 1000, 1),
            "agent": headers.get("user-agent", "")[:_SHOWN],
        }
        # Also where somebody wrote a token into a URL.
        print(_TOKEN.sub("rehub_…", json.dumps(values, ensure_ascii=True)), file=sys.stderr, flush=True)


class _Answer:
    """An answer on its way.

    Attributes:
        status: Its status; 500 before it begins.
        size_bytes: Of its body, as its headers say.
    """

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._id = request_id.encode()
        self.status = 500
        self.size_bytes = 0

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            lengths = (value for name, value in message["headers"] if name == b"content-length")
            self.size_bytes = int(next(lengths, 0))
            message = {**message, "headers": [*message["headers"], (b"x-request-id", self._id)]}
        await self._send(message)
