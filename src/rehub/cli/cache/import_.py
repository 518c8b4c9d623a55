"""``rehub cache import``: what ``rehub cache export`` wrote into the cache."""

from __future__ import annotations

import collections
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rehub import configuration
from rehub.cli import output
from rehub.cli.cache import contents
from rehub.cli.group import examples

if TYPE_CHECKING:
    from rehub.cache.bundle_reading import Received
    from rehub.formats.record import Record


@click.command(
    "import",
    epilog=examples(
        "rehub cache import models.tar",
        "ssh HOST rehub cache export - | rehub cache import -",
    ),
)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
def command(file: Path) -> None:
    """Put the models of FILE into the cache, or those that come from stdin if that is '-'.

    Each comes there whole or not at all, and only if its files are what its record says. Models that the cache has stay
    as they are. A FILE can hold any model under any handle: import what you trust, or set REHUB_LOCKFILE, with which
    only models come in that the lock file names, as it names them.
    """
    from rehub.cache.bundle_reading import unpack
    from rehub.cache.store import Store

    settings = configuration.current()
    store = Store(contents.local_root(settings), settings.lock_timeout_s)
    counts: collections.Counter[str] = collections.Counter()
    with sys.stdin.buffer if file == Path("-") else file.open("rb") as stream:
        for received in unpack(stream, store, _admit):
            counts[received.outcome] += 1
            _tell(received)
    output.tell(f"Imported {output.count(counts['added'], 'model')}, {counts.total() - counts['added']} there already.")


def _admit(record: Record) -> None:
    from rehub.handle import parse
    from rehub.resolvers.lockfile import locked
    from rehub.resolvers.pin import check_pin

    check_pin(locked(parse(record.location), configuration.current()), record.files)


def _tell(received: Received) -> None:
    location = received.record.location
    output.write(output.printable(f"{'added' if received.outcome == 'added' else 'kept':<5}  {location}"))
    if received.outcome == "differs":
        output.tell_warning(
            f"{location}: the cache has other files by this handle, which stay. 'rehub cache remove' removes them."
        )
