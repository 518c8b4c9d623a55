"""Models that tensorflow_hub left in its cache folder. They are read, never changed.

Source: observed layout; an entry is a folder named by the sha1 of the handle, with ``.descriptor.txt`` beside it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from pathlib import Path

from rehub.errors import FormatError


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
        folder = root / hashlib.sha1(handle.encode(), usedforsecurity=False).hexdigest()
        descriptor = folder.with_name(f"{folder.name}.descriptor.txt")
        try:
            time_s = descriptor.stat().st_mtime
            if must_own and not all(_is_ours(path) for path in (root, folder, descriptor)):
                continue
            from rehub.model.model_info import missing_files  # reads protobufs, which most processes never need

            if not missing_files(folder):
                return LegacyEntry(folder, time_s)
        except (OSError, FormatError):
            continue
    return None


def _is_ours(path: Path) -> bool:
    return not hasattr(os, "getuid") or path.lstat().st_uid == os.getuid()
