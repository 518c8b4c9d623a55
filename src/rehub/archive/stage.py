"""Work on several threads: each stage takes what the one before puts into its short queue."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Generic, TypeVar

_Item = TypeVar("_Item")
_DEPTH = 16


class _Stopped(BaseException):
    """Ends the work of a stage whose input will never be whole."""


class Stage(Generic[_Item]):
    """A piece of work on a thread of its own, while a ``with`` block runs.

    The block ends when the work has: with its result, or by raising what it raised. A block that raises ends the work
    at the next item that it asks for.

    Args:
        work: Takes the items that are put in, in their order.
        name: Of the thread.
    """

    def __init__(self, work: Callable[[Iterator[_Item]], object], name: str) -> None:
        self._work = work
        self._queue: queue.Queue[Any] = queue.Queue(_DEPTH)
        self._end, self._stop = object(), object()
        self._is_over = False
        self._is_stopped = False
        self._done = threading.Event()  # an interrupted Thread.join may take the thread for ended, before Python 3.13
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Stage[_Item]:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._queue.put(self._end if kind is None else self._stop)
            self._done.wait()
        except BaseException:  # an interrupt: nothing may go on behind the back of who is told of it
            self._is_stopped = True
            with contextlib.suppress(queue.Full):
                self._queue.put_nowait(self._stop)
            self._done.wait()
            raise
        if kind is None and self._error is not None:
            raise self._error

    def put(self, item: _Item) -> None:
        """Gives the work an item; waits while it has many.

        Raises:
            BaseException: What the work has raised.
        """
        if self._error is not None:
            raise self._error
        self._queue.put(item)

    def _run(self) -> None:
        try:
            self._work(self._items())
        except _Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that puts
            self._error = error
        while not self._is_over:  # whoever puts must not wait for a queue that nobody empties
            self._take()
        self._done.set()

    def _items(self) -> Iterator[_Item]:
        while True:
            item = self._take()
            if item is self._stop:
                raise _Stopped
            if item is self._end:
                return
            yield item

    def _take(self) -> Any:
        item = self._queue.get()
        if self._is_stopped:
            item = self._stop
        self._is_over = item is self._end or item is self._stop
        return item
