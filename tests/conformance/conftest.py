"""The conformance suite: sample models times promises, see `models` and the ``test_*`` files.

By default each model meets each promise in one composition and one state, chosen so that all pairs occur; with
``--full-product`` in all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rehub as hub
from tests.conformance.models import SAMPLES, Sample


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Sample], Path]:
    """Gives the folder of a sample model, written on first use."""
    root = tmp_path_factory.mktemp("samples")

    def folder(sample: Sample) -> Path:
        path = root / sample.name
        if not path.exists():
            path.mkdir()
            sample.write(path)
        return path

    return folder


@pytest.fixture
def path(sample: Sample, folders: Callable[[Sample], Path]) -> str:
    return str(folders(sample))


@pytest.fixture
def make_layer(sample: Sample, path: str) -> Callable[..., Any]:
    """Makes a `hub.KerasLayer` of the sample."""
    return lambda **kwargs: hub.KerasLayer(path, **{**sample.options, **kwargs})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Gives each test the samples that its promise concerns, in compositions and states."""
    if "sample" not in metafunc.fixturenames:
        return
    wanted = metafunc.definition.get_closest_marker("samples")
    samples = [s for s in SAMPLES if wanted is None or wanted.args[0](s)]
    full = metafunc.config.getoption("--full-product")
    names = ["sample"]
    rows: list[list[Any]] = [[s] for s in samples]
    if "composition" in metafunc.fixturenames:
        names.append("composition")
        rows = [
            [*row, choice]
            for place, row in enumerate(rows)
            for choice in _choose(_compositions(row[0]), place + len(metafunc.function.__name__), full)
        ]
    if "state" in metafunc.fixturenames:
        names.append("state")
        rows = [
            [*row, choice]
            for place, row in enumerate(rows)
            for choice in _choose(_states(row[0]), 2 * place + len(metafunc.function.__name__), full)
        ]
    metafunc.parametrize(names, rows, ids=["-".join(map(str, row)) for row in rows])


def _choose(choices: list[str], place: int, full: bool) -> list[str]:
    return choices if full else [choices[place % len(choices)]]


def _compositions(sample: Sample) -> list[str]:
    return ["sequential", "functional", "subclass"] if sample.single_input else ["functional", "subclass"]


def _states(sample: Sample) -> list[str]:
    return ["frozen", "trainable", "thawed", "refrozen"] if sample.trains else ["frozen"]
