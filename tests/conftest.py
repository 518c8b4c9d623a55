"""Which tests an environment runs, and what a skipped test means.

Folders that need TensorFlow are not collected where there is none. With ``--only-tensorflow`` nothing else is.
"""

from __future__ import annotations

import importlib.util
import os
import time
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent
NEEDS_TENSORFLOW = ("conformance", "demo", "documents", "keras", "runtime")
RUNS_EVERYWHERE = ("test_import.py",)

# Test ids that may be skipped although CI is set. A skip that nobody sees is a test that nobody has.
MAY_SKIP: frozenset[str] = frozenset()

_out_of_time = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--only-tensorflow", action="store_true", help="collect only the tests that need TensorFlow")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    parts = collection_path.relative_to(TESTS).parts if collection_path.is_relative_to(TESTS) else ()
    if not parts:
        return None
    if parts[0] in NEEDS_TENSORFLOW:
        return None if importlib.util.find_spec("tensorflow") else True
    if config.getoption("--only-tensorflow") and parts[0] not in RUNS_EVERYWHERE:
        return True
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    until = os.environ.get("REHUB_TEST_UNTIL")
    if until and time.time() > float(until):
        item.stash[_out_of_time] = True
        pytest.skip("the time for this run is used up")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    return report if item.stash.get(_out_of_time, False) else _skip_fails_in_ci(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Any:
    return _skip_fails_in_ci((yield))


def _skip_fails_in_ci(report: Any) -> Any:
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail") and report.nodeid not in MAY_SKIP:
        report.outcome = "failed"
        report.longrepr = f"skipped although CI is set: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def peer_python() -> Path:
    """The Python of the environment with tensorflow_hub 0.16.1, for a subprocess to run."""
    path = os.environ.get("REHUB_PEER_PYTHON")
    if not path:
        pytest.skip("REHUB_PEER_PYTHON names no Python with tensorflow_hub; make test sets it")
    return Path(path)
