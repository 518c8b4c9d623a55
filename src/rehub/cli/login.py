"""``rehub login``: stores the token for a server."""

from __future__ import annotations

import sys

import click

from rehub import configuration
from rehub.cli import output
from rehub.cli.group import examples


@click.command(
    "login",
    epilog=examples("rehub login https://hub.example.com", "rehub login localhost:8000 < token.txt"),
)
@click.argument("host")
def command(host: str) -> None:
    """Store the token for a server.

    HOST is a host, HOST:PORT, or the URL of the server or of a model there. The token is asked for, or read from
    standard input; it never is an argument, which other users could see. It goes into a file that only you may read,
    and is sent to that server only.
    """
    from rehub.resolvers.token_file import server_for_token, store_token

    path, server = configuration.current().credentials_path, server_for_token(host)
    if sys.stdin.isatty():
        token = click.prompt(f"Token for {server} (hidden)", hide_input=True, err=True)
    else:
        token = sys.stdin.read()
    store_token(path, server, token)
    output.tell(f"The token for {server} is in {path}.")
