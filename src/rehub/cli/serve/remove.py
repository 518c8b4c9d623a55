"""``rehub serve remove``: a version out of the hub."""

from __future__ import annotations

import click

from rehub.cli import output
from rehub.cli.group import examples
from rehub.cli.serve.hub import is_meant, library_of, store_option, version_of


@click.command("remove", epilog=examples("rehub serve remove acme/net/3 --reason 'Trained on data without a licence.'"))
@click.argument("version", metavar="PUBLISHER/MODEL/VERSION")
@click.option("--reason", required=True, help="Why; everybody who looks for the version reads it.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@store_option
@click.pass_context
def command(ctx: click.Context, version: str, reason: str, yes: bool, store: str) -> None:
    """Remove a version for good.

    Its files are deleted. What is left says why, and the number is never used again. At a terminal it asks first.
    """
    from rehub.server.removal import remove

    name, number = version_of(version)
    library = library_of(store)
    if not is_meant(f"Remove {name}/{number} from {library.store.url} for good?", yes=yes):
        output.tell("Nothing was removed.")
        ctx.exit(output.EXIT_ERROR)
    removed = remove(library, name, number, reason)
    output.tell(f"Removed {removed.name}/{removed.number}: {removed.reason}")
