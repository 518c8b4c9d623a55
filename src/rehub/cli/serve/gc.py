"""``rehub serve gc``: what belongs to no version out of the hub."""

from __future__ import annotations

import click

from rehub.cli import output
from rehub.cli.age import age_s
from rehub.cli.group import examples
from rehub.cli.serve.hub import library_of, store_option


@click.command("gc", epilog=examples("rehub serve gc --dry-run", "rehub serve gc --store s3://BUCKET --older-than 2d"))
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@click.option(
    "--older-than",
    type=age_s,
    metavar="AGE",
    default="1d",
    show_default=True,
    help="How old unfinished uploads have to be, such as 12h.",
)
@store_option
def command(dry_run: bool, older_than: float, store: str) -> None:
    """Delete what belongs to no version.

    That is: uploads that nobody finished, what publishers left who were second in a race or were cut off, and files of
    removed versions. Servers may run meanwhile. Prints what is gone.
    """
    from rehub.server.gc import collect

    found = collect(library_of(store), keep_s=older_than, is_dry=dry_run)
    for key in found.keys:
        output.write(output.printable(key))
    what = f"{output.count(len(found.keys), 'object')} ({output.size(found.size_bytes)})"
    output.tell(f"{'Would delete' if dry_run else 'Deleted'} {what}.")
