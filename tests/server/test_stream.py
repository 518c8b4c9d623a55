"""Large objects of a store that is not on this machine, on their way through the server."""

from __future__ import annotations

import http.client
import random
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehub.errors import StoreError
from rehub.server import EmbeddedHub
from rehub.server.library import Library
from rehub.server.uploads import Uploads
from rehub.storage.bucket import BucketStore
from tests.server import publishing
from tests.server.conftest import ask_hub
from tests.server.publishing import FILES, NAME, Watched

WEIGHTS = random.Random(8).randbytes((24 << 20) + 3)
TARGET = f"/{NAME}/1?rehub-file=weights"


@pytest.fixture(scope="module")
def inner() -> BucketStore:
    store = BucketStore("memory://")
    publishing.publish(Uploads(Library(store)), {**FILES, "weights": WEIGHTS})
    return store


@pytest.fixture
def store(inner: BucketStore) -> Watched:
    return Watched(inner)


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def hub(store: Watched, spool: Path) -> Iterator[EmbeddedHub]:
    with EmbeddedHub(store) as hub:
        yield hub


def _pipes(spool: Path) -> list[Path]:
    return list(spool.rglob("*.pipe"))


def _open(hub: EmbeddedHub) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    connection = http.client.HTTPConnection(hub.url.removeprefix("http://"), timeout=30)
    connection.request("GET", TARGET)
    return connection, connection.getresponse()


@pytest.mark.parametrize("wanted", [None, (0, 3 << 20), (7, (1 << 20) + 8), (len(WEIGHTS) - (2 << 20), len(WEIGHTS))])
def test_get_answers_large_files_and_large_parts(
    hub: EmbeddedHub, store: Watched, spool: Path, wanted: tuple[int, int] | None
) -> None:
    headers = {"range": f"bytes={wanted[0]}-{wanted[1] - 1}"} if wanted else {}

    answer = ask_hub(hub, TARGET, **headers)

    assert answer.status == (206 if wanted else 200)
    assert answer.body == WEIGHTS[slice(*wanted or (None,))]
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert store.largest <= 4 << 20
    assert _pipes(spool) == []


def test_connections_serve_on_after_large_files(hub: EmbeddedHub) -> None:
    connection, response = _open(hub)
    bodies = [response.read()]
    for _ in range(3):
        connection.request("GET", TARGET)
        bodies.append(connection.getresponse().read())
    connection.close()

    assert set(bodies) == {WEIGHTS}


def test_server_waits_for_clients_that_read_slowly(hub: EmbeddedHub, store: Watched) -> None:
    connection, response = _open(hub)
    others = [ask_hub(hub, TARGET).body for _ in range(2)]
    pieces = store.calls.count("stream")
    body = response.read()
    connection.close()

    assert {*others, body} == {WEIGHTS}
    assert store.calls.count("stream") - pieces > pieces / 10  # so much was not on its way yet


def test_download_breaks_off_when_the_store_fails_in_the_middle(hub: EmbeddedHub, store: Watched, spool: Path) -> None:
    def fail() -> None:
        raise StoreError("s3://secret does not answer.")

    connection, response = _open(hub)
    store.at, store.happen = len(store.calls) + 1, fail
    with pytest.raises(http.client.IncompleteRead) as caught:
        response.read()
    connection.close()

    assert WEIGHTS.startswith(caught.value.partial)
    assert ask_hub(hub, TARGET).body == WEIGHTS
    assert _pipes(spool) == []


def test_nothing_stays_of_downloads_that_clients_end(hub: EmbeddedHub, store: Watched, spool: Path) -> None:
    for _ in range(3):
        connection, response = _open(hub)
        response.read(10)
        response.close()
        connection.close()

    for _ in range(500):
        if not _pipes(spool):
            break
        threading.Event().wait(0.02)
    assert _pipes(spool) == []
    assert ask_hub(hub, TARGET).body == WEIGHTS
