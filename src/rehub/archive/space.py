"""Space on the disk for files that are about to be written."""

from __future__ import annotations

import errno
import os

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What a system says when no more fits."""


def reserve(descriptor: int, start: int, size_bytes: int) -> None:
    """Asks for the space of the bytes of an open file that are written next, where the disk can do that.

    Raises:
        OSError: If there is not so much.
    """
    if not size_bytes or not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(descriptor, start, size_bytes)
    except OSError as error:
        if error.errno in FULL:
            raise
        # This disk cannot do it: writing will tell whether there is space.
