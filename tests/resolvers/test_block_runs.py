"""Runs of blocks: which of several connections brings which of them."""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import replace

import pytest

import rehub
from rehub.resolvers.block_runs import Run, Runs
from tests import sample
from tests.manifests import BLOCK, FILES, WEIGHTS, Hub
from tests.misbehaving import MisbehavingServer


def test_resolve_uses_several_connections_for_one_file_when_one_is_slow() -> None:
    hub = Hub()
    hub.change = lambda _, answer: replace(answer, bytes_per_s=2e6)
    with MisbehavingServer(hub) as server:
        assert sample.read(rehub.resolve(f"{server.url}/acme/net/1")) == FILES
    first, *others = [part[1:] for part in hub.parts if part[0] == WEIGHTS]
    assert first == (0, len(FILES[WEIGHTS]))
    assert len(others) > 1
    assert max(end for _, end in others) == len(FILES[WEIGHTS])
    assert min(start for start, _ in others) > 0
    assert all(start % BLOCK == 0 for start, _ in others)


def test_runs_are_shared_when_a_connection_is_slow() -> None:
    runs = Runs([Run(0, 0, 100 << 20)], 4 << 20)
    slow = runs.take()
    assert slow is not None
    assert runs.claim(slow, 10) == 10
    helper = runs.take()
    assert helper is not None
    assert (slow.at, slow.end) == (10, helper.at)
    assert (helper.at % (4 << 20), helper.end - helper.at) == (0, 16 << 20)
    runs.end(slow)
    third = runs.take()
    assert third is not None
    assert third.at == helper.end


def test_run_of_one_byte_is_brought_as_it_is() -> None:
    runs = Runs([Run(0, 0, (8 << 20) + 1)], 4 << 20)
    slow = runs.take()
    assert slow is not None
    assert runs.claim(slow, 10) == 10
    found = [runs.take(), runs.take()]
    assert [(run.at, run.end) for run in found if run] == [(4 << 20, 8 << 20), (8 << 20, (8 << 20) + 1)]


def test_runs_are_not_shared_while_nothing_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs([Run(0, 0, 100 << 20)], 4 << 20)
    now_s, looked, taken = itertools.count(step=10), threading.Semaphore(0), []

    def late() -> float:
        looked.release()
        return float(next(now_s))

    monkeypatch.setattr(time, "monotonic", late)
    run = runs.take()
    assert run is not None
    assert runs.claim(run, 10) == 10
    runs.wrote()
    runs.begin(run)  # after its connection broke
    thread = threading.Thread(target=lambda: taken.append(runs.take()))
    thread.start()
    for _ in range(4):
        assert looked.acquire(timeout=5)
    runs.stop()
    thread.join(5)
    assert (taken, run.end) == ([None], 100 << 20)


def test_runs_end_for_those_who_wait_when_all_is_brought() -> None:
    runs = Runs([Run(0, 0, 1000)], 4 << 20)
    run = runs.take()
    assert run is not None
    waiting: list[Run | None] = []
    thread = threading.Thread(target=lambda: waiting.append(runs.take()))
    thread.start()
    assert runs.claim(run, 2000) == 1000
    runs.wrote()
    runs.end(run)
    thread.join(5)
    assert waiting == [None]


def test_nothing_is_claimed_when_runs_are_stopped() -> None:
    runs = Runs([Run(0, 0, 1000), Run(1, 0, 1000)], 4 << 20)
    run = runs.take()
    assert run is not None
    assert runs.claim(run, 10) == 10
    stopping = threading.Thread(target=runs.stop)
    stopping.start()
    stopping.join(0.05)
    assert stopping.is_alive()  # what is being written is waited for
    runs.wrote()
    stopping.join(5)
    assert not stopping.is_alive()
    assert runs.claim(run, 10) == 0
    assert runs.take() is None
