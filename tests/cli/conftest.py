from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rehub.server import EmbeddedHub
from tests.cli import command


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The folder of the hub."""
    return command.publish(tmp_path / "hub", "1", "2")


@pytest.fixture
def hub(models: Path) -> Iterator[EmbeddedHub]:
    with EmbeddedHub(models) as hub:
        yield hub
