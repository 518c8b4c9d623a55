"""How far something is, as a bar at a terminal or in a notebook."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rehub import configuration
from rehub.resolvers import progress

_DELAY_S = 0.5
"""What is done sooner needs no bar."""


@contextlib.contextmanager
def bar(name: str, unit: str, total: int, done: int = 0) -> Iterator[Callable[[int], object]]:
    """Shows a bar while the block runs, if the settings or a terminal want one.

    Args:
        name: What is done.
        unit: Of what it is counted in, for one.
        total: How many there are.
        done: How many are done already.

    Yields:
        What is to be told how many more are done.
    """
    if not progress.is_wanted(configuration.current()):
        yield lambda count: None
        return
    with progress.new_bar(total=total, initial=done, desc=name, unit=f" {unit}s", leave=False, delay=_DELAY_S) as shown:
        yield shown.update
