"""Models that tensorflow_hub left in its cache folder. They are read, never changed.

Source: observed layout; an entry is a folder named by the sha1 of the handle, with ``.descriptor.txt`` beside it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from rehub.errors import FormatError

_NAME = re.compile(r"[0-9a-f]{40}")
DESCRIPTOR_SUFFIX = ".descriptor.txt"


@dataclasses.dataclass(frozen=True)
class LegacyEntry:
    """A model in the old layout.

    Attributes:
        folder: Its folder.
        time_s: When it was fetched, in seconds since 1970.
    """

    folder: Path
    time_s: float


def find(handles: tuple[str, ...], root: Path, *, must_own: bool) -> LegacyEntry | None:
    """Returns a whole model that was cached under one of these handles.

    Args:
        handles: The handle as it was written, and other spellings of it.
        root: The cache folder.
        must_own: Whether to use only what belongs to this user. In a temp folder anyone can leave a model, and a
            model is a program.
    """
    for handle in dict.fromkeys(handles):
        folder = root / folder_name(handle)
        try:
            time_s = descriptor(folder).stat().st_mtime
            if must_own and not _is_ours(folder):
                continue
            from rehub.model.model_info import missing_files  # reads protobufs, which most processes never need

            if not missing_files(folder):
                return LegacyEntry(folder, time_s)
        except (OSError, FormatError):
            continue
    return None


def every(root: Path, *, must_own: bool) -> Iterator[tuple[str, LegacyEntry]]:
    """Gives all models of a folder, whole or not, each after its handle: empty where nothing tells it.

    Args:
        root: The cache folder, existing or not.
        must_own: Whether to skip what belongs to other users.
    """
    try:
        folders = sorted(path for path in root.iterdir() if is_name(path.name) and path.is_dir())
    except OSError:
        return
    for folder in folders:
        try:
            if must_own and not _is_ours(folder):
                continue
            time_s = descriptor(folder).stat().st_mtime
            text = descriptor(folder).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        handle = text.partition("\n")[0].removeprefix("Module:").strip()
        yield handle if folder_name(handle) == folder.name else "", LegacyEntry(folder, time_s)


def is_name(name: str) -> bool:
    """Whether a folder may be a model of tensorflow_hub, by its name."""
    return _NAME.fullmatch(name) is not None


def descriptor(folder: Path) -> Path:
    """Returns the file beside a model that says what the model is."""
    return folder.with_name(f"{folder.name}{DESCRIPTOR_SUFFIX}")


def folder_name(handle: str) -> str:
    """Returns the name of the folder of a model, by the handle as it was written."""
    return hashlib.sha1(handle.encode(), usedforsecurity=False).hexdigest()


def _is_ours(folder: Path) -> bool:
    if not hasattr(os, "getuid"):
        return True
    return all(path.lstat().st_uid == os.getuid() for path in (folder.parent, folder, descriptor(folder)))
