"""What the commands print: data on stdout, talk on stderr.

Exit codes: 0 done, 1 a `HubError`, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import click

from rehub.errors import HubError

EXIT_ERROR = 1
EXIT_INTERRUPTED = 130


def write(line: str) -> None:
    """Prints one line of data."""
    click.echo(line)


def tell(line: str) -> None:
    """Tells the person at the terminal something."""
    click.echo(line, err=True)


def tell_error(error: HubError) -> None:
    """Tells what went wrong, and what to do next on a line of its own."""
    click.echo(f"{click.style('error:', fg='red', bold=True)} {error.message}", err=True)
    if error.hint:
        click.echo(f"{click.style('hint:', fg='cyan', bold=True)} {error.hint}", err=True)
