from __future__ import annotations

import http.client
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

import pytest

from rehub.server import EmbeddedHub

COMPRESSED = "?tf-hub-format=compressed"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes


Ask = Callable[..., Answer]


def write_version(root: Path, name: str, content: bytes = b"weights") -> Path:
    """Writes a folder that looks like a SavedModel; the server never opens the files."""
    folder = root / name
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph of " + name.encode())
    (folder / "variables" / "variables.index").write_bytes(content)
    return folder


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A hub folder with versions 1, 2 and 10 of acme/net, and acme/text/encoder/4."""
    root = tmp_path / "models"
    for name in ("acme/net/1", "acme/net/2", "acme/net/10", "acme/text/encoder/4"):
        write_version(root, name, os.urandom(5_000))
    return root


@pytest.fixture
def hub(models: Path) -> Iterator[EmbeddedHub]:
    with EmbeddedHub(models) as hub:
        yield hub


def ask_hub(hub: EmbeddedHub, target: str, method: str = "GET", *, body: bytes | None = None, **headers: str) -> Answer:
    """Sends one request whose target goes out exactly as it is; ``if_range`` becomes ``If-Range``."""
    connection = http.client.HTTPConnection(hub.url.removeprefix("http://"), timeout=30)
    try:
        connection.request(method, target, body, {name.replace("_", "-"): text for name, text in headers.items()})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


@pytest.fixture
def ask(hub: EmbeddedHub) -> Ask:
    return lambda target, method="GET", **headers: ask_hub(hub, target, method, **headers)
