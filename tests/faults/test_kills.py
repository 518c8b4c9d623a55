"""Processes that end in the middle of a download: the next call gives a whole model at once, and nothing else stays."""

from __future__ import annotations

import random
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import rehub
from tests.faults import children
from tests.faults.models import check_whole
from tests.manifests import FILES, WEIGHTS

ENOUGH = 1000  # no download has so many steps

every_step = pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow, id="every"), 47])


def ends(url: str, cache: Path, happening: children.Happening, every: int, begin: Callable[[], None]) -> Iterator[int]:
    """Runs processes to which something happens at one step after the other, until one comes to its end before.

    Args:
        url: What they resolve.
        cache: Their cache folder.
        happening: What happens.
        every: At every how many-th step.
        begin: Makes what they begin with.

    Returns:
        Their exit codes, each when the process has ended.
    """
    for step in range(1 + random.Random(every).randrange(every), ENOUGH, every):
        shutil.rmtree(cache, ignore_errors=True)
        begin()
        code = children.run(url, cache, FILES, step, happening)
        yield code
        if code == children.WHOLE:
            return
    raise AssertionError("it never comes to its end")


def nothing() -> None:
    """The cache folder does not exist."""


@every_step
def test_resolve_succeeds_at_whichever_step_a_process_was_killed_before(
    url: str, cache: Path, undisturbed: set[str], every: int
) -> None:
    codes = []
    for code in ends(url, cache, children.kill, every, nothing):
        codes.append(code)
        check_whole(url, cache, undisturbed)
    assert set(codes[:-1]) == {-signal.SIGKILL}
    assert len(codes) * every > 40


@every_step
def test_resolve_succeeds_at_whichever_step_a_process_was_killed_that_healed_a_model(
    url: str, cache: Path, undisturbed: set[str], every: int
) -> None:
    def damage() -> None:
        folder = Path(rehub.resolve(url))
        shutil.rmtree(folder / "assets")
        (folder / WEIGHTS).write_bytes(b"short")
        (folder / "saved_model.pb").unlink()
        (folder / "saved_model.pb").mkdir()

    codes = []
    for code in ends(url, cache, children.kill, every, damage):
        codes.append(code)
        check_whole(url, cache, undisturbed)
    assert set(codes[:-1]) == {-signal.SIGKILL}


@every_step
def test_resolve_succeeds_at_whichever_step_a_process_was_interrupted_before(
    url: str, cache: Path, undisturbed: set[str], every: int
) -> None:
    codes = []
    for code in ends(url, cache, children.interrupt, every, nothing):
        codes.append(code)
        check_whole(url, cache, undisturbed)
    assert set(codes[:-1]) == {children.INTERRUPTED}


@pytest.mark.parametrize("count", [7, pytest.param(170, marks=pytest.mark.slow)])
def test_resolve_succeeds_when_processes_were_killed_at_any_time_before(
    url: str, cache: Path, undisturbed: set[str], count: int
) -> None:
    began = time.monotonic()
    assert children.run(url, cache, FILES) == children.WHOLE
    longest_s = 1.2 * (time.monotonic() - began)
    dice = random.Random(count)
    codes = set()
    for number in range(count):
        process = children.start(url, cache, FILES)
        killing = threading.Timer(dice.uniform(0, longest_s), process.kill)
        killing.start()
        process.join()
        killing.cancel()
        codes.add(process.exitcode)
        if dice.random() < 0.5 or number == count - 1:
            check_whole(url, cache, undisturbed)
            shutil.rmtree(cache)
    assert codes <= {-signal.SIGKILL, children.WHOLE}
