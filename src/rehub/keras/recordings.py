"""Recordings that wait for the backward passes of compiled programs, under the numbers that the programs carry."""

from __future__ import annotations

import collections
import itertools

from rehub.keras.other_backend import RUNNING, Recording

MOST_WAITING = 256
"""Programs that ask for no gradient of what they recorded leave it here; the oldest of so many is given up."""

MOST_ASKED = 32
"""Loops and vmap ask more than once, and nothing tells which time is the last. So some stay until their call runs anew,
which it may never do."""


class Recordings:
    """What waits, and what was asked for last."""

    def __init__(self) -> None:
        self._count = itertools.count()
        self._waiting: collections.OrderedDict[int, tuple[object, Recording]] = collections.OrderedDict()
        self._asked: collections.OrderedDict[int, tuple[object, Recording]] = collections.OrderedDict()

    def keep(self, recording: Recording, call: object) -> int:
        """Keeps the recording of a call; returns the number by which `find` gives it, from 1 to 2**31 - 1."""
        with RUNNING:
            number = 1 + next(self._count) % (2**31 - 1)
            self._waiting[number] = call, recording
            if len(self._waiting) > MOST_WAITING:
                self._waiting.popitem(last=False)
        return number

    def find(self, number: int) -> Recording | None:
        """Returns a recording; None if it was given up."""
        with RUNNING:
            found = self._asked.pop(number, None) or self._waiting.pop(number, None)
            if found is None:
                return None
            self._asked[number] = found
            if len(self._asked) > MOST_ASKED:
                self._asked.popitem(last=False)
        return found[1]

    def hold(self, recording: Recording, call: object) -> None:
        """Keeps a recording as long as one that was asked for."""
        self.find(self.keep(recording, call))

    def forget(self, call: object) -> None:
        """Gives up what was asked for of a call, which runs anew."""
        with RUNNING:
            for number in [number for number, (other, _) in self._asked.items() if other is call]:
                del self._asked[number]
