"""Many threads and processes that ask for one model at the same time."""

from __future__ import annotations

import concurrent.futures
import errno
import functools
import itertools
import multiprocessing.synchronize
import os
import threading
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

import rehub
from rehub import configuration
from rehub.cache.store import Store
from rehub.configuration import Settings
from rehub.errors import NotFoundError
from tests.faults import children
from tests.faults.models import ARCHIVE, KINDS, answering, is_model
from tests.manifests import FILES
from tests.misbehaving import Answer, MisbehavingServer, Request

many = pytest.mark.parametrize("count", [8, pytest.param(32, marks=pytest.mark.slow)])


def downloads(server: MisbehavingServer) -> int:
    return sum("tf-hub-format" in request.target and "/1" in request.target for request in server.requests)


@pytest.mark.parametrize("kind", KINDS)
@many
def test_resolve_downloads_once_when_threads_ask_together(kind: str, count: int) -> None:
    barrier = threading.Barrier(count)

    def resolve(settings: Settings) -> str:
        with rehub.settings(settings):
            barrier.wait(60)
            return rehub.resolve(server.url + KINDS[kind])

    with MisbehavingServer(answering(kind)) as server, concurrent.futures.ThreadPoolExecutor(count) as pool:
        paths = set(pool.map(resolve, [configuration.current()] * count))
    assert [is_model(path) for path in paths] == [True]
    assert downloads(server) == 1


def together(barrier: multiprocessing.synchronize.Barrier, _: Path) -> None:
    barrier.wait(60)


@pytest.mark.parametrize("kind", KINDS)
@many
def test_resolve_downloads_once_when_processes_ask_together(cache: Path, kind: str, count: int) -> None:
    start = functools.partial(together, children.CONTEXT.Barrier(count))
    with MisbehavingServer(answering(kind)) as server:
        url = server.url + KINDS[kind]
        processes = [children.start(url, cache, FILES, 1, start, lock_timeout_s=60) for _ in range(count)]
        for process in processes:
            process.join()
    assert {process.exitcode for process in processes} == {children.WHOLE}
    assert downloads(server) == 1


def test_resolve_downloads_once_when_the_first_of_many_has_failed() -> None:
    """Of a failed download no lock file stays: those who wait for it must not take what is no more for a lock."""
    count = 8
    barrier = threading.Barrier(count)
    answers = iter([Answer(status=404)])

    def resolve(settings: Settings) -> str:
        with rehub.settings(settings):
            barrier.wait(60)
            try:
                return rehub.resolve(f"{server.url}/acme/net/1")
            except NotFoundError:
                return ""

    with (
        MisbehavingServer(lambda _: next(answers, Answer(ARCHIVE))) as server,
        concurrent.futures.ThreadPoolExecutor(count) as pool,
    ):
        paths = sorted(pool.map(resolve, [configuration.current()] * count))
    assert paths[0] == ""
    assert [is_model(path) for path in set(paths[1:])] == [True]
    assert len(server.requests) == 2


def test_waiters_are_woken_when_the_winner_is_done(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They look for the model every 50 ms, and need not: the system tells all of them when the lock is free."""
    count = 4
    store, path = Store(cache, 60), PurePosixPath("h/acme/net/1")
    looks: list[float] = []
    woken: set[str] = set()
    done, all_wait = threading.Event(), threading.Event()
    wait = threading.Event.wait

    def patient(event: threading.Event, timeout: float | None = None) -> bool:
        name = threading.current_thread().name
        if not name.startswith("waiter") or timeout is None:
            return wait(event, timeout)
        looks.append(timeout)
        if len(looks) == count:
            all_wait.set()
        is_set = wait(event, 60)
        if is_set:
            woken.add(name)
        return is_set

    def attend() -> None:
        with store.lock(path, done.is_set):
            pass

    monkeypatch.setattr(threading.Event, "wait", patient)
    with concurrent.futures.ThreadPoolExecutor(count, "waiter") as pool:
        with store.lock(path):
            waiting = [pool.submit(attend) for _ in range(count)]
            assert all_wait.wait(60)
            done.set()
        for each in waiting:
            each.result(60)
    assert len(woken) == count
    assert max(looks) <= 0.05


def test_waiters_go_on_when_the_model_is_there_and_the_lock_is_not_free(cache: Path) -> None:
    store, path = Store(cache, 60), PurePosixPath("h/acme/net/1")
    looks = itertools.count()
    with store.lock(path), concurrent.futures.ThreadPoolExecutor(1) as pool:

        def attend() -> None:
            with store.lock(path, lambda: next(looks) > 3):
                pass

        pool.submit(attend).result(60)
        assert len(list((cache / ".locks").iterdir())) == 1


def no_locks(*_: Any) -> None:
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


@pytest.mark.parametrize("kind", KINDS)
def test_resolve_is_right_for_two_that_download_at_once_where_there_are_no_locks(
    cache: Path, monkeypatch: pytest.MonkeyPatch, kind: str, tmp_path: Path
) -> None:
    both = threading.Barrier(2)
    answering_kind = answering(kind)

    def answer(request: Request) -> Answer:
        if "tf-hub-format" in request.target:
            both.wait(60)
        return answering_kind(request)

    def resolve(settings: Settings) -> str:
        with rehub.settings(settings):
            return rehub.resolve(server.url + KINDS[kind])

    monkeypatch.setattr("fcntl.flock", no_locks)
    with MisbehavingServer(answer) as server, concurrent.futures.ThreadPoolExecutor(2) as pool:
        paths = set(pool.map(resolve, [configuration.current()] * 2))
    assert [is_model(path) for path in paths] == [True]
    assert downloads(server) == 2
    assert list((cache / ".staging").iterdir()) == []


def without_locks(barrier: multiprocessing.synchronize.Barrier, _: Path) -> None:
    """Makes this process one on a disk without locks, and begins together with others."""
    import fcntl

    fcntl.flock = no_locks
    barrier.wait(60)


@pytest.mark.parametrize("kind", KINDS)
def test_resolve_is_right_for_all_processes_where_there_are_no_locks(cache: Path, kind: str) -> None:
    start = functools.partial(without_locks, children.CONTEXT.Barrier(4))
    with MisbehavingServer(answering(kind)) as server:
        url = server.url + KINDS[kind]
        processes = [children.start(url, cache, FILES, 1, start) for _ in range(4)]
        for process in processes:
            process.join()
        assert {process.exitcode for process in processes} == {children.WHOLE}
        assert is_model(rehub.resolve(url))
    assert list((cache / ".staging").iterdir()) == []
