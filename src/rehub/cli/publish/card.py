"""``rehub publish card``: a model card from the model itself."""

from __future__ import annotations

from pathlib import Path

import click

from rehub.cli import output
from rehub.cli.completion import cached_handles
from rehub.cli.group import examples


@click.command(
    "card",
    epilog=examples(
        "rehub publish card path/to/model -o path/to/model/card.md",
        "rehub publish card --handle https://HUB/PUBLISHER/MODEL/1 path/to/model",
    ),
)
@click.argument("handle", metavar="PATH", shell_complete=cached_handles)
@click.option("--handle", "published_as", default="", metavar="URL", help="By which users will load the model.")
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="FILE", help="Write to a file, which is new.")
def command(handle: str, published_as: str, out: Path | None) -> None:
    """Write a model card.

    It is Markdown with YAML front matter: how to use the model, its interface and its sizes, read from its files. What
    only its publisher knows is asked for by 'To be written: …'; 'rehub publish check' finds what is left of that.
    """
    from rehub.archive.new_folder import new_file
    from rehub.formats.card import write_card
    from rehub.publish.card import card

    data = write_card(card(handle, published_as=published_as))
    if out is None:
        output.write(data.decode().removesuffix("\n"))
        return
    with new_file(out) as draft:
        draft.write_bytes(data)
    output.write(str(out))
