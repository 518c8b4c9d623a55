"""Runs of missing blocks, and which of several connections brings which of them.

A connection that is fast brings a run as a whole, for no second one would make it faster. As soon as one turns out to
be slow, the others help: then runs are cut into parts, which are brought in their order.
"""

from __future__ import annotations

import collections
import dataclasses
import threading
import time
from collections.abc import Iterable

_PART_BYTES = 16 << 20
_SHARES = 4  # of what is left of a run, for it may be smaller than a part
_PROBED_S = 0.25
_SLOW_BYTES_PER_S = 50 << 20
_LOOK_S = 0.1


@dataclasses.dataclass(eq=False)
class Run:
    """Bytes of a file that are to be brought.

    Attributes:
        file: The number of the file.
        at: The first byte that nobody has brought or is writing.
        end: The byte after the last one; it moves when another connection takes over the rest.
        began_at: The byte that was first when a connection took the run, or began again.
        began_s: When that was.
    """

    file: int
    at: int
    end: int
    began_at: int = 0
    began_s: float = 0.0


class Runs:
    """Hands out runs to threads. It ends when all are brought, or when it is stopped.

    Args:
        runs: All that is missing.
        block_bytes: Runs are cut only between blocks.
    """

    def __init__(self, runs: Iterable[Run], block_bytes: int) -> None:
        self._waiting = collections.deque(runs)
        self._busy: list[Run] = []
        self._block_bytes = block_bytes
        self._is_slow = False
        self._is_stopped = False
        self._writing = 0
        self._changed = threading.Condition()

    @property
    def is_stopped(self) -> bool:
        """Whether it was stopped."""
        return self._is_stopped

    def take(self) -> Run | None:
        """Returns a run to bring, as soon as there is one; None when there will be no more."""
        with self._changed:
            while not self._is_stopped and (self._waiting or self._busy):
                if not self._waiting:
                    self._share()
                if self._waiting:
                    run = self._waiting.popleft()
                    if self._is_slow:
                        self._cut(run)
                    self.begin(run)
                    self._busy.append(run)
                    return run
                self._changed.wait(_LOOK_S)
        return None

    def begin(self, run: Run) -> None:
        """Says that a connection begins to bring the rest of a run: from here on it shows how slow that is."""
        run.began_at, run.began_s = run.at, time.monotonic()

    def claim(self, run: Run, count_bytes: int) -> int:
        """Returns how many of the next bytes are to be written; `wrote` has to follow if there are any."""
        with self._changed:
            count_bytes = 0 if self._is_stopped else min(count_bytes, run.end - run.at)
            run.at += count_bytes
            self._writing += count_bytes > 0
            return count_bytes

    def wrote(self) -> None:
        """Says that what was claimed is written."""
        with self._changed:
            self._writing -= 1
            if self._is_stopped:
                self._changed.notify_all()

    def end(self, run: Run) -> None:
        """Says that a run is brought."""
        with self._changed:
            self._busy.remove(run)
            self._changed.notify_all()

    def stop(self) -> None:
        """Hands out nothing more; nobody writes any more when this returns."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._writing)

    def _share(self) -> None:
        """Takes the rest of a run away from a connection that is slow."""
        now_s = time.monotonic()
        for run in sorted(self._busy, key=lambda run: run.at - run.end):
            passed_s, count_bytes = now_s - run.began_s, run.at - run.began_at
            # Of which nothing has come is not slow: the server is busy, or the connection broke and pauses.
            if passed_s > _PROBED_S and 0 < count_bytes < passed_s * _SLOW_BYTES_PER_S and self._cut(run):
                self._is_slow = True
                return

    def _cut(self, run: Run) -> bool:
        """Leaves a run its next part, if there is more, and puts the rest in front of what waits."""
        part_bytes = max(1, min(_PART_BYTES, (run.end - run.at) // _SHARES))
        end = -(-(run.at + part_bytes) // self._block_bytes) * self._block_bytes
        if end >= run.end:
            return False
        self._waiting.appendleft(Run(run.file, end, run.end))
        run.end = end
        return True
