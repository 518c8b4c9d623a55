"""``rehub serve`` is two things: ``rehub serve STORE``, and commands such as ``rehub serve gc``."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem

from rehub.cli.group import LazyGroup


class _Operator(LazyGroup):
    package = "rehub.cli.serve"
    names = ("token", "publisher", "collection", "remove", "gc")


_OPERATOR = _Operator("serve")


class Serve(click.Command):
    """The command that serves, unless the first word is the name of another one; ``./gc`` is a folder."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> click.Context:
        """Begins the command that is meant."""
        if args and args[0] in _OPERATOR.names:
            return _OPERATOR.make_context(info_name, args, parent, **extra)
        return super().make_context(info_name, args, parent, **extra)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the options, and then the commands."""
        super().format_options(ctx, formatter)
        _OPERATOR.format_commands(ctx, formatter)


def complete_store(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completes what may follow ``rehub serve``: a command, or a folder."""
    found = [CompletionItem(name) for name in _OPERATOR.names if name.startswith(incomplete)]
    return found or [CompletionItem(incomplete, type="dir")]
