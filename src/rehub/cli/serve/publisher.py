"""``rehub serve publisher``: what is set for a publisher."""

from __future__ import annotations

from pathlib import Path

import click

from rehub.cli import output
from rehub.cli.group import examples
from rehub.cli.serve.hub import description_option, library_of, read_text, store_option


@click.command(
    "publisher",
    epilog=examples(
        "rehub serve publisher acme --private",
        "rehub serve publisher acme --title 'Acme Research' --description-file acme.md",
    ),
)
@click.argument("name")
@click.option("--private/--public", "is_private", default=None, help="Whether reading its models needs a token.")
@click.option("--title", help="Its name for people.")
@description_option
@store_option
def command(name: str, is_private: bool | None, title: str | None, description_file: Path | None, store: str) -> None:
    """Show, or change, what is set for a publisher.

    It need not have models yet. Servers that run follow within seconds.
    """
    from rehub.server.publishers import set_publisher

    library, description = library_of(store), read_text(description_file)
    if (is_private, title, description) != (None, None, None):
        set_publisher(library.store, name, is_private=is_private, title=title, description=description)
    info = library.publisher(name)
    output.write(f"{info.name}: {'private' if info.is_private else 'public'}")
    for label, text in (("title", info.title), ("description", info.description)):
        if text:
            output.write(f"{label}: {output.printable(text.strip())}")
