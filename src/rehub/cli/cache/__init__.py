"""``rehub cache``: what is in the cache of models, and out with it."""

from __future__ import annotations

import click

from rehub.cli.group import LazyGroup, examples


class _Cache(LazyGroup):
    package = "rehub.cli.cache"
    names = ("list", "show", "verify", "remove", "prune", "export", "import")


@click.group(
    "cache",
    cls=_Cache,
    epilog=examples(
        "rehub cache list",
        "rehub cache verify --repair",
        "rehub cache prune --older-than 90d",
    ),
)
def command() -> None:
    """List, verify, remove, export and import downloaded models.

    The cache is the folder that TFHUB_CACHE_DIR names, else the user's cache folder.
    """
