"""Records of the cache: what a cached model is and where it came from, as JSON."""

from __future__ import annotations

import dataclasses
import functools
import json
import reprlib
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from rehub.errors import FormatError

_VERSION = 1
_TEXT_LIMIT = 16 << 10  # longer than any handle
_CACHED_BYTES = 64 << 10  # of some 500 files
_LATEST_S = 1e11  # in the year 5138; what is later may have no date


@dataclasses.dataclass(frozen=True)
class Record:
    """One cached model.

    Attributes:
        location: The canonical URL by which it was asked for.
        url: Where its bytes came from in the end.
        etag: As the server gave it; empty if it gave none.
        archive_sha256: Of the archive, or of the manifest by which the files were fetched; where they were fetched one
            by one, their pin.
        archive_bytes: Its size; then that of all files.
        files: Name in the model folder, with ``/``, to its size in bytes and its sha256.
        time_s: When it was fetched, in seconds since 1970.
    """

    location: str
    url: str
    etag: str
    archive_sha256: str
    archive_bytes: int
    files: Mapping[str, tuple[int, str]]
    time_s: float


@dataclasses.dataclass(frozen=True)
class Latest:
    """Which cached model an unversioned handle stands for.

    Attributes:
        location: The unversioned URL.
        leaf: The folder of the model, relative to the cache folder, with ``/``.
        leaf_location: The location in the record of that model.
        etag: What the server gave when it answered the unversioned URL itself; empty if it redirected.
        time_s: When the server was asked, in seconds since 1970.
    """

    location: str
    leaf: str
    leaf_location: str
    etag: str
    time_s: float


def write_record(record: Record) -> bytes:
    """Returns a record as JSON."""
    return _dump({**dataclasses.asdict(record), "files": {k: list(v) for k, v in record.files.items()}})


def brief(text: str) -> str:
    """Returns what a server sent; nothing in place of what is longer than a record may have it."""
    return text if len(text) <= _TEXT_LIMIT else ""


def read_record(data: bytes) -> Record:
    """Reads a record.

    Raises:
        FormatError: If it is damaged, or of a newer format.
    """
    return _cached(data) if len(data) <= _CACHED_BYTES else _read(data)


def _read(data: bytes) -> Record:
    values = _load(data)
    try:
        files = {str(name): (_number(size), _text(sha256)) for name, (size, sha256) in values["files"].items()}
        return Record(
            _text(values["location"]),
            _text(values["url"]),
            _text(values["etag"]),
            _text(values["archive_sha256"]),
            _number(values["archive_bytes"]),
            files,
            _time(values["time"]),
        )
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise _damaged(error) from error


_cached = functools.lru_cache(maxsize=256)(_read)


def write_latest(latest: Latest) -> bytes:
    """Returns a pointer as JSON."""
    return _dump(dataclasses.asdict(latest))


def read_latest(data: bytes) -> Latest:
    """Reads a pointer.

    Raises:
        FormatError: If it is damaged, or of a newer format.
    """
    values = _load(data)
    try:
        return Latest(
            _text(values["location"]),
            _text(values["leaf"]),
            _text(values["leaf_location"]),
            _text(values["etag"]),
            _time(values["time"]),
        )
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise _damaged(error) from error


def _dump(values: dict[str, Any]) -> bytes:
    time = datetime.fromtimestamp(values.pop("time_s"), timezone.utc).isoformat()
    return json.dumps({"format": _VERSION, **values, "time": time}, indent=1, ensure_ascii=False).encode()


def _load(data: bytes) -> dict[str, Any]:
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _damaged(error) from error
    if not isinstance(values, dict) or values.get("format") != _VERSION:
        raise FormatError("the record of a cached model is of a format that this version of rehub does not know.")
    return values


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{reprlib.repr(value)} is no text")
    if len(value) > _TEXT_LIMIT:
        raise ValueError(f"it has a text of {len(value)} characters")
    return value


def _number(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError(f"{reprlib.repr(value)} is no size")
    return value


def _time(value: object) -> float:
    seconds = datetime.fromisoformat(_text(value)).timestamp()
    if not 0 <= seconds < _LATEST_S:
        raise ValueError(f"{value!r} is no time of a download")
    return seconds


def _damaged(error: Exception) -> FormatError:
    return FormatError(f"the record of a cached model is damaged: {error}.")
