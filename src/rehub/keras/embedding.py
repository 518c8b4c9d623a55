"""A whole SavedModel as text, so that it can travel inside a Keras file."""

from __future__ import annotations

import base64
import io
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

from rehub.archive.reading import unpack as unpack_archive
from rehub.archive.writing import pack as pack_archive
from rehub.resolvers.chain import resolve
from rehub.runtime.tf_version import import_tensorflow


def pack(handle: Any) -> str:
    """Packs the model behind a handle, or a loaded object in its present state, as base64 of a tar.gz."""
    with tempfile.TemporaryDirectory(prefix="rehub-") as scratch:
        folder = Path(scratch)
        if isinstance(handle, str):
            folder = Path(resolve(handle))
        else:
            import_tensorflow().saved_model.save(handle, scratch)
        packed = io.BytesIO()
        pack_archive(folder, packed)
    return base64.b64encode(packed.getvalue()).decode("ascii")


def unpack(text: str) -> Path:
    """Unpacks into a new private folder; see `remove_with` for its end.

    Raises:
        FormatError: If the text is no packed model.
    """
    folder = Path(tempfile.mkdtemp(prefix="rehub-embedded-"))
    try:
        unpack_archive(io.BytesIO(base64.b64decode(text)), folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def remove_with(owner: Any, folder: Path) -> None:
    """Removes the folder when ``owner`` dies or the process ends: its assets are read from there until then."""
    weakref.finalize(owner, shutil.rmtree, folder, ignore_errors=True)
