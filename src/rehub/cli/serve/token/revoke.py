"""``rehub serve token revoke``: the end of a token."""

from __future__ import annotations

import click

from rehub.cli import output
from rehub.cli.group import examples
from rehub.cli.serve.hub import library_of, store_option


@click.command(
    "revoke", epilog=examples("rehub serve token revoke 'ci of acme'", "rehub serve token revoke 3f0c91aa52de")
)
@click.argument("name")
@store_option
def command(name: str, store: str) -> None:
    """End a token.

    NAME is its name or its id, as 'rehub serve token list' shows them. Servers that run refuse it within seconds.
    """
    from rehub.server.tokens import Tokens

    token = Tokens(library_of(store).store).revoke(name)
    output.tell(f"Revoked {token.name!r} ({token.id}).")
