"""The ``rehub`` command."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from rehub import __version__
from rehub.cli import output
from rehub.errors import HubError

_COMMANDS = ("demo", "resolve", "serve")


class _LazyGroup(click.Group):
    """Imports a command's module when the command is named, or listed by ``--help``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"rehub.cli.{cmd_name}").command
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rehub", message="%(prog)s %(version)s")
def rehub() -> None:
    """Load, reuse, fine-tune, publish and host TensorFlow models."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs one command and exits with its code.

    Args:
        arguments: What follows ``rehub`` on the command line; None for this process's own.
    """
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code = rehub.main(args=arguments, prog_name="rehub", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except HubError as error:
        output.tell_error(error)
        return output.EXIT_ERROR
    except (click.Abort, KeyboardInterrupt):
        return output.EXIT_INTERRUPTED
    return code if isinstance(code, int) else 0
