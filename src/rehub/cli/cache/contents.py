"""What the subcommands share: the cache that the settings name, and the models in it that a person names."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rehub import configuration
from rehub.cli import output
from rehub.errors import CacheError, HandleError, NotFoundError
from rehub.handle import parse

if TYPE_CHECKING:
    from rehub.cache.inventory import Entry, Inventory
    from rehub.cache.store import Store

_BUSY_TIMEOUT_S = 2.0


def look() -> Inventory:
    """Returns what the cache of the current settings holds.

    Raises:
        CacheError: If it may not be read, or is not on this machine.
    """
    from rehub.cache.inventory import take

    settings = configuration.current()
    return take(local_root(settings), settings.legacy_cache_roots)


def store() -> Store:
    """Returns the cache of the current settings, to be changed; who is busy with a model is not waited for."""
    from rehub.cache.store import Store

    return Store(configuration.current().cache_root, _BUSY_TIMEOUT_S)


def local_root(settings: configuration.Settings) -> Path:
    """Returns the cache folder.

    Raises:
        CacheError: If it is a URL.
    """
    if settings.cache_dir and "://" in settings.cache_dir:
        raise CacheError(
            f"the cache folder {settings.cache_dir} is not on this machine.",
            hint="Set TFHUB_CACHE_DIR to a folder of this machine.",
            path=settings.cache_dir,
        )
    return settings.cache_root


def named(inventory: Inventory, names: Iterable[str]) -> list[Entry]:
    """Returns the models of handles or folders; an unversioned handle names all versions of its model.

    Raises:
        NotFoundError: If one is not in the cache.
    """
    found: list[Entry] = []
    for name in names:
        entries = [entry for entry in inventory.entries if _is_named(entry, name)]
        if not entries:
            raise NotFoundError(
                f"{name!r} is not in the cache folder {configuration.current().cache_root}.",
                hint="Run: rehub cache list",
                handle=name,
            )
        found += (entry for entry in entries if entry not in found)
    return found


def facts(entry: Entry) -> dict[str, Any]:
    """Returns what a program may want to know of a model."""
    return {
        "handle": entry.handle,
        "folder": str(entry.folder),
        "origin": entry.origin,
        "size_bytes": entry.size_bytes,
        "fetched": output.iso(entry.time_s),
        "whole": not entry.damages,
        "damages": [{"file": damage.file, "what": damage.what} for damage in entry.damages],
    }


def may_delete(items: Sequence[str], size_bytes: int, *, yes: bool) -> bool:
    """Asks a person at a terminal whether something may be deleted; nobody is asked elsewhere."""
    if yes or not items or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    for item in items:
        output.tell(item)
    return click.confirm(f"Remove {output.count(len(items), 'item')} ({output.size(size_bytes)})?", err=True)


def is_done(action: Callable[[], object]) -> bool:
    """Does one of several things to the cache; what fails is told, and need not keep the others from being done."""
    try:
        action()
    except CacheError as error:
        output.tell_error(error)
        return False
    return True


def is_tidied(store: Store, inventory: Inventory) -> bool:
    """Removes the notes that lead to no model any more; tells what cannot be removed."""
    from rehub.cache.removal import forget

    return not [pointer for pointer in inventory.pointers.items() if not is_done(partial(forget, store, [pointer]))]


def _is_named(entry: Entry, name: str) -> bool:
    if "://" not in name:
        folder = Path(name).absolute()
        return entry.folder == folder or (entry.leaf is not None and entry.leaf.as_posix() == name.strip("/"))
    try:
        location = parse(name).location
        handle = parse(entry.handle)
    except HandleError:
        return False
    if handle.location == location:
        return True
    return handle.unversioned == location
