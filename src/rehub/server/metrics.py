"""What a hub has done since it began, for Prometheus.

Worker processes share a folder: each adds to numbers in a file of its own, and whoever is asked adds up all files. So
the answer is the same whichever process gives it, and never falls.

Source: Prometheus, "Exposition formats", version 0.0.4.
"""

from __future__ import annotations

import bisect
import mmap
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

KINDS = ("page", "archive", "manifest", "file", "uncompressed", "api", "static", "operation", "other")
"""What requests are for; ``operation`` is for those of operators."""

_STATUSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
_BOUNDS_S = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0)
_EVENTS = ("versions", "blocks", "block_bytes", "limited", "denied")
_NUMBER_BYTES = 8
_SUFFIX = ".numbers"

# Where each number stands.
_REQUESTS = 0
_BYTES = _REQUESTS + len(KINDS) * len(_STATUSES)
_SECONDS = _BYTES + len(KINDS)
_BUCKETS = _SECONDS + len(KINDS)
_COUNTERS = _BUCKETS + len(KINDS) * (len(_BOUNDS_S) + 1)
_SIZE_BYTES = (_COUNTERS + len(_EVENTS)) * _NUMBER_BYTES

_HELP = {
    "versions": "Versions that were published.",
    "blocks": "Blocks of uploads that came.",
    "block_bytes": "Bytes of blocks of uploads that came.",
    "limited": "Requests that were refused because there were too many.",
    "denied": "Requests that were refused for their token, or for want of one.",
}


class Metrics:
    """The numbers of one process. One event loop adds to them.

    Args:
        folder: An existing folder that the processes of a hub share; None for one process.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        if folder is None:
            self._memory = mmap.mmap(-1, _SIZE_BYTES)
        else:
            with (folder / f"{os.getpid()}{_SUFFIX}").open("w+b") as file:
                file.truncate(_SIZE_BYTES)
                self._memory = mmap.mmap(file.fileno(), _SIZE_BYTES)
        self._numbers = memoryview(self._memory).cast("d")

    def count_request(self, kind: str, status: int, size_bytes: int, seconds: float) -> None:
        """Counts an answer.

        Args:
            kind: One of `KINDS`.
            status: The HTTP status.
            size_bytes: Of its body, as its headers say.
            seconds: Until it was sent, or handed over to be sent.
        """
        row = KINDS.index(kind)
        self._numbers[_REQUESTS + row * len(_STATUSES) + min(max(status // 100, 1), 5) - 1] += 1
        self._numbers[_BYTES + row] += size_bytes
        self._numbers[_SECONDS + row] += seconds
        self._numbers[_BUCKETS + row * (len(_BOUNDS_S) + 1) + bisect.bisect_left(_BOUNDS_S, seconds)] += 1

    def count(self, event: str, by: int = 1) -> None:
        """Counts one of ``versions``, ``blocks``, ``block_bytes``, ``limited`` and ``denied``."""
        self._numbers[_COUNTERS + _EVENTS.index(event)] += by

    def text(self) -> str:
        """Returns all numbers of all processes, as Prometheus reads them."""
        return "".join(f"{line}\n" for line in _lines(self._sums()))

    def _sums(self) -> list[float]:
        if self._folder is None:
            return list(self._numbers)
        found = [memoryview(path.read_bytes()).cast("d") for path in self._folder.glob(f"*{_SUFFIX}")]
        return [sum(column) for column in zip(*(each for each in found if each.nbytes == _SIZE_BYTES), strict=True)]


def _lines(numbers: list[float]) -> Iterator[str]:
    yield from _head("rehub_requests_total", "counter", "Requests by what they are for and the class of their answer.")
    for row, kind in enumerate(KINDS):
        for column, status in enumerate(_STATUSES):
            value = numbers[_REQUESTS + row * len(_STATUSES) + column]
            yield f'rehub_requests_total{{kind="{kind}",status="{status}"}} {value:.0f}'
    yield from _head("rehub_response_bytes_total", "counter", "Bytes of the bodies of answers, as their headers say.")
    for row, kind in enumerate(KINDS):
        yield f'rehub_response_bytes_total{{kind="{kind}"}} {numbers[_BYTES + row]:.0f}'
    what = "Seconds until an answer was sent; for files, until the sending began."
    yield from _head("rehub_request_seconds", "histogram", what)
    width = len(_BOUNDS_S) + 1
    for row, kind in enumerate(KINDS):
        counts = numbers[_BUCKETS + row * width : _BUCKETS + (row + 1) * width]
        yield from _histogram(kind, counts, numbers[_SECONDS + row])
    for column, event in enumerate(_EVENTS):
        name = f"rehub_{event}_total"
        yield from _head(name, "counter", _HELP[event])
        yield f"{name} {numbers[_COUNTERS + column]:.0f}"


def _histogram(kind: str, counts: Iterable[float], seconds: float) -> Iterator[str]:
    total = 0.0
    for bound, count in zip((*map(str, _BOUNDS_S), "+Inf"), counts, strict=True):
        total += count
        yield f'rehub_request_seconds_bucket{{kind="{kind}",le="{bound}"}} {total:.0f}'
    yield f'rehub_request_seconds_sum{{kind="{kind}"}} {seconds:.6f}'
    yield f'rehub_request_seconds_count{{kind="{kind}"}} {total:.0f}'


def _head(name: str, kind: str, text: str) -> tuple[str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"
