"""``rehub serve collection``: models that belong together."""

from __future__ import annotations

from pathlib import Path

import click

from rehub.cli import output
from rehub.cli.group import examples
from rehub.cli.serve.hub import description_option, library_of, read_text, store_option
from rehub.errors import HandleError, NotFoundError


@click.command(
    "collection",
    epilog=examples(
        "rehub serve collection acme/texts acme/small acme/large --title 'Models of texts'",
        "rehub serve collection acme/texts --remove",
    ),
)
@click.argument("name", metavar="PUBLISHER/NAME")
@click.argument("models", metavar="[MODEL]...", nargs=-1)
@click.option("--title", help="Its name for people.")
@description_option
@click.option("--remove", "is_over", is_flag=True, help="Remove the collection; its models stay.")
@store_option
def command(
    name: str, models: tuple[str, ...], title: str | None, description_file: Path | None, is_over: bool, store: str
) -> None:
    """Show, make, change or remove a collection of models.

    Each MODEL is PUBLISHER/MODEL; those that are named replace those that were in it.
    """
    from rehub.server.publishers import Collection, remove_collection, set_collection

    publisher, slash, last = name.partition("/")
    if not slash:
        raise HandleError(f"{name!r} is no collection.", hint="Write PUBLISHER/NAME.", handle=name)
    library = library_of(store)
    if is_over:
        remove_collection(library.store, publisher, last)
        output.tell(f"Removed the collection {name}.")
        return
    found, description = library.collection(publisher, last), read_text(description_file)
    if not models and (title, description) == (None, None):
        if found is None:
            raise NotFoundError(f"there is no collection {name}.", hint="Name models to make it.", handle=name)
    else:
        now = found or Collection(publisher, last)
        found = Collection(
            publisher,
            last,
            now.title if title is None else title,
            now.description if description is None else description,
            models or now.models,
        )
        set_collection(library.store, found)
    output.write(f"{name}: {output.count(len(found.models), 'model')}")
    for model in found.models:
        output.write(output.printable(model))
