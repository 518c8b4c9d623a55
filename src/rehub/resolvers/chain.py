"""Resolving: from a handle to a folder that TensorFlow can open."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from rehub import configuration
from rehub.archive.fingerprint import fingerprint
from rehub.cache import layout
from rehub.cache.store import Store
from rehub.configuration import Settings
from rehub.errors import CacheError, FormatError, HandleError, NotFoundError
from rehub.formats.record import read_record
from rehub.handle import Handle, Kind, parse
from rehub.resolvers.hub import HubResolver
from rehub.transport.interface import Response, Transport

_HOST_AND_MORE = re.compile(r"[\w-]+(\.[\w-]+)+(:\d+)?/[\w.-]+")


def resolve(handle: str | os.PathLike[str]) -> str:
    """Returns a folder from which a model can be loaded, downloading the model if the cache lacks it.

    Args:
        handle: A filesystem path, returned as it is; a remote folder (``gs://…``), returned as it is too; a URL
            ``https://HOST/PUBLISHER/MODEL[/VERSION]``; or the URL of a ``.tar``, ``.tar.gz`` or ``.tgz``. URLs may
            end in ``#sha256=DIGEST``.

    Raises:
        HandleError: If it is no handle, or one of a page that is no model.
        NotFoundError: If there is no such folder, model or version.
        AccessError: If the server does not let this user have it.
        OfflineError: If it has to be downloaded and there is no network.
        TransferError: If the download fails.
        ChecksumError: If the files are not those that the handle names.
        FormatError: If what was downloaded is no whole model.
        CacheError: If the cache folder cannot be written, is full, or another process holds its lock for too long.
    """
    settings = configuration.current()
    return resolve_with(handle, settings, _Network(settings))


def resolve_with(handle: str | os.PathLike[str], settings: Settings, transport: Transport) -> str:
    """Does what `resolve` does, with settings and a transport of the caller's."""
    parsed = parse(handle)
    if parsed.kind is Kind.PATH:
        return _existing(parsed)
    if parsed.kind is Kind.REMOTE:
        return parsed.text
    _refuse_pages(parsed)
    hub = HubResolver(settings, _store(settings), transport)
    if settings.load_format == "UNCOMPRESSED" and parsed.kind is Kind.HUB:
        return hub.uncompressed(parsed)
    return hub.newest(parsed) if hub.may_change(parsed) else hub.fixed(parsed)


def lasting(handle: str, path: str) -> str:
    """Returns the handle that leads to the same model from any folder and at any time.

    Args:
        handle: A handle.
        path: The folder to which it was resolved.
    """
    parsed = parse(handle)
    if parsed.kind is Kind.PATH:
        return os.path.abspath(path)  # noqa: PTH100 - a string, as resolve returns it
    if parsed.kind is not Kind.HUB or parsed.version is not None:
        return handle
    try:
        record = read_record(Path(path + layout.RECORD_SUFFIX).read_bytes())
    except (OSError, FormatError):
        return handle  # tensorflow_hub fetched it, and noted nothing
    pin = f"#sha256={fingerprint(record.files)}" if parse(record.location).version is None else ""
    return record.location + pin


class _Network:
    """The network, whose libraries are loaded when it is needed: most models are in the cache already."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @contextlib.contextmanager
    def get(self, url: str, headers: Mapping[str, str] | None = None, *, follow: bool = True) -> Iterator[Response]:
        from rehub.transport.http import HttpTransport

        with HttpTransport(self._settings).get(url, headers, follow=follow) as response:
            yield response


def _existing(handle: Handle) -> str:
    if os.path.exists(handle.location):  # noqa: PTH110 - os.PathLike of any kind, and no copy
        return handle.location
    hint = "Check the path; relative ones begin at the current folder."
    if _HOST_AND_MORE.match(handle.text):
        hint = f"If a URL is meant, write https://{handle.text}"
    raise NotFoundError(f"{handle.location!r} does not exist.", hint=hint, handle=handle.text)


def _refuse_pages(handle: Handle) -> None:
    segments = urlsplit(handle.location).path.strip("/").split("/")
    if handle.kind is Kind.HUB and len(segments) == 3 and segments[1] == "collection":
        raise HandleError(
            f"{handle.location} is a collection: a page that lists models, and no model.",
            hint="Open it in a browser, and use the URL of one of its models.",
            handle=handle.text,
        )


def _store(settings: Settings) -> Store:
    if settings.cache_dir and "://" in settings.cache_dir:
        raise CacheError(
            f"the cache folder {settings.cache_dir} is not on this machine.",
            hint="Set TFHUB_CACHE_DIR to a folder of this machine.",
            path=settings.cache_dir,
        )
    return Store(settings.cache_root, settings.lock_timeout_s)
