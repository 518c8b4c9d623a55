"""Arrays by name, in a ``.npz`` file of NumPy."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

from rehub.errors import DependencyError, FormatError


def read(path: Path) -> dict[str, Any]:
    """Reads all arrays of a file.

    Raises:
        FormatError: If it cannot be read, is no such file, is damaged, or holds Python objects.
        DependencyError: If NumPy is not installed.
    """
    try:
        import numpy as np
    except ImportError as error:
        raise DependencyError(
            "Arrays are read by NumPy, which is not installed.",
            hint="Run: pip install tensorflow (or tensorflow-cpu), which brings it along.",
            package="numpy",
        ) from error
    try:
        with path.open("rb") as stream:
            if not zipfile.is_zipfile(stream):
                raise zipfile.BadZipFile("it is no .npz file, or not a whole one")
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise FormatError(
            f"'{path}' cannot be read: {error}.",
            hint="Write it anew by numpy.savez; texts as an array of texts, not of objects.",
            path=str(path),
        ) from error
    strange = [name for name, value in arrays.items() if not isinstance(value, np.ndarray)]
    if strange:
        raise FormatError(f"'{path}' holds {strange[0]!r}, which is no array.", hint="Write it anew by numpy.savez.")
    return arrays
