"""Commits that take their time: clients ask again until one is done, and meet the same one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable

from anyio import CapacityLimiter, to_thread

from rehub.server.commit import Committed

_AT_A_TIME = 2
_PATIENCE_S = 5.0
_KEPT = 100


class RunningCommits:
    """The commits of one process. One event loop uses it."""

    def __init__(self) -> None:
        self._tasks: dict[Hashable, asyncio.Task[Committed]] = {}
        self._limiter = CapacityLimiter(_AT_A_TIME)

    async def result(self, key: Hashable, commit: Callable[[], Committed]) -> Committed | None:
        """Begins a commit, or joins the one that runs; returns None when it is not done after some seconds.

        It goes on also when nobody waits any more.

        Args:
            key: What it is known by.
            commit: What to do; called in a thread.

        Raises:
            HubError: What the commit raises, once.
        """
        if key not in self._tasks:
            for old in [key for key, task in self._tasks.items() if task.done()][: len(self._tasks) - _KEPT + 1]:
                del self._tasks[old]
            self._tasks[key] = asyncio.ensure_future(to_thread.run_sync(commit, limiter=self._limiter))
        task = self._tasks[key]
        done, _ = await asyncio.wait({task}, timeout=_PATIENCE_S)
        if not done:
            return None
        self._tasks.pop(key, None)
        return task.result()
