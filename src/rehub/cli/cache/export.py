"""``rehub cache export``: cached models in one file, for machines without a network."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rehub.cli import output
from rehub.cli.cache import contents
from rehub.cli.completion import cached_handles
from rehub.cli.group import examples

if TYPE_CHECKING:
    from rehub.cache.inventory import Entry


@click.command(
    "export",
    epilog=examples(
        "rehub cache export models.tar",
        "rehub cache export - https://HUB/PUBLISHER/MODEL/1 | ssh HOST rehub cache import -",
    ),
)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("names", metavar="[HANDLE...]", nargs=-1, shell_complete=cached_handles)
@click.pass_context
def command(ctx: click.Context, file: Path, names: tuple[str, ...]) -> None:
    """Write cached models and their records into one FILE, or to stdout if that is '-'.

    All models that rehub fetched, or those named; an unversioned HANDLE means all versions. 'rehub cache import' puts
    them into another cache, where programs find them by the same handles. The contents are compared with what was
    fetched. FILE is a tar, and appears whole or not at all. Exits with 1 if a model is left out: it was not whole.
    """
    from rehub.archive.new_folder import drafts, new_file
    from rehub.cache.bundle_writing import pack
    from rehub.cache.lock import claim

    inventory = contents.look()
    ours = [entry for entry in inventory.entries if entry.origin != "tensorflow_hub"]
    wanted = contents.named(inventory, names) if names else ours
    entries = [entry for entry in wanted if entry.origin == "rehub" and not entry.damages]
    if file == Path("-"):
        if sys.stdout.isatty():
            raise click.UsageError("A tar is nothing for a terminal: send it to a file or a program.", ctx)
        pack(entries, inventory.pointers, sys.stdout.buffer)
    else:
        for draft in drafts(file):
            with claim(draft) as is_free:
                if is_free:
                    draft.unlink(missing_ok=True)
        with new_file(file) as new, new.open("xb") as out, claim(new):
            pack(entries, inventory.pointers, out)
            out.flush()
            os.fsync(out.fileno())
    for entry in entries:
        output.tell(f"{entry.handle}  {output.size(entry.size_bytes)}")
    left = [entry for entry in wanted if entry not in entries]
    for entry in left:
        output.tell_warning(f"{entry.handle} is left out: {_why(entry)}.")
    total = output.size(sum(entry.size_bytes for entry in entries))
    output.tell(f"Exported {output.count(len(entries), 'model')} ({total}).")
    if left:
        ctx.exit(output.EXIT_ERROR)


def _why(entry: Entry) -> str:
    if entry.origin == "tensorflow_hub":
        return "tensorflow_hub fetched it, and noted nothing with which it could be verified"
    return "; ".join(map(str, entry.damages))
