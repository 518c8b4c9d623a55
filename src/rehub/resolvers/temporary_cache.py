"""A cache of the process's own, for machines whose cache folder may only be read."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import threading
import warnings
from pathlib import Path

from rehub.cache.failures import MAY_NOT_WRITE
from rehub.cache.process_folder import claimed_folder
from rehub.configuration import Settings
from rehub.errors import CacheError

_PREFIX = "rehub-"
_lock = threading.Lock()
_claims = contextlib.ExitStack()
_folders: dict[str, Path] = {}
"""Cache folder to what stands in for it in this process."""


def stand_in(settings: Settings, error: CacheError) -> Settings | None:
    """Returns settings with a cache folder that goes with this process, if they want one where none may be written.

    A warning tells so when the folder is made.

    Args:
        settings: Those with which a model was to be downloaded.
        error: What that failed with.
    """
    cause = error.__cause__
    may_not_write = isinstance(cause, OSError) and cause.errno in MAY_NOT_WRITE
    if settings.readonly_cache != "temporary" or not may_not_write:
        return None
    return dataclasses.replace(settings, cache_dir=str(_folder(settings.remote_cache or str(settings.cache_root))))


def _folder(root: str) -> Path:
    with _lock:
        folder = _folders.get(root)
        if folder is None or not folder.is_dir():
            from multiprocessing.util import Finalize  # atexit knows nothing of the ends of worker processes

            folder = _folders[root] = _claims.enter_context(claimed_folder(_PREFIX))
            Finalize(None, shutil.rmtree, args=(folder, True), exitpriority=0)
            warnings.warn(
                f"the cache folder {root} may not be written: models are downloaded into {folder}, which is removed "
                "when this process ends.",
                stacklevel=2,
            )
        return folder
