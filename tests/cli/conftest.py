from __future__ import annotations

import signal
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


@pytest.fixture(scope="session", autouse=True)
def _interrupts_are_heard() -> None:
    """Shells let what they start in the background ignore interrupts, and so what that starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
