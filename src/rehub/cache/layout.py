"""Where a model lies in the cache folder. Pure: no file is touched.

A versioned hub URL without query lies where a person looks for it, ``HOST/PUBLISHER/MODEL/VERSION``; any other URL
in ``HOST/NAME-HASH``. What an unversioned URL stands for is written in ``HOST/PUBLISHER/MODEL/latest.rehub.json``.
"""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from rehub.handle import Handle, Kind

RECORD_SUFFIX = ".rehub.json"
POINTER_NAME = f"latest{RECORD_SUFFIX}"
STAGING = ".staging"
LOCKS = ".locks"
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_PLAIN_HOST = re.compile(r"[a-z0-9.-]+(:\d+)?")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # names of devices on Windows
_ARCHIVE_SUFFIX = re.compile(r"\.(tar|tar\.gz|tgz)$", re.IGNORECASE)


@functools.lru_cache(maxsize=256)
def leaf(handle: Handle) -> PurePosixPath:
    """Returns the folder of a versioned model or an archive, relative to the cache folder."""
    segments = _segments(handle)
    if handle.version is not None and len(segments) > 1 and _can_be_read(handle, segments[:-1]):
        return PurePosixPath(_host(handle), *segments)
    return _hashed(handle)


def model_folder(handle: Handle) -> PurePosixPath:
    """Returns the folder that holds the versions of an unversioned handle, relative to the cache folder."""
    segments = _segments(handle)
    if segments and _can_be_read(handle, segments):
        return PurePosixPath(_host(handle), *segments)
    return _hashed(handle)


def pointer(folder: PurePosixPath) -> PurePosixPath:
    """Returns the file that says which version an unversioned handle stands for."""
    return folder / POINTER_NAME


@functools.lru_cache(maxsize=256)
def record(leaf: PurePosixPath) -> PurePosixPath:
    """Returns the record of a model: a file beside its folder."""
    return leaf.with_name(leaf.name + RECORD_SUFFIX)


def key(path: PurePosixPath) -> str:
    """Returns a short name for a path of the cache folder, for locks and staging folders."""
    return hashlib.sha256(str(path).encode()).hexdigest()[:32]


def _segments(handle: Handle) -> list[str]:
    return urlsplit(handle.location).path.strip("/").split("/")


def _can_be_read(handle: Handle, segments: list[str]) -> bool:
    return (
        handle.kind is Kind.HUB
        and not urlsplit(handle.location).query
        and _PLAIN_HOST.fullmatch(handle.host) is not None
        and all(
            _PLAIN.fullmatch(segment)
            and not segment.isdigit()
            and not segment.endswith(".")
            and not _RESERVED.fullmatch(segment)
            and ".rehub" not in segment.lower()
            for segment in segments
        )
    )


def _hashed(handle: Handle) -> PurePosixPath:
    names = [segment for segment in _segments(handle) if not segment.isdigit()]
    name = _ARCHIVE_SUFFIX.sub("", names[-1] if names else "")
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:60].strip("_") or "model"
    digest = hashlib.sha256(handle.location.encode()).hexdigest()[:12]
    return PurePosixPath(_host(handle), f"{name}-{digest}")


def _host(handle: Handle) -> str:
    scheme = urlsplit(handle.location).scheme
    host = re.sub(r"[^A-Za-z0-9.-]", "_", handle.host)
    return host if scheme == "https" else f"{scheme}_{host}"
