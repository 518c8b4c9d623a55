"""``rehub resolve``: where a model lies on this machine."""

from __future__ import annotations

import click

from rehub import configuration
from rehub.cli import output
from rehub.cli.completion import cached_handles
from rehub.cli.group import examples


@click.command(
    "resolve",
    epilog=examples(
        "rehub resolve https://HUB/PUBLISHER/MODEL/1",
        "rehub resolve --json https://HUB/PUBLISHER/MODEL https://HOST/model.tar.gz",
    ),
)
@click.argument("handles", metavar="HANDLE...", nargs=-1, required=True, shell_complete=cached_handles)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of handles and paths.")
def command(handles: tuple[str, ...], as_json: bool) -> None:
    """Download models, where needed, and print their folders.

    A HANDLE is a URL such as https://HOST/PUBLISHER/MODEL/VERSION, the URL of a .tar.gz, or a path.
    """
    from rehub.resolvers.chain import resolve

    with configuration.settings(readonly_cache="error"):  # a folder that goes with this process is of no use
        if as_json:
            output.write_json([{"handle": handle, "path": resolve(handle)} for handle in handles])
            return
        for handle in handles:
            output.write(resolve(handle))
