"""Imports TensorFlow without the lines that it writes while it starts. Import this before TensorFlow.

No example needs it; it only keeps what they print short.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def _no_stderr() -> Iterator[None]:
    """Hides also what C++ writes, which Python's own ``sys.stderr`` never sees."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
with _no_stderr():
    import tensorflow  # noqa: F401 - for the next import of it to be silent
