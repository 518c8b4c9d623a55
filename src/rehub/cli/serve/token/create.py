"""``rehub serve token create``: a new token."""

from __future__ import annotations

import datetime

import click

from rehub.cli import output
from rehub.cli.age import age_s
from rehub.cli.group import examples
from rehub.cli.serve.hub import library_of, store_option


@click.command(
    "create",
    epilog=examples(
        "rehub serve token create 'ci of acme' --publisher acme --expires 90d",
        "rehub serve token create 'notebooks' --all-publishers --read-only > token.txt",
    ),
)
@click.argument("name")
@click.option("--publisher", "publishers", metavar="PUBLISHER", multiple=True, help="For whom it is; may be repeated.")
@click.option("--all-publishers", is_flag=True, help="It is for all publishers.")
@click.option("--read-only", is_flag=True, help="It opens private publishers, and is not for publishing.")
@click.option("--expires", type=age_s, metavar="AGE", help="When it ends, such as 90d; never by default.")
@store_option
def command(
    name: str, publishers: tuple[str, ...], all_publishers: bool, read_only: bool, expires: float | None, store: str
) -> None:
    """Make a token and print it, this once.

    NAME says who has it, or for what; it is shown with the versions that are published by the token.
    """
    from rehub.server.tokens import Tokens

    if bool(publishers) == all_publishers:
        raise click.UsageError("Say for whom the token is: --publisher PUBLISHER, or --all-publishers.")
    end = None
    if expires is not None:
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=expires)
    tokens = Tokens(library_of(store).store)
    token = tokens.create(name, None if all_publishers else publishers, can_publish=not read_only, expires=end)
    output.write(token)
    output.tell("Keep it: the hub has only its hash, and cannot show it again.")
