"""A stock: a cache folder that gets the models of a lock file, for machines without a network.

What the cache of this machine has is copied, the rest is downloaded. A machine to which the folder is copied names it
in ``TFHUB_CACHE_DIR``, and finds each model by the handles of the lock file.
"""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path, PurePosixPath
from typing import Literal

from rehub.archive.disk import sync_folder
from rehub.archive.fingerprint import measure
from rehub.cache import blocks, layout
from rehub.cache.store import Store
from rehub.configuration import Settings
from rehub.formats.record import Latest, read_record
from rehub.handle import Handle, parse
from rehub.resolvers.chain import hub_resolver, resolve_with
from rehub.resolvers.hub import HubResolver
from rehub.resolvers.lockfile import find, locked
from rehub.resolvers.pin import check_pin
from rehub.resolvers.placement import Plan, copy_model, on_this_machine, translated
from rehub.transport.interface import Transport


def plan(text: str, folder: Path, settings: Settings, transport: Transport) -> Plan:
    """Finds out how a model gets into a stock. Changes nothing, and asks no server.

    Args:
        text: A handle of the lock file.
        folder: The stock.
        settings: Where the cache and the lock file are; a cache that is not on this machine is not asked.
        transport: The network.

    Raises:
        PolicyError: If the model is not in the lock file.
        ChecksumError: If the stock or the cache has another model in its place.
    """
    handle = locked(parse(text), settings)
    assert settings.lockfile_path is not None, "it says what is in a stock"
    size_bytes = find(handle, settings.lockfile_path).size_bytes
    there = hub_resolver(handle, _settings_of(folder, settings), transport).cached(handle)
    if there is not None:
        return Plan(text, handle.location, Path(there), "keep", "", size_bytes, replaces=False)
    resolver = hub_resolver(handle, on_this_machine(settings), transport)
    source = resolver.cached(handle)
    if source is not None and not Path(source + layout.RECORD_SUFFIX).is_file():
        source = None  # tensorflow_hub fetched it, and noted nothing
    target = folder / _leaf(handle, resolver, Path(source).name if source else "")
    action: Literal["copy", "download"] = "copy" if source else "download"
    return Plan(text, handle.location, target, action, source or handle.location, size_bytes, replaces=False)


def carry_out(plan: Plan, folder: Path, settings: Settings, transport: Transport) -> None:
    """Puts a model into a stock, and notes there which version an unversioned handle stands for.

    Raises:
        ChecksumError: If the model is not what the lock file says, or damaged.
        ResolveError: If the server has no such model, or none for this user.
        TransferError: If the download fails, or the folder cannot be written.
        FormatError: If what was downloaded is no whole model.
    """
    asked = parse(plan.handle)
    handle, own = locked(asked, settings), _settings_of(folder, settings)
    store = Store(own.cache_root, settings.lock_timeout_s)
    with translated(folder):
        path = hub_resolver(handle, own, transport).cached(handle)
        if path is not None:
            check_pin(handle, measure(Path(path)))
        else:
            path = _copy(plan, store) if plan.action == "copy" else resolve_with(plan.handle, own, transport)
        if hub_resolver(asked, settings, transport).may_change(asked):
            _point(asked, handle, PurePosixPath(Path(path).relative_to(store.root).as_posix()), store)


def _settings_of(folder: Path, settings: Settings) -> Settings:
    place = str(folder.absolute())
    return dataclasses.replace(settings, cache_dir=place, load_format="COMPRESSED", readonly_cache="error")


def _leaf(handle: Handle, resolver: HubResolver, content_name: str) -> PurePosixPath:
    """Returns where a model is in a cache; of a server without versions, below the folder of its contents."""
    return layout.model_folder(handle) / content_name if resolver.may_change(handle) else layout.leaf(handle)


def _copy(plan: Plan, store: Store) -> str:
    leaf = PurePosixPath(plan.target.absolute().relative_to(store.root).as_posix())
    source = Path(plan.source)
    record = read_record(Path(plan.source + layout.RECORD_SUFFIX).read_bytes())
    with store.lock(leaf), store.staging(leaf) as staging:
        copy_model(source, staging, plan.handle)
        for place, _, _ in os.walk(staging):
            sync_folder(Path(place))
        return store.install(staging, leaf, record, blocks.manifest_of(source, record))


def _point(asked: Handle, handle: Handle, leaf: PurePosixPath, store: Store) -> None:
    folder = layout.model_folder(asked)
    with store.lock(folder):
        known = store.latest(folder, asked.location)
        if known is None or (known.leaf, known.leaf_location) != (str(leaf), handle.location):
            store.point(folder, Latest(asked.location, str(leaf), handle.location, "", time.time()))
