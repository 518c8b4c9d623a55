"""The conformance suite: sample models times promises, see `models` and the ``test_*`` files.

Each model meets each promise in compositions and states that are chosen so that all pairs occur, and, in tests that are
marked ``slow``, in all the others.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rehub as hub
from tests.conformance.models import SAMPLES
from tests.conformance.sample import BACKEND, Sample


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Sample], Path]:
    """Gives the folder of a sample model, written on first use."""
    root = tmp_path_factory.mktemp("samples")

    def folder(sample: Sample) -> Path:
        path = root / sample.name
        if not path.exists():
            path.mkdir()
            if sample.written_by_keras and BACKEND != "tensorflow":
                _write_on_tensorflow(sample, path)
            else:
                sample.write(path)
        return path

    return folder


def _write_on_tensorflow(sample: Sample, path: Path) -> None:
    code = "import sys; from tests.conformance.models import write; write(*sys.argv[1:])"
    command = [sys.executable, "-c", code, sample.name, str(path)]
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    subprocess.run(command, env=environment, check=True, cwd=Path(__file__).parents[2])


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
    eager = metafunc.definition.get_closest_marker("eager")
    samples = [s for s in SAMPLES if (eager or s.in_models) and (wanted is None or wanted.args[0](s))]
    axes = {"composition": _compositions, "state": _states}
    choices = [axes[name] for name in axes if name in metafunc.fixturenames]
    rows = [(s, *row) for s in samples for row in itertools.product(*(choose(s) for choose in choices))]
    names = ["sample", *(name for name in axes if name in metafunc.fixturenames)]
    metafunc.parametrize(names, [pytest.param(*row, id="-".join(map(str, row))) for row in rows])


@pytest.hookimpl(tryfirst=True)  # before -m reads the marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[Any]) -> None:
    """Marks as slow what is not needed to have all pairs of promise, sample, composition and state, as collected."""
    pairs = {item: _pairs(item) for item in items if "state" in getattr(item, "fixturenames", ())}
    missing = set().union(*pairs.values())
    while missing:
        best = max(pairs, key=lambda item: len(pairs[item] & missing))
        missing -= pairs.pop(best)
    for item in pairs:
        item.add_marker(pytest.mark.slow)
    left_out = {item for item in pairs if item.callspec.params["sample"].pairs_only}
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=list(left_out))


def _pairs(item: Any) -> set[Any]:
    axes = {**item.callspec.params, "promise": item.originalname}
    return set(itertools.combinations(sorted((name, str(value)) for name, value in axes.items()), 2))


def _compositions(sample: Sample) -> list[str]:
    return ["sequential", "functional", "subclass"] if sample.single_input else ["functional", "subclass"]


def _states(sample: Sample) -> list[str]:
    return ["frozen", "trainable", "thawed", "refrozen"] if sample.trains else ["frozen"]
