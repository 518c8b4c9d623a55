"""Showing how far a download is: to the program's callback, or to a person as a bar."""

from __future__ import annotations

import contextlib
import sys
from types import TracebackType
from typing import Any

from rehub.configuration import Settings


class Progress:
    """Counts the bytes of one download.

    Args:
        settings: Whether and how progress is shown.
        what: The URL.
        total_bytes: None when the server does not tell it.
    """

    def __init__(self, settings: Settings, what: str, total_bytes: int | None) -> None:
        self._callback = settings.progress
        self._what = what
        self._total_bytes = total_bytes
        self._done_bytes = 0
        self._bar: Any = None
        if self._callback is None and is_wanted(settings):
            # A download that is over at once needs no bar, unless somebody asked for it.
            delay_s = 0 if settings.show_progress else 0.5
            name = what.partition("?")[0].partition("://")[2]
            self._bar = new_bar(
                total=total_bytes, desc=name, unit="B", unit_scale=True, unit_divisor=1024, delay=delay_s
            )

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._callback is not None and self._total_bytes != self._done_bytes:
            self._callback(self._what, self._done_bytes, self._done_bytes)
        if self._bar is not None:
            self._bar.close()

    def add(self, count_bytes: int) -> None:
        """Notes that bytes have come."""
        self._done_bytes += count_bytes
        if self._callback is not None:
            self._callback(self._what, self._done_bytes, self._total_bytes)
        if self._bar is not None:
            self._bar.update(count_bytes)


class _Stderr:
    """The standard error, of which nobody minds when it is closed or broken: the download goes on."""

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


def new_bar(**options: Any) -> Any:
    """Returns a ``tqdm`` bar for a terminal or a notebook."""
    from tqdm.auto import tqdm

    return tqdm(dynamic_ncols=True, file=None if _is_notebook() else _Stderr(), **options)


def is_wanted(settings: Settings) -> bool:
    """Whether somebody wants to see how far things are."""
    if settings.show_progress is not None:
        return settings.show_progress and sys.stderr is not None
    return _is_notebook() or _is_terminal()


def _is_terminal() -> bool:
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except ValueError:  # it is closed
        return False


def _is_notebook() -> bool:
    return "ipykernel" in sys.modules
