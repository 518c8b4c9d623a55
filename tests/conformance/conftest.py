"""The conformance suite: sample models times promises, see `models` and the ``test_*`` files.

Each model meets each promise in one composition and one state, chosen so that all pairs occur, and, in tests that are
marked ``slow``, in all the others.
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
    names = ["sample"]
    rows: list[tuple[list[Any], bool]] = [([sample], True) for sample in samples]
    for name, choices, step in (("composition", _compositions, 1), ("state", _states, 2)):
        if name in metafunc.fixturenames:
            names.append(name)
            rows = _multiply(rows, choices, step, len(metafunc.function.__name__))
    metafunc.parametrize(
        names,
        [
            pytest.param(*row, id="-".join(map(str, row)), marks=() if is_chosen else pytest.mark.slow)
            for row, is_chosen in rows
        ],
    )


def _multiply(
    rows: list[tuple[list[Any], bool]], choices: Callable[[Sample], list[str]], step: int, start: int
) -> list[tuple[list[Any], bool]]:
    """Gives each row every choice, and says for which rows the tests are not slow: one choice each, in turns."""
    place, product = start, []
    for row, is_chosen in rows:
        names = choices(row[0])
        product += [([*row, name], is_chosen and name == names[place % len(names)]) for name in names]
        place += step * is_chosen
    return product


def _compositions(sample: Sample) -> list[str]:
    return ["sequential", "functional", "subclass"] if sample.single_input else ["functional", "subclass"]


def _states(sample: Sample) -> list[str]:
    return ["frozen", "trainable", "thawed", "refrozen"] if sample.trains else ["frozen"]
