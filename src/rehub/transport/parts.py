"""A body over several connections at once, where one alone is slow."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from types import TracebackType

from rehub.transport.body import Source, Stream
from rehub.transport.interface import ContentLost

_PROBED_BYTES = 8 << 20
_SLOW_BYTES_PER_S = 50 << 20
_WORTH_BYTES = 32 << 20
_PART_BYTES = 4 << 20


def chunks(source: Source, stream: Stream, connections: int) -> Iterator[bytes]:
    """Gives a body in its order: over one connection, and over several as soon as that one is known to be slow.

    A few parts of 4 MiB are in memory at once.

    Args:
        source: Where it comes from.
        stream: The body, of which nothing has been read.
        connections: How many there may be.

    Raises:
        ContentLost: If it breaks and its rest cannot be had alone.
        TransferError: If it breaks and the server is gone.
    """
    pieces = stream.chunks()
    for chunk in pieces:
        yield chunk
        if connections > 1 and _is_worthwhile(source, stream):
            break
    else:
        return
    assert source.total_bytes is not None
    stream.end = stream.at + _PART_BYTES
    starts = range(stream.end, source.total_bytes, _PART_BYTES)
    with _Ahead(lambda start: _part(source, start), starts, connections) as ahead:
        yield from pieces
        parts = iter(ahead)
        try:
            first = next(parts)
        except ContentLost:  # the server sends no parts after all; the first connection still has the rest
            stream.end = None
            yield from stream.chunks()
            return
        stream.close()
        yield first
        yield from parts


def _is_worthwhile(source: Source, stream: Stream) -> bool:
    if stream.at < _PROBED_BYTES or source.total_bytes is None or source.validator is None:
        return False
    return (
        source.headers.get("accept-ranges", "").lower() == "bytes"
        and source.total_bytes - stream.at >= _WORTH_BYTES
        and stream.at < stream.waited_s * _SLOW_BYTES_PER_S
    )


def _part(source: Source, start: int) -> Iterator[bytes]:
    assert source.total_bytes is not None
    stream = Stream(source, start=start, end=min(start + _PART_BYTES, source.total_bytes))
    try:
        yield from stream.chunks()
    finally:
        stream.close()


class _Ahead:
    """Fetches parts on several threads, not many more than have been taken, and gives them in their order."""

    def __init__(self, fetch: Callable[[int], Iterator[bytes]], starts: Sequence[int], threads: int) -> None:
        self._fetch = fetch
        self._starts = starts
        self._waiting = iter(starts)
        self._futures: dict[int, Future[bytes]] = {}  # of parts that are being fetched, and of the one waited for
        self._threads = min(threads, len(starts))
        self._lock = threading.Lock()
        self._room = threading.Semaphore(2 * threads)
        self._is_over = threading.Event()

    def __enter__(self) -> _Ahead:
        for _ in range(self._threads):
            threading.Thread(target=self._work, name="rehub-part", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._room.release(self._threads)

    def __iter__(self) -> Iterator[bytes]:
        for start in self._starts:
            yield self._future(start).result()
            del self._futures[start]
            self._room.release()

    def _work(self) -> None:
        while True:
            self._room.acquire()
            with self._lock:
                start = next(self._waiting, None)
            if start is None or self._is_over.is_set():
                return
            future = self._future(start)
            try:
                future.set_result(b"".join(self._until_over(self._fetch(start))))
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that takes the parts
                future.set_exception(error)

    def _future(self, start: int) -> Future[bytes]:
        with self._lock:
            return self._futures.setdefault(start, Future())

    def _until_over(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            if self._is_over.is_set():
                return
            yield piece
