"""``rehub cache prune``: what is of no use out of the cache."""

from __future__ import annotations

import dataclasses
import time
from functools import partial
from typing import TYPE_CHECKING

import click

from rehub.cli import output
from rehub.cli.age import age_s
from rehub.cli.cache import contents
from rehub.cli.group import examples
from rehub.cli.size import size_bytes

if TYPE_CHECKING:
    from rehub.cache.inventory import Entry, Inventory


@dataclasses.dataclass(frozen=True)
class _Item:
    name: str
    folder: str
    size_bytes: int
    reason: str

    def __str__(self) -> str:
        return f"{self.name}  ({output.size(self.size_bytes)}, {self.reason})"


@click.command(
    "prune",
    epilog=examples(
        "rehub cache prune --dry-run --older-than 90d",
        "rehub cache prune --keep-latest --max-size 20GB --yes",
    ),
)
@click.option("--older-than", type=age_s, metavar="AGE", help="Also models fetched longer ago, such as 90d or 8w.")
@click.option("--keep-latest", is_flag=True, help="Also all versions of a model but the highest.")
@click.option(
    "--max-size",
    type=size_bytes,
    metavar="SIZE",
    help="Also models fetched longest ago, until no more than that is left: 20GB.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print what is removed as a JSON list.")
@click.pass_context
def command(
    ctx: click.Context,
    older_than: float | None,
    keep_latest: bool,
    max_size: int | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Remove what is of no use.

    That is: damaged models, what killed downloads left, and notes that lead nowhere; options remove more. Models that
    tensorflow_hub left stay, and folders that rehub did not make. At a terminal it asks first. Prints what is gone;
    exits with 1 if a model stays, such as one that another process is busy with.
    """
    from rehub.cache.pruning import Rule, select

    inventory = contents.look()
    chosen = select(inventory.entries, Rule(older_than, max_size, keep_latest), time.time())
    found = [
        *(_Item(entry.handle, str(entry.folder), entry.size_bytes, reason) for entry, reason in chosen),
        *(_Item(str(left.path), str(left.path), left.size_bytes, "unfinished") for left in inventory.leftovers),
    ]
    is_done = True
    if not dry_run:
        if not contents.may_delete(list(map(str, found)), sum(item.size_bytes for item in found), yes=yes):
            output.tell("Nothing was removed.")
            ctx.exit(output.EXIT_ERROR)
        found, is_done = _remove(inventory, chosen, found)
    if as_json:
        output.write_json([dataclasses.asdict(item) for item in found])
    else:
        for item in found:
            output.write(output.printable(str(item)))
    what = f"{output.count(len(found), 'item')} ({output.size(sum(item.size_bytes for item in found))})"
    output.tell(f"Would remove {what}." if dry_run else f"Removed {what}.")
    if not is_done:
        ctx.exit(output.EXIT_ERROR)


def _remove(inventory: Inventory, chosen: list[tuple[Entry, str]], found: list[_Item]) -> tuple[list[_Item], bool]:
    """Removes all that was found but what running downloads need; returns what is gone, and whether nothing failed."""
    from rehub.cache.removal import remove, sweep

    store = contents.store()
    removed = [contents.is_done(partial(remove, store, entry)) for entry, _ in chosen]
    is_tidy = contents.is_tidied(store, inventory)
    tried = [contents.is_done(partial(sweep, store.root, [left])) for left in inventory.leftovers]
    swept = [not left.path.exists() for left in inventory.leftovers]
    if False in swept:
        output.tell(f"{output.count(swept.count(False), 'unfinished download')} stayed: running, or just begun.")
    gone = [item for item, is_gone in zip(found, [*removed, *swept], strict=True) if is_gone]
    return gone, all([*removed, is_tidy, *tried])
