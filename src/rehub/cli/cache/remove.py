"""``rehub cache remove``: models out of the cache."""

from __future__ import annotations

import click

from rehub.cli import output
from rehub.cli.cache import contents
from rehub.cli.completion import cached_handles
from rehub.cli.group import examples


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
    it asks first. What is removed is downloaded again when it is used.
    """
    inventory = contents.look()
    entries = contents.named(inventory, names)
    for entry in entries:
        output.write(entry.handle)
    size_bytes = sum(entry.size_bytes for entry in entries)
    if dry_run:
        output.tell(f"Would remove {output.count(len(entries), 'model')} ({output.size(size_bytes)}).")
        return
    if not contents.may_delete(len(entries), size_bytes, yes=yes):
        output.tell("Nothing was removed.")
        ctx.exit(output.EXIT_ERROR)
    from rehub.cache.removal import forget, remove

    store = contents.store()
    for entry in entries:
        remove(store, entry)
    forget(store, inventory.pointers.items())
    output.tell(f"Removed {output.count(len(entries), 'model')} ({output.size(size_bytes)}).")
