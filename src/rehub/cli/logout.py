"""``rehub logout``: forgets the token for a server."""

from __future__ import annotations

import click

from rehub import configuration
from rehub.cli import output
from rehub.cli.group import examples


@click.command("logout", epilog=examples("rehub logout https://hub.example.com"))
@click.argument("host")
def command(host: str) -> None:
    """Forget the token for a server.

    HOST is a host, HOST:PORT, or the URL of the server or of a model there. The token is removed from this machine; on
    the server it stays valid.
    """
    from rehub.resolvers.token_file import remove_token

    path = configuration.current().credentials_path
    if remove_token(path, host):
        output.tell(f"The token is removed from {path}.")
    else:
        output.tell(f"There is no token for {host} in {path}.")
