from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import rehub
from tests.faults.models import KINDS, answering, everything
from tests.misbehaving import MisbehavingServer
from tests.resolvers.conftest import cache as cache


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a model, for each way in which one comes."""
    with MisbehavingServer(answering(request.param)) as server:
        yield server.url + KINDS[request.param]


@pytest.fixture
def undisturbed(url: str, tmp_path: Path) -> set[str]:
    """What is in the cache folder after a download to which nothing happens."""
    with rehub.settings(cache_dir=str(tmp_path / "undisturbed")):
        rehub.resolve(url)
    return everything(tmp_path / "undisturbed")
