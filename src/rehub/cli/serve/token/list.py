"""``rehub serve token list``: what tokens there are."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import click

from rehub.cli import output
from rehub.cli.group import examples
from rehub.cli.serve.hub import library_of, store_option

if TYPE_CHECKING:
    from rehub.server.tokens import Token

_HEADINGS = ("ID", "NAME", "PUBLISHERS", "MAY", "CREATED", "EXPIRES")


@click.command("list", epilog=examples("rehub serve token list", "rehub serve token list --store s3://BUCKET --json"))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@store_option
def command(as_json: bool, store: str) -> None:
    """List the tokens by what is known of them, which is not the tokens themselves."""
    from rehub.server.tokens import Tokens

    found = Tokens(library_of(store).store).all()
    if as_json:
        output.write_json([_facts(token) for token in found])
        return
    output.write_table([_row(token) for token in found], headings=_HEADINGS if found else ())
    if not found:
        output.tell("No tokens yet: make one with 'rehub serve token create'.")


def _facts(token: Token) -> dict[str, object]:
    return {
        "id": token.id,
        "name": token.name,
        "publishers": None if token.publishers is None else sorted(token.publishers),
        "can_publish": token.can_publish,
        "created": output.iso(token.created.timestamp()),
        "expires": None if token.expires is None else output.iso(token.expires.timestamp()),
    }


def _row(token: Token) -> tuple[str, ...]:
    end = "never" if token.expires is None else output.date(token.expires.timestamp())
    if token.is_over(datetime.datetime.now(datetime.timezone.utc)):
        end = f"{end} (over)"
    return (
        token.id,
        token.name,
        "all" if token.publishers is None else ", ".join(sorted(token.publishers)),
        "publish" if token.can_publish else "read",
        output.date(token.created.timestamp()),
        end,
    )
