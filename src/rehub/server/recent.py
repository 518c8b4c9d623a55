"""What was found out a moment ago, and need not be asked for again yet."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


class Recent(Generic[_K, _V]):
    """Answers that stay for some seconds. Many threads may use it.

    Args:
        seconds: How long; with 0 every question is asked.
        limit: How many answers are kept.
        clock: Tells the time in seconds.
    """

    def __init__(self, seconds: float, limit: int = 4096, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._limit = limit
        self._clock = clock
        self._known: OrderedDict[_K, tuple[float, _V]] = OrderedDict()
        self._lock = threading.Lock()
        self._forgotten = 0

    def get(self, key: _K, find: Callable[[], _V], keeps: Callable[[_V], bool] = lambda _: True) -> _V:
        """Returns an answer of the last seconds, else a new one.

        Args:
            key: The question.
            find: Finds the answer.
            keeps: Whether an answer may be given again.
        """
        now = self._clock()
        with self._lock:
            until, value = self._known.get(key, (now, None))
            if until > now:
                return value  # type: ignore[return-value]  # it is one: only those are kept
            forgotten = self._forgotten
        found = find()
        with self._lock:
            # An answer that was on its way when it was to be forgotten may be the old one.
            if self._seconds > 0 and keeps(found) and forgotten == self._forgotten:
                self._known[key] = (now + self._seconds, found)
                self._known.move_to_end(key)
                if len(self._known) > self._limit:
                    self._known.popitem(last=False)
        return found

    def forget(self, key: _K) -> None:
        """Has the question asked again."""
        with self._lock:
            self._known.pop(key, None)
            self._forgotten += 1
