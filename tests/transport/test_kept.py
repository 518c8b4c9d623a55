"""Connections that stay open for the next request."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rehub.configuration import Settings
from rehub.transport.http import HttpTransport
from rehub.transport.interface import Transport

connections: list[int] = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        connections.append(1)
        super().setup()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    connections.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def body(transport: Transport, url: str) -> bytes:
    with transport.get(url) as response:
        return b"".join(response.chunks())


def test_kept_connections_serve_the_next_request(url: str) -> None:
    with HttpTransport(Settings()).kept() as transport:
        assert [body(transport, url), body(transport, url)] == [b"hello", b"hello"]
    assert len(connections) == 1


def test_connections_are_not_kept_otherwise(url: str) -> None:
    transport = HttpTransport(Settings())
    assert [body(transport, url), body(transport, url)] == [b"hello", b"hello"]
    assert len(connections) == 2
