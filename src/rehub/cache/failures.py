"""Says what a disk that fails means for the cache."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from rehub.archive.space import FULL
from rehub.errors import CacheError

MAY_NOT_WRITE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_GONE = frozenset({errno.ENOENT, errno.ESTALE})


def write_error(error: OSError, root: Path, needed_bytes: int | None = None) -> CacheError:
    """Makes the error for a cache folder that cannot be written, or is full.

    Args:
        error: What the system said.
        root: The cache folder.
        needed_bytes: What would have to fit at least, if that is known.
    """
    if error.errno in FULL:
        needed = f"; the model needs at least {needed_bytes} bytes" if needed_bytes else ""
        return CacheError(
            f"no space is left for the cache folder {root}{needed}.",
            hint="Make space, or set TFHUB_CACHE_DIR to a folder on another disk.",
            path=str(root),
        )
    if error.errno in _GONE:
        return CacheError(
            f"{error.filename or 'a file'} is not in the cache folder {root}, or no longer.",
            hint=f"If something deletes files there, such as a cleaner of temporary files, have it leave {root} alone, "
            "or set TFHUB_CACHE_DIR to a folder that nothing cleans.",
            path=str(root),
        )
    hint = "Set TFHUB_CACHE_DIR to a folder that you may write."
    if error.errno in MAY_NOT_WRITE:
        hint += " A program can do with REHUB_READONLY_CACHE=temporary, too: a folder that is removed when it ends."
    return CacheError(
        f"the cache folder {root} cannot be written: {error.strerror or error} ({error.filename or root}).",
        hint=hint,
        path=str(root),
    )


def gone(path: Path, root: Path) -> CacheError:
    """Makes the error for what somebody took out of the cache folder while it was being made."""
    cause = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    error = write_error(cause, root)
    error.__cause__ = cause
    return error


def is_gone(error: BaseException) -> bool:
    """Whether somebody took what was being made, as far as an error tells it: it may do to make it again."""
    cause = error.__cause__
    return isinstance(error, CacheError) and isinstance(cause, OSError) and cause.errno in {*_GONE, errno.EEXIST}
