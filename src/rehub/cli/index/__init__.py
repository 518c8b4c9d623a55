"""``rehub index``: nearest neighbours among the rows that a model was run on."""

from __future__ import annotations

import click

from rehub.cli.group import LazyGroup


class _Index(LazyGroup):
    package = "rehub.cli.index"
    names = ("build", "query")


@click.group("index", cls=_Index)
def command() -> None:
    """Search what a model was run on by its meaning.

    'rehub run' makes the vectors, 'rehub index build' an index of them, and 'rehub index query' finds the rows that are
    nearest to a text or an image: pip install 'rehub[ray,index]'.
    """
