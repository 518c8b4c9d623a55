"""The whole way over a real socket, with servers and processes that fail in the middle."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import pickle
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import rehub
from rehub.errors import AccessError, FormatError, HubError, TransferError
from tests import sample
from tests.misbehaving import Answer, MisbehavingServer, Request, Step, ranged

OLD = sample.archive({**sample.FILES, "version": b"old"})
NEW = sample.archive({**sample.FILES, "version": b"new"})


def test_resolve_goes_on_where_a_download_broke() -> None:
    with MisbehavingServer(ranged(NEW, '"2"', cut_at=20_000, end="reset"), ranged(NEW, '"2"')) as server:
        path = rehub.resolve(f"{server.url}/acme/net/1")
    assert sample.read(path)["version"] == b"new"
    assert len(server.requests) == 2


def test_resolve_starts_again_when_the_content_changed_in_between(cache: Path) -> None:
    with MisbehavingServer(ranged(OLD, '"1"', cut_at=20_000), ranged(NEW, '"2"')) as server:
        path = rehub.resolve(f"{server.url}/acme/net/1")
    assert sample.read(path)["version"] == b"new"
    assert len(server.requests) == 3
    assert list((cache / ".staging").iterdir()) == []


def test_resolve_starts_again_when_a_server_cannot_send_the_rest() -> None:
    with MisbehavingServer(Answer(NEW, cut_at=20_000), Answer(NEW)) as server:
        assert sample.read(rehub.resolve(f"{server.url}/acme/net/1"))["version"] == b"new"


def test_resolve_gives_up_when_it_breaks_every_time(cache: Path) -> None:
    with MisbehavingServer(Answer(NEW, cut_at=20_000)) as server, pytest.raises(TransferError) as caught:
        rehub.resolve(f"{server.url}/acme/net/1")
    assert f"broke after 20000 of {len(NEW)} bytes; the server gave no ETag" in caught.value.message
    assert "IncompleteRead" not in str(caught.value)
    assert len(server.requests) == 3
    assert not list(cache.glob("http*"))
    assert list((cache / ".staging").iterdir()) == []


@pytest.mark.parametrize(
    "last", [Answer(NEW, cut_at=20_000), Answer(status=403), Answer(b"<html>"), Answer(status=500)]
)
def test_resolve_keeps_signatures_out_of_errors(last: Answer) -> None:
    redirect = Answer(status=302, headers={"Location": "/blob?signature=secret"})
    steps = [redirect, last] * 4
    with MisbehavingServer(*steps) as server, pytest.raises(HubError) as caught, rehub.settings(retries=0):
        rehub.resolve(f"{server.url}/acme/net/1")
    assert "secret" not in f"{caught.value} {vars(caught.value)}"


@pytest.fixture
def storage() -> Iterator[Callable[..., tuple[MisbehavingServer, MisbehavingServer]]]:
    with contextlib.ExitStack() as stack:

        def start(*steps: Step) -> tuple[MisbehavingServer, MisbehavingServer]:
            """Starts a hub that signs a new address for each request, and the storage where that leads to."""
            there = stack.enter_context(MisbehavingServer(*steps))
            numbers = itertools.count(1)

            def sign(_: Request) -> Answer:
                return Answer(status=302, headers={"Location": f"{there.url}/blob?signature={next(numbers)}"})

            return stack.enter_context(MisbehavingServer(sign)), there

        yield start


Storage = Callable[..., tuple[MisbehavingServer, MisbehavingServer]]


@pytest.mark.parametrize("path", ["acme/net/1", "acme/net", "net.tar.gz"])
@pytest.mark.parametrize("status", [400, 401, 403])
def test_resolve_asks_for_a_fresh_signature_when_one_has_expired(
    storage: Storage, caplog: pytest.LogCaptureFixture, path: str, status: int
) -> None:
    hub, there = storage(Answer(status=status), Answer(NEW))
    assert sample.read(rehub.resolve(f"{hub.url}/{path}"))["version"] == b"new"
    assert [request.target for request in there.requests] == ["/blob?signature=1", "/blob?signature=2"]
    assert "Trying again from the start (2 of 2)" in caplog.text
    assert "signature=" not in caplog.text


def test_resolve_asks_for_a_fresh_signature_when_one_expires_in_the_middle(storage: Storage) -> None:
    hub, there = storage(ranged(NEW, '"2"', cut_at=20_000), Answer(status=403), Answer(NEW))
    assert sample.read(rehub.resolve(f"{hub.url}/acme/net/1"))["version"] == b"new"
    assert [request.target[-1] for request in there.requests] == ["1", "2", "3"]


@pytest.mark.parametrize(("retries", "count"), [(4, 2), (0, 1)])
def test_resolve_gives_up_when_a_fresh_signature_is_refused_too(storage: Storage, retries: int, count: int) -> None:
    hub, there = storage(Answer(status=403))
    with rehub.settings(retries=retries), pytest.raises(AccessError, match="status 403") as caught:
        rehub.resolve(f"{hub.url}/acme/net/1")
    assert len(there.requests) == count
    assert type(pickle.loads(pickle.dumps(caught.value))) is type(caught.value)


def test_resolve_asks_once_when_the_server_itself_refuses() -> None:
    with MisbehavingServer(Answer(status=403)) as server, pytest.raises(AccessError):
        rehub.resolve(f"{server.url}/acme/net/1")
    assert len(server.requests) == 1


def test_resolve_gives_up_as_soon_when_the_handle_has_no_version() -> None:
    redirect = Answer(status=302, headers={"Location": "/acme/net/1"})
    with MisbehavingServer(redirect, Answer(NEW, cut_at=20_000)) as server, pytest.raises(TransferError):
        rehub.resolve(f"{server.url}/acme/net")
    assert len(server.requests) == 4


def test_resolve_refuses_a_cut_archive_when_the_server_gave_no_length() -> None:
    answer = Answer(NEW, headers={"Content-Length": ""}, cut_at=20_000)
    with MisbehavingServer(answer) as server, pytest.raises(FormatError, match="ends early"):
        rehub.resolve(f"{server.url}/acme/net/1")


def _slow(request: Request) -> Answer:
    time.sleep(0.3)
    return Answer(NEW)


def _resolve(url: str, cache_dir: str) -> str:
    with rehub.settings(cache_dir=cache_dir, retries=0):
        return rehub.resolve(url)


@pytest.mark.parametrize("handles", [("1", "1", "1"), ("", "", "")])
def test_resolve_downloads_once_when_processes_ask_together(cache: Path, handles: tuple[str, ...]) -> None:
    with (
        MisbehavingServer(_slow) as server,
        multiprocessing.get_context("spawn").Pool(len(handles)) as pool,
    ):
        urls = [f"{server.url}/acme/net/{version}" for version in handles]
        paths = pool.starmap(_resolve, [(url, str(cache)) for url in urls], chunksize=1)
    assert len(set(paths)) == 1
    assert sample.read(paths[0])["version"] == b"new"
    assert len(server.requests) == 1


def test_resolve_is_not_held_up_by_a_process_that_was_killed(cache: Path) -> None:
    with MisbehavingServer(Answer(NEW, cut_at=20_000, end="stall"), Answer(NEW)) as server:
        url = f"{server.url}/acme/net/1"
        process = multiprocessing.get_context("spawn").Process(target=_resolve, args=(url, str(cache)))
        process.start()
        deadline = time.monotonic() + 30
        while not list(cache.glob(".staging/*/model")) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
        process.join()
        assert list((cache / ".staging").iterdir())
        started = time.monotonic()
        assert sample.read(rehub.resolve(url))["version"] == b"new"
    assert time.monotonic() - started < 3
    assert list((cache / ".staging").iterdir()) == []
