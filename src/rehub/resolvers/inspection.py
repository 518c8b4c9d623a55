"""``rehub.inspect``: from a handle to what the model is, without loading it."""

from __future__ import annotations

import os
from pathlib import Path

from rehub import configuration
from rehub.cache import inventory
from rehub.cache.inventory import Damage
from rehub.cache.verification import verify as verify_entry
from rehub.errors import FormatError
from rehub.handle import parse
from rehub.model import model_info, verification
from rehub.model.model_info import ModelInfo
from rehub.resolvers.chain import resolve


def inspect(handle: str | os.PathLike[str], *, endpoints: bool = False) -> ModelInfo:
    """Tells what a model is, from its files alone: neither TensorFlow nor numpy is needed.

    Args:
        handle: A path, or a URL that is resolved through the cache; see `rehub.resolve`.
        endpoints: Whether to list the tensors inside of the model, too, that ``hub.KerasLayer(output_key=...)`` can
            return: the ``activations`` of its graph.

    Raises:
        HandleError: If ``handle`` is no path and no URL.
        ResolveError: If no model can be had by it; see `rehub.resolve` for this and for transfer and cache errors.
        FormatError: If there is no model, which the hint says more about, or a damaged one.
    """
    return model_info.describe(folder_of(handle), activations=endpoints)


def verify(handle: str | os.PathLike[str]) -> tuple[Damage, ...]:
    """Reads all files of a model and tells what is wrong; nothing when they are what was exported and fetched.

    The variables are compared with the sums in their index; in a model of the cache, each file with the record of its
    download, too.

    Args:
        handle: As for `inspect`, with the same exceptions.
    """
    folder = folder_of(handle)
    found = [Damage(file, what) for file, what in verification.damages(folder)]
    settings = configuration.current()
    place = folder.resolve()
    for entry in inventory.take(settings.cache_root, settings.legacy_cache_roots).entries:
        if entry.record is not None and entry.folder.resolve() == place:
            named = {damage.file for damage in found}
            found += [damage for damage in verify_entry(entry) if damage.file not in named]
    return tuple(found)


def folder_of(handle: str | os.PathLike[str]) -> Path:
    """Returns the folder of a model on this machine.

    Args:
        handle: As for `inspect`, with the same exceptions.

    Raises:
        FormatError: If only TensorFlow can open the path.
    """
    path = resolve(handle)
    if parse(path).is_remote_folder:
        raise FormatError(
            f"'{path}' is not on this machine, and only TensorFlow can open it.",
            hint="Copy it to a folder, and pass that.",
            path=path,
        )
    return Path(path)
