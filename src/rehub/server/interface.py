"""What a model's interface is, read from a store: its large files are not fetched for that."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rehub.archive.space import FULL
from rehub.cache.process_folder import process_folder
from rehub.errors import FormatError, HubError, PublishError, StoreError
from rehub.formats.manifest import Manifest
from rehub.formats.version_record import portable
from rehub.model import model_info
from rehub.server.catalogue import MODEL_FILES
from rehub.server.names import file_key
from rehub.storage.interface import ObjectStore

GRAPH_LIMIT_BYTES = 128 << 20
"""A larger graph is not read: what is read of one takes twice as much memory."""

_READ = frozenset({*MODEL_FILES, "tfhub_module.pb", "keras_metadata.pb", "variables/variables.index"})
_SHOWN = 5


def read_interface(store: ObjectStore, prefix: str, manifest: Manifest) -> dict[str, Any]:
    """Returns what `rehub.inspect` tells of a version, without what depends on the machine.

    Args:
        store: The hub's.
        prefix: Of the version's keys.
        manifest: Its files, which the store has.

    Returns:
        The document; empty for what is no SavedModel, such as a model for TensorFlow Lite, and for a SavedModel with
        a graph above `GRAPH_LIMIT_BYTES`.

    Raises:
        FormatError: If the model is damaged.
        PublishError: If it lacks files.
        StoreError: If the store fails, or this machine's folder for temporary files does.
    """
    graphs = [file for file in manifest.files if file.name in MODEL_FILES]
    if not graphs or any(file.size_bytes > GRAPH_LIMIT_BYTES for file in graphs):
        return {}
    with _temporary_folder() as folder:
        for file in manifest.files:
            path = folder / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as copy:
                if file.name in _READ:
                    copy.writelines(store.stream(file_key(prefix, file.name)))
                else:
                    copy.truncate(file.size_bytes)  # of these, only the size counts
        try:
            info = model_info.describe(folder)
        except FormatError as error:
            message = error.message.replace(f"{folder}/", "").replace(str(folder), "the model")
            raise FormatError(message, hint="Look at it with 'rehub inspect', and export it again.") from error
    if info.missing_files:
        shown = ", ".join(info.missing_files[:_SHOWN])
        raise PublishError(f"the model needs files that it does not have: {shown}.", hint="Export it again.")
    return portable(info.to_json())


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    try:
        with process_folder("rehub-hub-") as top:
            folder = top.resolve() / "model"
            folder.mkdir()
            yield folder
    except HubError:
        raise
    except OSError as error:
        raise StoreError(
            f"the folder for temporary files cannot be written: {error.strerror or error}.",
            hint="Make space there, or name another one by TMPDIR.",
            is_full=error.errno in FULL,
        ) from error
