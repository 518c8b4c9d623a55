"""Files that are read as a whole, unless they are so large that this could only fill the memory."""

from __future__ import annotations

import errno
import os
from pathlib import Path

LIMIT_BYTES = 2**31 - 1
"""What one protobuf message has at most."""


def read_bytes(path: Path) -> bytes:
    """Returns the content of a file.

    Raises:
        OSError: If it cannot be read, or has more bytes than any that a model can have.
    """
    with path.open("rb") as file:
        size_bytes = os.fstat(file.fileno()).st_size
        if size_bytes > LIMIT_BYTES:
            raise OSError(errno.EFBIG, f"{size_bytes} bytes are more than it can have")
        return file.read()
