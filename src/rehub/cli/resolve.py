"""``rehub resolve``: where a model lies on this machine."""

from __future__ import annotations

import json

import click

from rehub.cli import output


@click.command("resolve")
@click.argument("handles", metavar="HANDLE...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of handles and paths.")
def command(handles: tuple[str, ...], as_json: bool) -> None:
    """Download models, where needed, and print their folders.

    A HANDLE is a URL such as https://HOST/PUBLISHER/MODEL/VERSION, the URL of a .tar.gz, or a path.
    """
    from rehub.resolvers.chain import resolve

    if as_json:
        found = [{"handle": handle, "path": resolve(handle)} for handle in handles]
        output.write(json.dumps(found, indent=2))
        return
    for handle in handles:
        output.write(resolve(handle))
