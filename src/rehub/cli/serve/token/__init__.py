"""``rehub serve token``: who may publish, and who may read what is private."""

from __future__ import annotations

import click

from rehub.cli.group import LazyGroup, examples


class _Token(LazyGroup):
    package = "rehub.cli.serve.token"
    names = ("create", "list", "revoke")


@click.group(
    "token",
    cls=_Token,
    epilog=examples(
        "rehub serve token create 'ci of acme' --publisher acme --expires 90d",
        "rehub serve token list",
        "rehub serve token revoke 'ci of acme'",
    ),
)
def command() -> None:
    """Make, list and revoke tokens: for publishing, and for reading what is private.

    The hub keeps only the hash of a token, so nobody can look one up. Clients send it as a bearer token; 'rehub login'
    stores it for them.
    """
