"""From granian's own interface, RSGI, to ASGI: it sends files and parts of them without the help of Python.

ASGI has a message for whole files only. What is lost on the way is the raw path: ``%2F`` arrives as ``/``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from granian.rsgi import HTTPProtocol, ProtocolClosed, ProtocolError, Scope  # type: ignore[attr-defined]

_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_DRAINED_BYTES = 32 << 20
_DRAINED_S = 10.0

SEND_FILE = "rehub.response.file"
"""The message, and the extension of the scope, by which a file is sent: ``path``, and perhaps ``part``, which is the
first byte and the one after the last."""

AsgiScope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Application(Protocol):
    """An ASGI application with a begin and an end, both in the process that serves it."""

    def open(self) -> None:
        """Called before the first request."""

    def close(self) -> None:
        """Called after the last one, perhaps more than once."""

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answers a request."""


class Bridge:
    """An ASGI application as granian runs it.

    Args:
        app: The application; it is opened and closed each time it is served.
    """

    def __init__(self, app: Application) -> None:
        self._app = app

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._app.open()

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._app.close()

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        exchange = _Exchange(protocol, has_body=scope.method in _WITH_BODY)
        await self._app(_asgi_scope(scope), exchange.receive, exchange.send)


class _Exchange:
    """One request and its answer.

    Args:
        protocol: granian's.
        has_body: Whether the client may send more than headers.
    """

    def __init__(self, protocol: HTTPProtocol, *, has_body: bool) -> None:
        self._protocol = protocol
        self._body: AsyncIterator[bytes] | None = None
        self._is_read = False
        self._has_body = has_body
        self._status = 500
        self._headers: list[tuple[str, str]] = []
        self._stream: Any = None

    async def receive(self) -> MutableMapping[str, Any]:
        if self._is_read:
            await self._protocol.client_disconnect()
            return {"type": "http.disconnect"}
        if self._body is None:
            self._body = aiter(self._protocol)
        try:
            return {"type": "http.request", "body": await anext(self._body), "more_body": True}
        except StopAsyncIteration:
            self._is_read = True
            return {"type": "http.request", "body": b"", "more_body": False}
        except (ProtocolClosed, ProtocolError):  # the client is gone before it sent all
            return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            await self._drain()
            self._status = message["status"]
            self._headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
        elif kind == SEND_FILE:
            path, part = message["path"], message.get("part")
            if part is None:
                self._protocol.response_file(self._status, self._headers, path)
            else:
                self._protocol.response_file_range(self._status, self._headers, path, *part)
        elif kind == "http.response.body":
            await self._send_body(message.get("body", b""), is_last=not message.get("more_body", False))

    async def _drain(self) -> None:
        """Reads the rest of what the client sends, which would not read the answer before it has sent that."""
        if not self._has_body or self._is_read:
            return

        async def read() -> None:
            left = _DRAINED_BYTES
            while left > 0 and not self._is_read:
                message = await self.receive()
                left -= len(message.get("body", b""))
                self._is_read |= message["type"] == "http.disconnect"

        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(read(), _DRAINED_S)

    async def _send_body(self, data: bytes, *, is_last: bool) -> None:
        if self._stream is None and is_last:
            self._protocol.response_bytes(self._status, self._headers, data)
            return
        try:
            if self._stream is None:
                self._stream = self._protocol.response_stream(self._status, self._headers)
            if data:
                await self._stream.send_bytes(data)
        except ProtocolClosed as error:
            raise ConnectionResetError("the client is gone") from error


def _asgi_scope(scope: Scope) -> AsgiScope:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in scope.headers.items()]
    if scope.authority is not None:
        headers.append((b"host", scope.authority.encode("latin-1")))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "extensions": {SEND_FILE: {}},
        "http_version": scope.http_version,
        "scheme": scope.scheme,
        "method": scope.method,
        "path": scope.path,
        "query_string": scope.query_string.encode("latin-1", errors="replace"),
        "root_path": "",
        "headers": headers,
        "client": _address(scope.client),
        "server": _address(scope.server),
        "state": {},
    }


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port) if port.isdecimal() else 0
