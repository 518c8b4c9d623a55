"""What the commands print: data on stdout, talk on stderr; colours only at a terminal, and not with NO_COLOR.

Exit codes: 0 done, 1 a `HubError` or something that is found to be wrong, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Collection, Sequence
from typing import Any

import click

from rehub.cli.columns import lay_out
from rehub.errors import HubError
from rehub.words import count as count
from rehub.words import size as size

EXIT_ERROR = 1
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


def write(line: str, *, bold: bool = False, colour: str | None = None) -> None:
    """Prints one line of data."""
    click.echo(click.style(line, fg=colour, bold=bold) if bold or colour else line, color=_colour())


def write_json(value: Any) -> None:
    """Prints data for a program."""
    import json

    takes_all = str(getattr(sys.stdout, "encoding", None)).lower().startswith("utf")
    click.echo(json.dumps(value, indent=2, ensure_ascii=not takes_all, allow_nan=False))


def write_table(
    rows: Sequence[Sequence[str]],
    *,
    headings: Sequence[str] = (),
    right: Collection[int] = (),
    colours: Sequence[str | None] = (),
) -> None:
    """Prints rows in columns, as wide as the terminal; for a program, or a file, nothing is wrapped.

    The cells may be a stranger's: what a terminal would obey is spelled out.

    Args:
        rows: The cells, as many in each row.
        headings: Of the columns.
        right: The columns, from 0, that are aligned to the right.
        colours: Of the rows; None for the terminal's own.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    shown = [headings, *cells] if headings else cells
    laid_out = lay_out(shown, width(), right) if shown else []
    for number, lines in enumerate(laid_out):
        index = number - bool(headings)
        for line in lines:
            if index < 0:
                write(line, bold=True)
            else:
                write(line, colour=colours[index] if colours else None)


def width() -> int | None:
    """Returns how many characters fit on a line; None for a program or a file, which take any number."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def tell(line: str) -> None:
    """Tells the person at the terminal something."""
    click.echo(_printable_lines(line), err=True)


def tell_warning(message: str) -> None:
    """Tells of something that may not be as it should."""
    _tell_marked("warning", message)


def tell_error(error: HubError) -> None:
    """Tells what went wrong, and on lines of their own what to do next and where more is said of such errors."""
    _tell_marked("error", error.message)
    if error.hint:
        tell_hint(error.hint)
    if type(error) is not HubError:
        _tell_marked("more", error.page)


def tell_hint(message: str) -> None:
    """Tells what to do next."""
    _tell_marked("hint", message)


def printable(text: str) -> str:
    """Returns a stranger's text without what a terminal would obey, such as escape sequences."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def date(time_s: float | None) -> str:
    """Returns a time for a person: day and minute on this machine."""
    return "unknown" if time_s is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(time_s))


def iso(time_s: float | None) -> str | None:
    """Returns a time for a program: ISO 8601, UTC."""
    return None if time_s is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time_s))


def mark(kind: str) -> str:
    """Returns the coloured word before an error, a warning, a hint, or the place where more is said."""
    colours = {"error": "red", "warning": "yellow", "hint": "cyan", "more": "blue"}
    return click.style(f"{kind}:", fg=colours[kind], bold=True)


def _tell_marked(kind: str, message: str) -> None:
    click.echo(f"{mark(kind)} {_printable_lines(message)}", err=True, color=_colour())


def _printable_lines(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


def _colour() -> bool | None:
    """Returns False where colours are not wanted, None to let click find out whether there is a terminal."""
    return False if os.environ.get("NO_COLOR") else None
