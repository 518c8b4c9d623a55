"""The files that pages load, under names that change with their contents."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import mimetypes
from collections.abc import Mapping
from importlib import resources

URL_PREFIX = "/_rehub/static/"
"""No model can have a name that begins so."""

_HASH_DIGITS = 12


@dataclasses.dataclass(frozen=True)
class StaticFile:
    """A file.

    Attributes:
        url: Its path, which no other contents ever have.
        data: Its contents.
        media_type: What they are.
    """

    url: str
    data: bytes
    media_type: str


@functools.cache
def static_files() -> Mapping[str, StaticFile]:
    """Returns all files, by the names that they have in the package."""
    found = {}
    for file in (resources.files("rehub.server") / "static").iterdir():
        data, (stem, _, ending) = file.read_bytes(), file.name.rpartition(".")
        url = f"{URL_PREFIX}{stem}-{hashlib.sha256(data).hexdigest()[:_HASH_DIGITS]}.{ending}"
        found[file.name] = StaticFile(url, data, mimetypes.guess_type(file.name)[0] or "application/octet-stream")
    return found


def static_file_at(url: str) -> StaticFile | None:
    """Returns the file of a path, or None where there is none."""
    return next((file for file in static_files().values() if file.url == url), None)
