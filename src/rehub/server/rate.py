"""How many requests a client may make."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable

_BURST_S = 10.0
_CLIENTS_LIMIT = 10_000


class RateLimit:
    """Counts the requests of each client: so many a second, and after a pause those of ten seconds at once.

    Args:
        per_s: How many.
        clock: Tells the time in seconds.
    """

    def __init__(self, per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._burst = max(1.0, per_s * _BURST_S)
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, client: str) -> float:
        """Counts a request, unless there were too many; returns for how long the client has to wait then, else 0."""
        now = self._clock()
        left, then = self._left.pop(client, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._per_s)
        is_allowed = left >= 1
        self._left[client] = (left - is_allowed, now)
        if len(self._left) > _CLIENTS_LIMIT:
            self._left.popitem(last=False)
        return 0.0 if is_allowed else (1 - left) / self._per_s

    def take_back(self, client: str) -> None:
        """Counts one request less."""
        left, then = self._left.get(client, (self._burst, self._clock()))
        self._left[client] = (left + 1, then)  # more than the burst is cut off when it is looked at


class Guesses:
    """Limits how many tokens that may be none are looked up for an address; good ones are remembered, and go free.

    Args:
        per_s: How many a second, as of `RateLimit`.
        clock: Tells the time in seconds.
    """

    def __init__(self, per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = RateLimit(per_s, clock)
        self._good: OrderedDict[bytes, None] = OrderedDict()  # by their hashes: the tokens themselves are not kept

    def wait_s(self, address: str, authorization: str) -> float:
        """Counts a token, unless it is known or there were too many; returns for how long the client has to wait."""
        return 0.0 if _hash(authorization) in self._good else self._limit.wait_s(address)

    def tell(self, address: str, authorization: str, *, is_good: bool) -> None:
        """Learns what was found out of a token for which nobody had to wait."""
        key = _hash(authorization)
        if not is_good:
            self._good.pop(key, None)
            return
        if key not in self._good:
            self._limit.take_back(address)
        self._good[key] = None
        self._good.move_to_end(key)
        if len(self._good) > _CLIENTS_LIMIT:
            self._good.popitem(last=False)


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
