"""``rehub publish``: models that others can use."""

from __future__ import annotations

import click

from rehub.cli.group import LazyGroup, examples


class _Publish(LazyGroup):
    package = "rehub.cli.publish"
    names = ("check", "card", "pack", "push", "text-embeddings")


@click.group(
    "publish",
    cls=_Publish,
    epilog=examples(
        "rehub publish check path/to/model",
        "rehub publish card path/to/model -o path/to/model/card.md",
        "rehub publish push path/to/model acme/net --to https://hub.example.com",
        "rehub publish text-embeddings glove.6B.50d.txt model",
    ),
)
def command() -> None:
    """Make models that others can use, and publish them."""
