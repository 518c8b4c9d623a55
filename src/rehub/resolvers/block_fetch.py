"""Fetching missing blocks from a server, over several connections."""

from __future__ import annotations

import dataclasses
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import BinaryIO

from rehub.configuration import Settings
from rehub.errors import TransferError
from rehub.formats.manifest import ManifestFile
from rehub.handle import Handle
from rehub.resolvers import answers
from rehub.resolvers.block_files import BlockFiles
from rehub.resolvers.block_runs import Run, Runs
from rehub.transport.failures import explained
from rehub.transport.interface import ContentLost, Response, content_length, content_range
from rehub.transport.origin import is_same_origin
from rehub.transport.redirects import shown

_GONE = frozenset({404, 410, 412, 416})
_ENOUGH_BYTES = 1 << 18  # a connection that breaks again before it brings so much gets nowhere
_FIRST_PAUSE_S = 0.25
_Events = queue.SimpleQueue["int | BaseException | None"]


@dataclasses.dataclass(frozen=True)
class Source:
    """Where the files of a model come from.

    Attributes:
        handle: Whose files they are.
        asked: The URL that was asked for the model at first.
        get: Asks for a file by its name, with further headers.
    """

    handle: Handle
    asked: str
    get: Callable[[str, Mapping[str, str]], AbstractContextManager[Response]]


def fetch(files: BlockFiles, source: Source, settings: Settings, add: Callable[[int], object]) -> None:
    """Fetches all that is missing.

    Args:
        files: What knows what is missing, and where it belongs.
        source: Where it comes from.
        settings: How many connections there may be, and how often one may break.
        add: Gets the number of bytes that have come, on the thread of the caller.

    Raises:
        ContentLost: If the server has other files now.
        ResolveError: If it does not give a file to this user.
        TransferError: If it fails, or connections break again and again.
        CacheError: If a file cannot be written.
    """
    runs = Runs(files.runs(), files.block_bytes)
    events: _Events = queue.SimpleQueue()
    running = min(settings.connections, len(files.wanted()))
    try:
        for _ in range(running):
            worker = _Worker(files, source, settings, runs, events)
            threading.Thread(target=worker.run, name="rehub-blocks", daemon=True).start()
        if running:
            import rehub.model.model_info  # noqa: F401 - needed at the end; it loads while bytes come
        while running:
            event = events.get()
            if isinstance(event, BaseException):
                raise event
            if event is None:
                running -= 1
            else:
                add(event)
    finally:
        # A connection that is silent may hold its thread until the timeout, but nothing is written any more.
        runs.stop()


class _Worker:
    """One connection at a time, on a thread of its own."""

    def __init__(self, files: BlockFiles, source: Source, settings: Settings, runs: Runs, events: _Events) -> None:
        self._files = files
        self._source = source
        self._retries = settings.retries
        self._timeout_s = settings.timeout_s
        self._runs = runs
        self._events = events

    def run(self) -> None:
        """Brings runs until there are no more. The last event is None, or what went wrong."""
        try:
            while (run := self._runs.take()) is not None:
                with self._files.open(run.file) as target:
                    self._bring(run, target)
                self._runs.end(run)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self._events.put(error)
        else:
            self._events.put(None)

    def _bring(self, run: Run, target: BinaryIO) -> None:
        file = self._files.file(run.file)
        tries = 0
        while True:
            start, end = run.at, run.end
            headers = {"Range": f"bytes={start}-{end - 1}", "If-Range": f'"{file.sha256}"'}
            with self._source.get(file.name, headers) as response:
                broken = self._write(self._body(response, file, start), run, target, end)
            if run.at == run.end or self._runs.is_stopped:
                return
            self._runs.begin(run)
            tries = 0 if run.at - start >= _ENOUGH_BYTES else tries + 1
            if tries > self._retries:
                raise self._broke(response, file, run, broken) from broken
            if tries:
                time.sleep(_FIRST_PAUSE_S * 2 ** (tries - 1))

    def _broke(self, response: Response, file: ManifestFile, run: Run, broken: ContentLost | None) -> TransferError:
        what, hint = "the server sent less than it was asked for", "Try again."
        if broken is not None and isinstance(broken.__cause__, Exception):
            what, hint = explained(response.url, broken.__cause__, self._timeout_s)
        return TransferError(
            f"{file.name!r} of {shown(response.url)} broke after {run.at} of {file.size_bytes} bytes: {what}.",
            hint=f"{hint} What has come is kept.",
            url=shown(response.url),
            status=response.status,
        )

    def _write(self, body: Iterator[memoryview], run: Run, target: BinaryIO, end: int) -> ContentLost | None:
        """Writes what comes until the end of a run, and returns what broke before.

        A body that ends there too is read to its end, so that the connection can be used again.
        """
        try:
            for chunk in body:
                count_bytes = self._runs.claim(run, len(chunk))
                start = run.at - count_bytes
                if count_bytes:
                    try:
                        self._files.write(run.file, target, start, chunk[:count_bytes])
                    finally:
                        self._runs.wrote()
                    self._files.mark(run.file, start, run.at)
                    self._events.put(count_bytes)
                if count_bytes < len(chunk) or run.at == run.end < end:
                    break
        except ContentLost as error:
            return error
        return None

    def _body(self, response: Response, file: ManifestFile, start: int) -> Iterator[memoryview]:
        """Gives the bytes of a file from one on, once the answer is known to bring them."""
        if response.status in _GONE:
            raise _lost(response, file, "is no more what its manifest says")
        if response.status not in (200, 206):
            raise answers.refused(self._source.handle, response, self._source.asked)
        # Who it sends us to has ETags of its own; the blocks are known by their hashes.
        is_own = is_same_origin(self._source.asked, response.url)
        etag = response.headers.get("etag", "").removeprefix("W/") if is_own else ""
        first, size_bytes = content_range(response.headers) or (0, content_length(response.headers))
        if etag not in ("", f'"{file.sha256}"') or size_bytes not in (None, file.size_bytes) or first > start:
            raise _lost(response, file, "has other content now")
        return _from(response.chunks(), start - first)


def _from(chunks: Iterator[bytes], skipped_bytes: int) -> Iterator[memoryview]:
    for chunk in chunks:
        if len(chunk) > skipped_bytes:
            yield memoryview(chunk)[skipped_bytes:]
        skipped_bytes = max(0, skipped_bytes - len(chunk))


def _lost(response: Response, file: ManifestFile, what: str) -> ContentLost:
    return ContentLost(
        f"{file.name!r} of {shown(response.url)} {what} (status {response.status}).",
        hint="Try again; if it recurs, tell whoever runs the server.",
        url=shown(response.url),
        status=response.status,
    )
