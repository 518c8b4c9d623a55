"""Downloads by manifest whose process is killed: the next one fetches only what was not there."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import multiprocessing.process
import os
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import rehub
from tests import sample
from tests.manifests import BLOCK, FILES, SIZE, WEIGHTS, Hub, file_of
from tests.misbehaving import Answer, MisbehavingServer


def _resolve(url: str, cache_dir: str) -> None:
    with rehub.settings(cache_dir=cache_dir, retries=0, show_progress=False):
        rehub.resolve(url)


def _resolve_until(url: str, cache_dir: str, step: int) -> None:
    """Ends the process right after what it does to the disk for so many times, if it gets so far."""
    steps = itertools.count(1)

    def ending(work: Callable[..., object]) -> Callable[..., object]:
        def wrapper(*args: object, **options: object) -> object:
            result = work(*args, **options)
            if next(steps) == step:
                os._exit(9)
            return result

        return wrapper

    for name in ("replace", "rename", "fsync", "mkdir", "posix_fallocate", "unlink", "rmdir"):
        setattr(os, name, ending(getattr(os, name)))
    _resolve(url, cache_dir)


@contextlib.contextmanager
def downloading(url: str, cache: Path) -> Iterator[multiprocessing.process.BaseProcess]:
    """Resolves in another process, and kills that at the end."""
    process = multiprocessing.get_context("spawn").Process(target=_resolve, args=(url, str(cache)))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def good_blocks(cache: Path) -> set[tuple[str, int]]:
    """Returns the blocks that are whole in the staging folder, by file and first byte."""
    good = set()
    for folder in (cache / ".staging").glob("*/model"):
        for name, data in FILES.items():
            path = folder / name
            there = file_of(name, path.read_bytes()).blocks if path.exists() else ()
            pairs = zip(file_of(name, data).blocks, there, strict=False)
            good |= {(name, number * BLOCK) for number, (block, other) in enumerate(pairs) if block == other}
    return good


def asked_blocks(hub: Hub) -> set[tuple[str, int]]:
    return {(name, at) for name, start, end in hub.parts for at in range(start, end, BLOCK)}


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_resolve_fetches_only_what_a_killed_process_had_not(cache: Path) -> None:
    hub = Hub()
    hub.change = lambda name, answer: replace(answer, cut_at=10 * BLOCK + 5, end="stall") if name == WEIGHTS else answer
    with MisbehavingServer(hub) as server:
        url = f"{server.url}/acme/net/1"
        with downloading(url, cache):
            wait_for(lambda: len(good_blocks(cache)) == 12)
        hub.change = lambda _, answer: answer
        hub.parts.clear()
        assert sample.read(rehub.resolve(url)) == FILES
    assert hub.parts == [(WEIGHTS, 10 * BLOCK, len(FILES[WEIGHTS]))]
    assert list((cache / ".staging").iterdir()) == []


@pytest.mark.slow
def test_resolve_never_fetches_twice_when_processes_are_killed_at_any_time(cache: Path) -> None:
    hub, asked, dice = Hub(), threading.Event(), random.Random(0)

    def slowly(_: str, answer: Answer) -> Answer:
        asked.set()
        return replace(answer, bytes_per_s=4e6)

    hub.change = slowly
    good: set[tuple[str, int]] = set()
    counts = []
    with MisbehavingServer(hub) as server:
        url = f"{server.url}/acme/net/1"
        for _ in range(12):
            asked.clear()
            hub.parts.clear()
            with downloading(url, cache) as process:
                wait_for(lambda: asked.is_set() or not process.is_alive())
                time.sleep(dice.uniform(0, 0.3))
            assert not good & asked_blocks(hub)
            good = good_blocks(cache)
            counts.append(len(good))
            for folder in cache.glob("http*"):  # it is whole already: once more from the beginning
                shutil.rmtree(folder)
        hub.parts.clear()
        assert sample.read(rehub.resolve(url)) == FILES
    assert not good & asked_blocks(hub)
    assert any(0 < count < 23 for count in counts)
    assert list((cache / ".staging").iterdir()) == []


@pytest.mark.slow
def test_resolve_fetches_only_what_is_missing_when_a_process_is_killed_at_any_step(cache: Path) -> None:
    hub, refetched = Hub(), []
    with MisbehavingServer(hub) as server:
        url = f"{server.url}/acme/net/1"
        for step in itertools.count(1):
            process = multiprocessing.get_context("spawn").Process(target=_resolve_until, args=(url, str(cache), step))
            process.start()
            process.join()
            good = good_blocks(cache)
            hub.parts.clear()
            assert sample.read(rehub.resolve(url)) == FILES
            assert not good & asked_blocks(hub)
            assert list((cache / ".staging").iterdir()) == []
            refetched.append(hub.sent_bytes)
            shutil.rmtree(cache)
            if process.exitcode == 0:
                break
            assert process.exitcode == 9
    assert refetched[0] == SIZE
    assert refetched[-1] == 0
    assert refetched.count(0) > 10  # once all is there, nothing is fetched whatever else was left to do
