"""Bodies that come too slowly: over several connections, or not at all."""

from __future__ import annotations

import contextlib
import gc
import itertools
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest

from rehub.configuration import Settings
from rehub.errors import TransferError
from rehub.transport.http import HttpTransport
from rehub.transport.interface import ContentLost
from tests.misbehaving import Answer, MisbehavingServer, Request, Step, ranged

MIB = 1 << 20
BODY = random.Random(0).randbytes(44 * MIB)
SLOW = {"bytes_per_s": 40 * MIB}
QUICK = Settings(timeout_s=5, retries=2)


@pytest.fixture
def serve() -> Iterator[Callable[..., MisbehavingServer]]:
    running: list[MisbehavingServer] = []

    def start(*steps: Step) -> MisbehavingServer:
        running.append(MisbehavingServer(*steps))
        return running[-1].__enter__()

    yield start
    for server in running:
        server.__exit__()


Serve = Callable[..., MisbehavingServer]


def fetched(server: MisbehavingServer, settings: Settings = QUICK) -> bytes:
    with HttpTransport(settings, sleep=lambda _: None).get(server.url) as response:
        return b"".join(response.chunks())


def ranges(server: MisbehavingServer) -> list[str]:
    return [request.headers.get("range", "") for request in server.requests]


def test_chunks_come_over_several_connections_when_one_is_slow(serve: Serve) -> None:
    server = serve(ranged(BODY, '"1"', **SLOW))
    assert fetched(server) == BODY
    first, *others = ranges(server)
    assert first == ""
    starts = sorted(int(each.removeprefix("bytes=").partition("-")[0]) for each in others)
    assert len(starts) > 4
    assert {after - before for before, after in itertools.pairwise(starts)} == {4 * MIB}
    assert {request.headers["if-range"] for request in server.requests[1:]} == {'"1"'}


@pytest.mark.parametrize(
    ("answer", "settings"),
    [
        (ranged(BODY, '"1"'), QUICK),
        (ranged(BODY, '"1"', **SLOW), Settings(timeout_s=5, retries=2, connections=1)),
        (ranged(BODY[: 20 * MIB], '"1"', **SLOW), QUICK),
        (Answer(BODY, headers={"ETag": '"1"'}, bytes_per_s=40 * MIB), QUICK),
        (Answer(BODY, headers={"Accept-Ranges": "bytes"}, bytes_per_s=40 * MIB), QUICK),
    ],
    ids=["fast", "one allowed", "small", "no ranges", "no etag"],
)
def test_chunks_come_over_one_connection_when_more_would_not_help(
    serve: Serve, answer: Step, settings: Settings
) -> None:
    server = serve(answer)
    assert BODY.startswith(fetched(server, settings))
    assert ranges(server) == [""]


def test_chunks_stay_on_the_first_connection_when_a_server_sends_no_parts_after_all(serve: Serve) -> None:
    whole = Answer(BODY, headers={"ETag": '"1"', "Accept-Ranges": "bytes"}, bytes_per_s=40 * MIB)
    server = serve(whole, Answer(BODY, headers={"ETag": '"1"'}))
    assert fetched(server) == BODY


def test_chunks_fail_when_the_parts_are_of_other_content(serve: Serve) -> None:
    old, new = ranged(BODY, '"1"', **SLOW), ranged(BODY, '"2"')

    def step(request: Request) -> Answer:
        is_last = request.headers.get("range", "").endswith(f"-{len(BODY) - 1}")
        return new(request) if is_last else old(request)

    with pytest.raises(ContentLost, match="cannot send the rest alone"):
        fetched(serve(step))


def test_part_goes_on_where_it_broke(serve: Serve) -> None:
    def step(request: Request) -> Answer:
        is_broken = request.headers.get("range", "").endswith(f"-{20 * MIB - 1}")
        return ranged(BODY, '"1"', **SLOW, **({"cut_at": 100_000} if is_broken else {}))(request)

    server = serve(step)
    assert fetched(server) == BODY


def test_threads_end_when_nobody_wants_the_rest(serve: Serve) -> None:
    server = serve(ranged(BODY, '"1"', **SLOW))
    with HttpTransport(QUICK).get(server.url) as response:
        chunks = response.chunks()
        while not any(thread.name == "rehub-part" for thread in threading.enumerate()):
            next(chunks)
        chunks.close()  # type: ignore[attr-defined]
    for thread in threading.enumerate():
        if thread.name == "rehub-part":
            thread.join(10)
            assert not thread.is_alive()


def test_chunks_fail_when_a_body_drips(serve: Serve) -> None:
    server = serve(ranged(BODY, '"1"', bytes_per_s=1000))
    with pytest.raises(TransferError, match=r"is too slow \(\d+ bytes in \d s\)") as info:
        fetched(server, Settings(timeout_s=0.5, retries=2, min_bytes_per_s=100_000))
    assert "REHUB_MIN_BYTES_PER_S" in info.value.hint
    assert len(server.requests) == 3


def test_chunks_arrive_when_a_slow_body_is_fast_enough(serve: Serve) -> None:
    server = serve(ranged(BODY[:50_000], '"1"', bytes_per_s=100_000))
    assert fetched(server, Settings(timeout_s=0.2, retries=0, min_bytes_per_s=1000)) == BODY[:50_000]


def test_chunks_take_no_memory_for_what_a_server_only_claims(serve: Serve) -> None:
    size_bytes = 200_000 * 4 * MIB

    def claiming(request: Request) -> Answer:
        headers = {"ETag": '"1"', "Accept-Ranges": "bytes"}
        first, _, last = request.headers.get("range", "").removeprefix("bytes=").partition("-")
        if not first:
            return Answer(BODY, headers={**headers, "Content-Length": str(size_bytes)}, **SLOW)
        part = bytes(int(last) + 1 - int(first))
        return Answer(part, 206, {**headers, "Content-Range": f"bytes {first}-{last}/{size_bytes}"})

    server = serve(claiming)
    with HttpTransport(QUICK).get(server.url) as response, contextlib.closing(response.chunks()) as chunks:
        got_bytes = 0
        while got_bytes < 24 * MIB:
            got_bytes += len(next(chunks))
        assert len(ranges(server)) > 1
        assert sum(isinstance(each, Future) for each in gc.get_objects()) < 100
