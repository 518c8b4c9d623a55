"""Large files from a bucket: through the server, with little of them in its memory, or from the store itself."""

from __future__ import annotations

import contextlib
import functools
import http.client
import io
import random
import tarfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import rehub
from rehub.server.publishers import set_publisher
from rehub.storage.bucket import BucketStore
from tests import sample
from tests.hub.seaweed import SeaweedFS
from tests.publishers import ask, at_once, model, push_to, read_from
from tests.serving import Server

WEIGHTS = random.Random(5).randbytes(40 << 20)
_CLIENTS = 64
_LIMIT_BYTES = 220_000_000  # of two processes; what is sent is ten times as much


@pytest.fixture(scope="module")
def large(servers: tuple[Server, Server], token: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a model with large weights."""
    push_to(servers[0].url, token, model(tmp_path_factory.mktemp("large"), b"large", WEIGHTS), "large/net")
    return "large/net"


@pytest.fixture(scope="module")
def redirecting(bucket: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that sends clients to the store."""
    with Server(bucket, "--redirect", log=tmp_path_factory.mktemp("log") / "log", environment={}) as server:
        yield server


def test_server_holds_little_of_what_many_clients_download(bucket: str, large: str, tmp_path: Path) -> None:
    with Server(bucket, log=tmp_path / "log", environment={}) as server, contextlib.ExitStack() as stack:
        answers = []
        for _ in range(_CLIENTS):
            connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)
            stack.callback(connection.close)
            connection.request("GET", f"/{large}/1?rehub-file=weights")
            answers.append(connection.getresponse())
        beginnings = [answer.read(1 << 20) for answer in answers]

        assert server.memory_bytes() < _LIMIT_BYTES
        assert set(beginnings) == {WEIGHTS[: 1 << 20]}
        assert beginnings[0] + answers[0].read() == WEIGHTS


def test_download_that_ends_early_is_no_harm_to_others(servers: tuple[Server, Server], large: str) -> None:
    url = f"{servers[0].url}/{large}/1?rehub-file=weights"
    for _ in range(5):
        with urllib.request.urlopen(url, timeout=60) as response:
            response.read(1)

    part = urllib.request.Request(url, headers={"Range": "bytes=5-33554431"})
    with urllib.request.urlopen(part, timeout=60) as response:
        assert response.read() == WEIGHTS[5:33554432]


def test_redirecting_server_sends_clients_to_the_store(
    redirecting: Server, weed: SeaweedFS, large: str, tmp_path: Path
) -> None:
    status, headers, body = ask(redirecting.url, f"/{large}/1?tf-hub-format=compressed")

    assert (status, body, headers["Cache-Control"]) == (302, b"", "no-store")
    assert headers["Location"].startswith(f"{weed.url}/")
    with urllib.request.urlopen(f"{redirecting.url}/{large}/1?tf-hub-format=compressed", timeout=60) as response:
        assert urlsplit(response.url).netloc == urlsplit(weed.url).netloc
        archive = response.read()
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        weights = tar.extractfile("./weights")
        assert weights is not None
        assert weights.read() == WEIGHTS
    assert read_from(f"{redirecting.url}/{large}/1", tmp_path / "cache")["weights"] == WEIGHTS


def test_redirecting_server_gives_what_is_private_to_those_who_may_have_it(
    redirecting: Server, store: BucketStore, token: str, name: str, tmp_path: Path
) -> None:
    set_publisher(store, name.partition("/")[0], is_private=True)
    folder = model(tmp_path / "model", b"private")
    pushed = push_to(redirecting.url, token, folder, name)

    with rehub.settings(token=token, token_host=redirecting.url):
        assert sample.read(rehub.resolve(pushed.handle)) == sample.read(folder)
    assert ask(redirecting.url, f"/{name}/1?tf-hub-format=compressed")[0] == 404


def test_many_download_the_same_model_at_once(servers: tuple[Server, Server], large: str, tmp_path: Path) -> None:
    works = [
        functools.partial(read_from, f"{servers[number % 2].url}/{large}/1", tmp_path / str(number))
        for number in range(4)
    ]

    assert [files["weights"] == WEIGHTS for files in at_once(works) if isinstance(files, dict)] == [True] * 4
