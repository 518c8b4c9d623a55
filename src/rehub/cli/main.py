"""The ``rehub`` command."""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from rehub import __version__
from rehub.cli import output
from rehub.cli.group import LazyGroup, examples
from rehub.errors import HubError

_COMMANDS = (
    "inspect",
    "resolve",
    "download",
    "cache",
    "lock",
    "compare",
    "train",
    "run",
    "index",
    "convert",
    "migrate",
    "publish",
    "slim",
    "serve",
    "login",
    "logout",
    "demo",
    "doctor",
    "completion",
)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})


class _Rehub(LazyGroup):
    package = "rehub.cli"
    names = _COMMANDS

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command that is named, and tells what goes wrong there without a traceback."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit, EOFError):
            raise
        except Exception as error:
            nobody_reads = isinstance(error, OSError) and error.errno == errno.EPIPE
            if nobody_reads or _is_of_output(error) or ctx.params["traceback"]:
                raise
            output.tell_error(error if isinstance(error, HubError) else _unexpected(error))
            ctx.exit(output.EXIT_ERROR)


@click.group(
    cls=_Rehub,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples(
        "rehub resolve https://HUB/PUBLISHER/MODEL/1",
        "rehub download https://HUB/PUBLISHER/MODEL/1 --to model",
        "rehub cache list",
    ),
)
@click.version_option(__version__, prog_name="rehub", message="%(prog)s %(version)s")
@click.option(
    "--traceback",
    is_flag=True,
    envvar="REHUB_TRACEBACK",
    show_envvar=True,
    help="Show where in the code an error comes from.",
)
def rehub(traceback: bool) -> None:
    """Load, reuse, fine-tune, publish and host TensorFlow models."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs one command and exits with its code.

    Args:
        arguments: What follows ``rehub`` on the command line; None for this process's own.
    """
    # Python leaves out streams that were closed by the caller, as by `>&-`.
    sys.stdout = sys.stdout or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for as long as it runs
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    # What the encoding of a terminal or a pipe lacks is spelled out, and ends no command.
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")
    with _readable_warnings(), _tidy_end():
        sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code = rehub.main(args=arguments, prog_name="rehub", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return output.EXIT_INTERRUPTED
    except OSError as error:
        if not _is_of_output(error):
            raise
        return _lose_output(error)
    return code if isinstance(code, int) else 0


def _is_of_output(error: Exception) -> bool:
    """Whether nothing more can be printed. What else is written has errors of its own, or names its file."""
    return (
        isinstance(error, OSError)
        and not isinstance(error, HubError)
        and error.errno in _FULL
        and error.filename is None
    )


def _lose_output(error: OSError) -> int:
    output.tell_error(
        HubError(f"the output cannot be written: {error.strerror}.", hint="Make space, or send it elsewhere.")
    )
    # What is still buffered would fail once more when Python ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return output.EXIT_ERROR


def _unexpected(error: Exception) -> HubError:
    return HubError(
        f"{type(error).__name__}: {error}",
        hint="rehub did not expect this. Run the command again with REHUB_TRACEBACK=1, and report what it shows.",
    )


class _Told(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        output.tell_warning(record.getMessage())


@contextlib.contextmanager
def _readable_warnings() -> Iterator[None]:
    log, handler = logging.getLogger("rehub"), _Told(logging.WARNING)
    log.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_args, **_more: output.tell_warning(str(message))
            yield
    finally:
        log.removeHandler(handler)


@contextlib.contextmanager
def _tidy_end() -> Iterator[None]:
    """Lets a termination clean up as an interrupt does."""

    def end(*_: object) -> NoReturn:
        sys.exit(output.EXIT_TERMINATED)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
