"""Deadlines for steps that a server can draw out: the timeout of a socket begins anew with each byte that comes."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from types import TracebackType

_LOOK_S = 0.1


class Deadline:
    """Shuts a connection down when the ``with`` block takes too long; `TimeoutError` is raised then.

    Args:
        limit_s: How long it may take, to a tenth of a second; None for as long as it likes.
        shut: Shuts the connection down, so that nobody waits for it any more; called on another thread.
    """

    def __init__(self, limit_s: float | None, shut: Callable[[], object]) -> None:
        self.end_s = 0.0
        self.shut = shut
        self.is_over = False
        self._limit_s = limit_s

    def __enter__(self) -> None:
        if self._limit_s is not None:
            self.end_s = time.monotonic() + self._limit_s
            _watch.add(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _watch.remove(self)
        if self.is_over and (error is None or isinstance(error, Exception)):
            raise TimeoutError(f"not done in {self._limit_s:g} s") from error


class _Watch:
    """Looks after all deadlines, on a thread that ends when there are none."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self._lock = threading.Lock()
        self._pause = threading.Event()  # is never set
        self._running: set[Deadline] = set()
        self._thread: threading.Thread | None = None

    def add(self, deadline: Deadline) -> None:
        with self._lock:
            self._running.add(deadline)
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="rehub-deadlines", daemon=True)
                self._thread.start()

    def remove(self, deadline: Deadline) -> None:
        with self._lock:
            self._running.discard(deadline)

    def _look(self) -> None:
        while True:
            self._pause.wait(_LOOK_S)
            with self._lock:
                now_s = time.monotonic()
                for deadline in [each for each in self._running if each.end_s <= now_s]:
                    self._running.discard(deadline)
                    deadline.is_over = True
                    with contextlib.suppress(Exception):  # it is closed, or its bytes have all come
                        deadline.shut()
                if not self._running:
                    self._thread = None
                    return


_watch = _Watch()
if hasattr(os, "register_at_fork"):  # a process that was forked lacks the thread, and may have got a lock that is held
    os.register_at_fork(after_in_child=_watch.begin)
