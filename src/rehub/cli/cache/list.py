"""``rehub cache list``: which models are in the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rehub import configuration
from rehub.cli import output
from rehub.cli.cache import contents
from rehub.cli.group import examples

if TYPE_CHECKING:
    from rehub.cache.inventory import Entry, Inventory


@click.command(
    "list",
    epilog=examples(
        "rehub cache list",
        "rehub cache list --json",
    ),
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(as_json: bool) -> None:
    """List the models in the cache, and those that tensorflow_hub left.

    Those are marked as legacy: they are used where they are, and stay until they are named in 'rehub cache remove'. A
    model that is not whole is repaired when it is used the next time. When a model was used last is not known: using
    one writes nothing.
    """
    inventory = contents.look()
    if as_json:
        output.write_json(
            {
                "folder": str(configuration.current().cache_root),
                "size_bytes": inventory.size_bytes,
                "models": [contents.facts(entry) for entry in inventory.entries],
                "leftovers": [{"path": str(left.path), "size_bytes": left.size_bytes} for left in inventory.leftovers],
            }
        )
        return
    if inventory.entries:
        _print(inventory.entries)
    _sum_up(inventory)


def _print(entries: tuple[Entry, ...]) -> None:
    output.write_table(
        [
            (entry.handle, output.size(entry.size_bytes), output.date(entry.time_s)[:10], _state(entry))
            for entry in entries
        ],
        headings=("HANDLE", "SIZE", "FETCHED", "STATE"),
        right=(1,),
        colours=["red" if entry.damages else None for entry in entries],
    )


def _state(entry: Entry) -> str:
    if entry.origin == "unknown":
        return "no record"
    state = "damaged" if entry.damages else "whole"
    return f"{state}, legacy" if entry.origin == "tensorflow_hub" else state


def _sum_up(inventory: Inventory) -> None:
    folder = configuration.current().cache_root
    if not inventory.entries:
        output.tell(f"No models in {folder}.")
    else:
        total = output.size(inventory.size_bytes)
        output.tell(f"{output.count(len(inventory.entries), 'model')}, {total}, in {folder}")
    if inventory.leftovers:
        size = output.size(sum(left.size_bytes for left in inventory.leftovers))
        output.tell(
            f"{output.count(len(inventory.leftovers), 'unfinished download')} ({size}): running, or killed. "
            "'rehub cache prune' removes what was killed."
        )
