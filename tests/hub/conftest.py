"""One store and two servers for all tests of a process; each test publishes by names of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

import rehub
from rehub.server.tokens import Tokens
from rehub.storage.bucket import BucketStore
from tests.hub.seaweed import SeaweedFS
from tests.serving import Server

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def weed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """A store that runs, and that this process may use."""
    weed = SeaweedFS(tmp_path_factory.mktemp("weed"))
    with pytest.MonkeyPatch.context() as patch:
        try:
            weed.start()
            for name, value in weed.environment.items():
                patch.setenv(name, value)
            yield weed
        finally:
            weed.end()


@pytest.fixture(scope="session")
def bucket(weed: SeaweedFS) -> str:
    """The URL of the store."""
    url = "s3://models/of/all"
    BucketStore(url).put("readme.md", b"Models.")  # which makes the bucket, too
    return url


@pytest.fixture(scope="session")
def store(bucket: str) -> BucketStore:
    return BucketStore(bucket)


@pytest.fixture(scope="session")
def token(store: BucketStore) -> str:
    """For all publishers."""
    return Tokens(store).create("tests", None)


@pytest.fixture(scope="session")
def servers(bucket: str, token: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """Two hubs on one bucket, each of two processes."""
    folder = tmp_path_factory.mktemp("servers")
    options = ("--workers", "2", "--rate-limit", "0")
    with (
        Server(bucket, *options, log=folder / "1", environment={}) as first,
        Server(bucket, *options, log=folder / "2", environment={}) as second,
    ):
        yield first, second


@pytest.fixture
def name() -> str:
    """A model that no other test has."""
    return f"p{next(_numbers)}/net"


@pytest.fixture(autouse=True)
def _settings(tmp_path: Path) -> Iterator[None]:
    with rehub.settings(cache_dir=str(tmp_path / "cache"), show_progress=False):
        yield
