"""``rehub cache remove``: models out of the cache."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from rehub.cli import output
from rehub.cli.cache import contents
from rehub.cli.completion import cached_handles
from rehub.cli.group import examples

if TYPE_CHECKING:
    from rehub.cache.inventory import Entry


@click.command(
    "remove",
    epilog=examples(
        "rehub cache remove https://HUB/PUBLISHER/MODEL/1",
        "rehub cache remove --yes https://HUB/PUBLISHER/MODEL",
    ),
)
@click.argument("names", metavar="HANDLE...", nargs=-1, required=True, shell_complete=cached_handles)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...], dry_run: bool, yes: bool) -> None:
    """Remove models from the cache.

    A HANDLE is a URL or folder as 'rehub cache list' shows it; without a version it means all versions. At a terminal
    it asks first. What is removed is downloaded again when it is used. Prints what is gone; exits with 1 if a
    model stays, such as one that another process is busy with.
    """
    inventory = contents.look()
    entries = contents.named(inventory, names)
    if dry_run:
        for entry in entries:
            output.write(output.printable(entry.handle))
        output.tell(f"Would remove {_sum(entries)}.")
        return
    size_bytes = sum(entry.size_bytes for entry in entries)
    if not contents.may_delete([entry.handle for entry in entries], size_bytes, yes=yes):
        output.tell("Nothing was removed.")
        ctx.exit(output.EXIT_ERROR)
    from rehub.cache.removal import remove

    store, gone = contents.store(), []
    for entry in entries:
        if contents.is_done(partial(remove, store, entry)):
            output.write(output.printable(entry.handle))
            gone.append(entry)
    is_tidy = contents.is_tidied(store, inventory)
    output.tell(f"Removed {_sum(gone)}.")
    if len(gone) < len(entries) or not is_tidy:
        ctx.exit(output.EXIT_ERROR)


def _sum(entries: list[Entry]) -> str:
    return f"{output.count(len(entries), 'model')} ({output.size(sum(entry.size_bytes for entry in entries))})"
