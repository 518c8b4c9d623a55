"""How commands are put together: groups whose modules are imported when they are needed, and the end of a help text."""

from __future__ import annotations

import difflib
import importlib
import keyword

import click


def examples(*lines: str) -> str:
    """Returns the end of a help text: commands, each on a line of its own."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


class LazyGroup(click.Group):
    """A group of the commands of a package, one module for each.

    Attributes:
        package: Where the modules are; each has its `click.Command` by the name ``command``. That of a command whose
            name is a word of Python, such as ``import``, ends in ``_``.
        names: Of the modules and commands, in the order of ``--help``.
    """

    package: str
    names: tuple[str, ...]

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Returns the names."""
        return list(self.names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Returns the command of a name, None if there is none."""
        if cmd_name not in self.names:
            return None
        module = cmd_name.replace("-", "_") + "_" * keyword.iskeyword(cmd_name)
        command: click.Command = importlib.import_module(f"{self.package}.{module}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the command that is named; says which one may be meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            close = difflib.get_close_matches(args[0], self.names, n=1)
            if not close:
                raise
            raise click.UsageError(f"{error.message} Is '{close[0]}' meant?", ctx) from None
