"""What a cached model is, told from the folder to which its handle was resolved, wherever that is."""

from __future__ import annotations

from pathlib import Path

from rehub.archive.fingerprint import measure
from rehub.cache import layout
from rehub.errors import FormatError
from rehub.formats.record import Record, read_record


def record_of(folder: str) -> Record | None:
    """Returns the record of a model; None if it has none, as where tensorflow_hub fetched it."""
    try:
        data = _read(folder + layout.RECORD_SUFFIX)
        return None if data is None else read_record(data)
    except (OSError, FormatError):
        return None


def files_of(folder: str) -> dict[str, tuple[int, str]]:
    """Returns size and sha256 of each file of a model, by its name with ``/``.

    Raises:
        OSError: If a file cannot be read.
    """
    if "://" in folder:
        from rehub.cache import remote_files

        return remote_files.measure(folder)
    return measure(Path(folder))


def _read(path: str) -> bytes | None:
    if "://" in path:
        from rehub.cache import remote_files

        return remote_files.read(path)
    return Path(path).read_bytes()
