"""What the processes of the soak do, until they are killed."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import random
import shutil
import time
import warnings
from pathlib import Path

import rehub
import rehub.archive.reading
import rehub.model.model_info
import rehub.resolvers.assembly
import rehub.resolvers.chain
import rehub.transport.http
from rehub.cache import inventory
from rehub.cache.removal import remove, sweep
from rehub.cache.store import Store
from rehub.errors import CacheError, HubError, LockTimeout
from soak.hubs import PATHS, files

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])
logging.getLogger("rehub").setLevel(logging.CRITICAL)  # of each connection that breaks
_LOCK_TIMEOUT_S = 180.0  # far more than all downloads together take
_TAKEN_FILES, _TAKEN_FOLDERS = 0.02, 0.002  # by a cleaner, each time


class Diary:
    """A file to which many processes add lines, also those that are killed.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(self, what: str, more: str = "") -> None:
        """Adds a line: one word, and more about it."""
        os.write(self._file, f"{what} {' '.join(more.split())}\n".encode())


def load(url: str, cache: Path, diary_path: Path, seed: int) -> None:
    """Loads models, and looks whether their files are what they have to be."""
    diary, dice = Diary(diary_path), random.Random(seed)
    while True:
        _load_one(url, dice.choice(PATHS), cache, diary)


def clean(_: str, cache: Path, diary_path: Path, seed: int) -> None:
    """Deletes files of any kind, now and then folders, as a cleaner of temporary files does."""
    diary, dice = Diary(diary_path), random.Random(seed)
    while True:
        time.sleep(dice.uniform(0.0, 0.3))
        for place, folders, names in os.walk(cache):
            for name in (*names, *folders):
                path = Path(place, name)
                if dice.random() < (_TAKEN_FOLDERS if name in folders else _TAKEN_FILES):
                    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
                    diary.note("cleaned", str(path))


def remove_some(url: str, cache: Path, diary_path: Path, seed: int) -> None:
    """Removes models as ``rehub cache remove`` and ``prune`` do, and fills the cache again."""
    diary, dice = Diary(diary_path), random.Random(seed)
    store = Store(cache, 1.0)
    while True:
        time.sleep(dice.uniform(0.0, 0.5))
        # Files come and go under it.
        with contextlib.suppress(CacheError, FileNotFoundError):
            contents = inventory.take(cache)
            for entry in contents.entries:
                if dice.random() < 0.1:
                    remove(store, entry)
                    diary.note("removed", entry.handle)
            if dice.random() < 0.3:
                sweep(cache, contents.leftovers)
        for path in PATHS:
            _load_one(url, path, cache, diary)


def _load_one(url: str, path: str, cache: Path, diary: Diary) -> None:
    own = rehub.settings(
        cache_dir=str(cache),
        retries=1,
        timeout_s=1.0,
        min_bytes_per_s=50_000.0,
        lock_timeout_s=_LOCK_TIMEOUT_S,
        unversioned_ttl_s=1.0,
        show_progress=False,
    )
    with own, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that the newest version cannot be asked for
        try:
            folder = Path(rehub.resolve(url + path))
        except LockTimeout as error:
            diary.note("LOCKED", f"{path}: {error}")
            return
        except HubError as error:
            diary.note(type(error).__name__, f"{path}: {error}")
            return
        except Exception as error:  # noqa: BLE001 - this is what it looks for
            diary.note("RAISED", f"{path}: {error!r}")
            return
    diary.note(*check(folder, path))


def check(folder: Path, path: str) -> tuple[str, str]:
    """Compares the files of a model with what they have to be. What is missing was taken in between."""
    is_whole = True
    for name, data in files(path).items():
        try:
            found = (folder / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            is_whole = False
            continue
        if found != data:
            return "CORRUPT", f"{path}: {name} in {folder}"
    return ("whole" if is_whole else "taken"), path
