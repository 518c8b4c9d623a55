"""Where a model lies in the cache folder. Pure: no file is touched.

A versioned hub URL without query lies where a person looks for it, ``HOST/PUBLISHER/MODEL/VERSION``; any other URL
in ``HOST/NAME-HASH``, and a commit on the Hugging Face Hub in ``hf/OWNER/NAME/COMMIT``. What an unversioned URL stands
for is written in ``HOST/PUBLISHER/MODEL/latest.rehub.json``.
Below the host all names are in small letters, as some filesystems take ``Net`` and ``net`` for the same: where the URL
has capitals, the model's name ends in a hash, ``HOST/PUBLISHER/MODEL-HASH/VERSION``.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from rehub.handle import Handle, Kind
from rehub.repository import DEFAULT_REVISION, Repository

RECORD_SUFFIX = ".rehub.json"
MANIFEST_SUFFIX = ".rehub-manifest.json"
POINTER_NAME = f"latest{RECORD_SUFFIX}"
STAGING = ".staging"
LOCKS = ".locks"
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_HOST_FOLDER = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]*")
_NAMES_LIMIT = 8  # of publisher, model, and what is between
_PLAIN_HOST = re.compile(r"[a-z0-9.-]+(:\d+)?")
_UNREADABLE = re.compile(r"[^A-Za-z0-9_-]+")
_NOT_OF_HOSTS = re.compile(r"[^A-Za-z0-9.-]")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # names of devices on Windows
_ARCHIVE_SUFFIX = re.compile(r"\.(tar|tar\.gz|tgz)$", re.IGNORECASE)


@functools.lru_cache(maxsize=256)
def leaf(handle: Handle) -> PurePosixPath:
    """Returns the folder of a versioned model or an archive, relative to the cache folder."""
    if handle.repository is not None:
        return _repository_folder(handle.repository.at(DEFAULT_REVISION)) / handle.repository.revision
    path = branch(handle)
    if path is None:
        return _hashed(handle)
    return PurePosixPath(host_folder(handle), *in_small(path.parts[:-1]), path.name)


def branch(handle: Handle) -> PurePosixPath | None:
    """Returns ``PUBLISHER/MODEL/VERSION`` as the URL has it, with its capitals; None if that is no safe path."""
    segments = _segments(handle)
    if handle.version is not None and len(segments) > 1 and _can_be_read(handle, segments[:-1]):
        return PurePosixPath(*segments)
    return None


def in_small(names: Sequence[str]) -> list[str]:
    """Returns the folders of a model below the host: the names, if they have no capitals, else others of its own.

    Args:
        names: Publisher, model, and what is between, without the version.
    """
    small = [name.lower() for name in names]
    if small != list(names):
        small[-1] += f"-{_digest('/'.join(names))}"
    return small


def may_hold_models(folder: PurePosixPath) -> bool:
    """Whether models may lie in a folder or below it, by its path relative to the cache folder."""
    host, *names = folder.parts
    return (
        _HOST_FOLDER.fullmatch(host) is not None
        and len(names) <= _NAMES_LIMIT
        and all(_is_plain(name) and name == name.lower() for name in names)
    )


def model_folder(handle: Handle) -> PurePosixPath:
    """Returns the folder that holds the versions of an unversioned handle, relative to the cache folder."""
    if handle.repository is not None:
        return _repository_folder(handle.repository)
    segments = _segments(handle)
    if segments and _can_be_read(handle, segments):
        return PurePosixPath(host_folder(handle), *in_small(segments))
    return _hashed(handle)


def pointer(folder: PurePosixPath) -> PurePosixPath:
    """Returns the file that says which version an unversioned handle stands for."""
    return folder / POINTER_NAME


@functools.lru_cache(maxsize=256)
def record(leaf: PurePosixPath) -> PurePosixPath:
    """Returns the record of a model: a file beside its folder."""
    return leaf.with_name(leaf.name + RECORD_SUFFIX)


def recorded(file: PurePosixPath) -> PurePosixPath | None:
    """Returns the folder of the model whose record a file is; None for a file that is none."""
    name = file.name.removesuffix(RECORD_SUFFIX)
    return file.with_name(name) if name != file.name and name.strip(".") else None


def manifest(leaf: PurePosixPath) -> PurePosixPath:
    """Returns the manifest of a model: a file beside its folder, if the model was fetched by one."""
    return leaf.with_name(leaf.name + MANIFEST_SUFFIX)


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
        and len(segments) <= _NAMES_LIMIT
        and all(map(_is_plain, segments))
    )


def _is_plain(name: str) -> bool:
    return (
        _PLAIN.fullmatch(name) is not None
        and not name.isdigit()
        and not name.endswith(".")
        and not _RESERVED.fullmatch(name)
        and ".rehub" not in name.lower()
    )


def _repository_folder(repository: Repository) -> PurePosixPath:
    """Returns the folder for all commits of a repository, if it is asked for as a whole; else another one beside it."""
    owner, name = repository.name.split("/")
    if repository.location == f"hf://{repository.name}" and _is_plain(owner) and _is_plain(name):
        return PurePosixPath("hf", *in_small([owner, name]))
    readable = _UNREADABLE.sub("_", f"{name}_{repository.folder.rpartition('/')[2]}").strip("_").lower()[:60]
    return PurePosixPath("hf", f"{readable or 'model'}-{_digest(repository.location)}")


def _hashed(handle: Handle) -> PurePosixPath:
    names = [segment for segment in _segments(handle) if not segment.isdigit()]
    name = _ARCHIVE_SUFFIX.sub("", names[-1] if names else "")
    name = _UNREADABLE.sub("_", name)[:60].strip("_").lower() or "model"
    return PurePosixPath(host_folder(handle), f"{name}-{_digest(handle.location)}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def host_folder(handle: Handle) -> str:
    """Returns the name of the folder for the models of a host: the host, as far as it is https on its own port."""
    scheme = urlsplit(handle.location).scheme
    host = _NOT_OF_HOSTS.sub("_", handle.host)
    return host if scheme == "https" else f"{scheme}_{host}"
