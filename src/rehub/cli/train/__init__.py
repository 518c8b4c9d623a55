"""``rehub train``: classifiers of one's own."""

from __future__ import annotations

import click

from rehub.cli.group import LazyGroup, examples


class _Train(LazyGroup):
    package = "rehub.cli.train"
    names = ("image-classifier", "text-classifier")


@click.group(
    "train",
    cls=_Train,
    epilog=examples(
        "rehub train image-classifier photos --handle https://HUB/PUBLISHER/FEATURES/1 --output flowers",
        "rehub train text-classifier reviews.csv --handle https://HUB/PUBLISHER/EMBEDDING/1 --output opinions",
    ),
)
def command() -> None:
    """Make a classifier of a published model and examples."""
