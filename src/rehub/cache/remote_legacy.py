"""Models that tensorflow_hub left in a cache folder that is not on this machine. They are read, never changed."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from rehub.cache import legacy, remote_files
from rehub.errors import FormatError
from rehub.file_names import FileNames

_TELLING = frozenset({"saved_model.pb", "saved_model.pbtxt", "tfhub_module.pb", "variables/variables.index"})


def find(handles: tuple[str, ...], url: str) -> tuple[str, float] | None:
    """Returns a whole model that was cached under one of these handles, and when, in seconds since 1970.

    Args:
        handles: The handle as it was written, and other spellings of it.
        url: The cache folder.

    Raises:
        CacheError: If it cannot be read.
    """
    for handle in dict.fromkeys(handles):
        folder = f"{url}/{legacy.folder_name(handle)}"
        time_s = remote_files.modified_s(f"{folder}{legacy.DESCRIPTOR_SUFFIX}")
        if time_s is not None and _is_whole(folder):
            return folder, time_s
    return None


def _is_whole(folder: str) -> bool:
    """Tells it from an image of the folder, in which only the files that say what is needed have their contents."""
    from rehub.model.model_info import missing_files  # reads protobufs, which most processes never need

    names = FileNames(folder)
    with tempfile.TemporaryDirectory(prefix="rehub-") as scratch, contextlib.suppress(FormatError):
        for name, size_bytes in remote_files.tree(folder).items():
            file = Path(scratch, names.add(name))
            file.parent.mkdir(parents=True, exist_ok=True)
            if name in _TELLING:
                remote_files.download(f"{folder}/{name}", file)
            else:
                with file.open("xb") as image:
                    image.truncate(size_bytes)
        return not missing_files(Path(scratch))
    return False
