"""A loopback server that does what a script says, one step a request: also what no honest server does."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from typing import Literal


@dataclasses.dataclass(frozen=True)
class Request:
    """What a client sent. ``target`` is the second word of the request line."""

    method: str
    target: str
    headers: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the server sends.

    Attributes:
        body: The whole body.
        status: Any number.
        headers: Sent as they are; ``Content-Length`` is added unless it is here or the body is chunked.
        cut_at: How many bytes of the body are really sent; None for all.
        end: Close the connection, reset it, or keep silent until the client gives up.
        chunked: Send in chunks of 1000 bytes; a cut body lacks its last chunk.
        bytes_per_s: How fast the body is sent at most; None for as fast as it goes.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    cut_at: int | None = None
    end: Literal["close", "reset", "stall"] = "close"
    chunked: bool = False
    bytes_per_s: float | None = None


@dataclasses.dataclass(frozen=True)
class Drip:
    """An answer that never ends: its beginning at once, and then the same bytes again and again."""

    start: bytes
    again: bytes


Step = Answer | Drip | Callable[[Request], Answer]


def ranged(body: bytes, etag: str, **changes: object) -> Callable[[Request], Answer]:
    """Makes a step that honours Range and If-Range, as a good server does."""

    def step(request: Request) -> Answer:
        wanted = request.headers.get("range", "")
        headers = {"ETag": etag, "Accept-Ranges": "bytes"}
        if not wanted or request.headers.get("if-range") != etag:
            return Answer(body, headers=headers, **changes)  # type: ignore[arg-type]
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        part = body[int(first) : int(last) + 1 if last else None]
        headers["Content-Range"] = f"bytes {first}-{int(first) + len(part) - 1}/{len(body)}"
        return Answer(part, 206, headers, **changes)  # type: ignore[arg-type]

    return step


class MisbehavingServer:
    """Serves while a ``with`` block runs. The last step is repeated.

    Attributes:
        requests: What clients sent, in their order.
    """

    def __init__(self, *steps: Step, tls: ssl.SSLContext | None = None) -> None:
        self._steps = list(steps)
        self._tls = tls
        self.requests: list[Request] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> MisbehavingServer:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.callback(connection.close)
            connection.settimeout(5)
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
                stack.callback(connection.close)
            request = _read(connection)
            if request is None:
                return
            self.requests.append(request)
            step = self._steps[min(len(self.requests), len(self._steps)) - 1]
            if isinstance(step, Drip):
                self._drip(connection, step)
                return
            answer = step if isinstance(step, Answer) else step(request)
            connection.sendall(_head(answer))
            self._send(connection, _content(answer), answer.bytes_per_s)
            if answer.end == "stall":
                self._over.wait(5)
            if answer.end == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _drip(self, connection: socket.socket, drip: Drip) -> None:
        connection.sendall(drip.start)
        while not self._over.wait(0.05):
            connection.sendall(drip.again)

    def _send(self, connection: socket.socket, content: bytes, bytes_per_s: float | None) -> None:
        if bytes_per_s is None:
            connection.sendall(content)
            return
        size_bytes = max(1, int(bytes_per_s / 100))
        for start in range(0, len(content), size_bytes):
            connection.sendall(content[start : start + size_bytes])
            if self._over.wait(0.01):
                return


def _read(connection: socket.socket) -> Request | None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    first, *lines = data.decode("latin-1").partition("\r\n\r\n")[0].split("\r\n")
    method, target, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines)
    return Request(method, target, {name.strip().lower(): value.strip() for name, _, value in pairs})


def _head(answer: Answer) -> bytes:
    headers = {"Connection": "close", **answer.headers}
    if answer.chunked:
        headers["Transfer-Encoding"] = "chunked"
    elif "Content-Length" not in headers:
        headers["Content-Length"] = str(len(answer.body))
    lines = [f"HTTP/1.1 {answer.status} Reason", *(f"{name}: {value}" for name, value in headers.items() if value)]
    return "\r\n".join([*lines, "", ""]).encode()


def _content(answer: Answer) -> bytes:
    body = answer.body[: answer.cut_at]
    if not answer.chunked:
        return body
    parts = [body[i : i + 1000] for i in range(0, len(body), 1000)]
    data = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return data + (b"" if answer.cut_at is not None else b"0\r\n\r\n")
