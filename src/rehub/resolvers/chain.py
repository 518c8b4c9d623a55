"""Resolving: from a handle to a folder that TensorFlow can open."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rehub import configuration
from rehub.archive.fingerprint import fingerprint, measure
from rehub.cache.store import Store
from rehub.configuration import Settings
from rehub.errors import CacheError, HandleError, NotFoundError
from rehub.handle import Handle, Kind, parse
from rehub.resolvers.hub import HubResolver
from rehub.resolvers.lockfile import locked
from rehub.resolvers.pin import check_pin

if TYPE_CHECKING:
    from rehub.cache.interface import ModelStore
    from rehub.transport.credential import Authorize
    from rehub.transport.interface import Response, Transport

_REMOTE_SCHEMES = ("gs", "s3", "hdfs", "viewfs", "har", "az", "abfs", "abfss", "oss")  # of TensorFlow and tensorflow-io
_HOST_AND_MORE = re.compile(r"[\w-]+(\.[\w-]+)+(:\d+)?/[\w.-]+")


def resolve(handle: str | os.PathLike[str]) -> str:
    """Returns a folder from which a model can be loaded, downloading the model if the cache lacks it.

    Args:
        handle: A filesystem path, returned as it is; a remote folder (``gs://…``), returned as it is too; a URL
            ``https://HOST/PUBLISHER/MODEL[/VERSION]``; or the URL of a ``.tar``, ``.tar.gz`` or ``.tgz``. URLs may
            end in ``#sha256=DIGEST``.

    Raises:
        HandleError: If it is no handle, of an unknown scheme, or one of a page that is no model.
        NotFoundError: If there is no such folder, model or version.
        AccessError: If the server does not let this user have it.
        OfflineError: If it has to be downloaded and there is no network.
        TransferError: If the download fails.
        ChecksumError: If the files are not those that the handle or the lock file names.
        PolicyError: If there is a lock file, and the model is not in it.
        FormatError: If what was downloaded is no whole model.
        CacheError: If the cache folder cannot be written, is full, or another process holds its lock for too long.
        DependencyError: If the cache folder is not on this machine, and there is no TensorFlow that can open it.
    """
    settings = configuration.current()
    return resolve_with(handle, settings, Network(settings))


def resolve_with(handle: str | os.PathLike[str], settings: Settings, transport: Transport) -> str:
    """Does what `resolve` does, with settings and a transport of the caller's."""
    parsed = parse(handle)
    if parsed.kind is Kind.PATH:
        return _existing(parsed)
    if settings.lockfile:
        parsed = locked(parsed, settings)
    if parsed.kind is Kind.REMOTE:
        _refuse_unknown_scheme(parsed)
        return parsed.text
    hub = hub_resolver(parsed, settings, transport)
    if settings.load_format == "UNCOMPRESSED" and parsed.kind is Kind.HUB:
        if parsed.pin is not None:
            raise HandleError(
                f"{parsed.text!r} has a pin, but rehub does not see the files of a model that is read in place.",
                hint="Unset TFHUB_MODEL_LOAD_FORMAT to download the model and check it; or omit the pin, or the lock "
                "file that pins it.",
                handle=parsed.text,
            )
        return hub.uncompressed(parsed)
    try:
        return _from_hub(parsed, hub)
    except CacheError as error:
        from rehub.resolvers.temporary_cache import stand_in

        instead = stand_in(settings, error)
        if instead is None:
            raise
    return _from_hub(parsed, hub_resolver(parsed, instead, transport))


def hub_resolver(handle: Handle, settings: Settings, transport: Transport) -> HubResolver:
    """Returns what gets a model from the cache or a server.

    Raises:
        HandleError: If the handle is one of a page that is no model.
    """
    _refuse_pages(handle)
    return HubResolver(settings, _store(settings), transport)


def lasting(handle: str, path: str) -> str:
    """Returns the handle that leads to the same model from any folder and at any time.

    Args:
        handle: A handle.
        path: The folder to which it was resolved.
    """
    from rehub.cache.resolved import record_of

    parsed = parse(handle)
    if parsed.kind is Kind.PATH:
        path = os.path.abspath(path)  # noqa: PTH100 - a string, as resolve returns it
        return path if parsed.pin is None else f"{Path(path).as_uri()}#sha256={parsed.pin}"
    if parsed.kind is not Kind.HUB or parsed.version is not None:
        return handle
    record = record_of(path)
    if record is None:
        return handle  # tensorflow_hub fetched it, and noted nothing
    is_pinned = parsed.pin is not None or parse(record.location).version is None
    return record.location + (f"#sha256={fingerprint(record.files)}" if is_pinned else "")


class Network:
    """The network, whose libraries are loaded when it is needed: most models are in the cache already.

    Args:
        settings: Timeout, retries, certificates, offline mode.
        on_use: Called before each use: it can begin what a model is needed for, while its bytes come.
    """

    def __init__(self, settings: Settings, on_use: Callable[[], object] | None = None) -> None:
        self._settings = settings
        self._on_use = on_use

    @contextlib.contextmanager
    def kept(self) -> Iterator[Transport]:
        """Keeps connections open. See `rehub.transport.interface.Transport`."""
        with self._transport().kept() as transport:
            yield transport

    @contextlib.contextmanager
    def get(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        follow: bool = True,
        authorize: Authorize | None = None,
    ) -> Iterator[Response]:
        """Asks for a URL. See `rehub.transport.interface.Transport`."""
        with self._transport().get(url, headers, follow=follow, authorize=authorize) as response:
            yield response

    def _transport(self) -> Transport:
        from rehub.transport.http import HttpTransport

        if self._on_use is not None:
            self._on_use()
        return HttpTransport(self._settings)


def _from_hub(handle: Handle, hub: HubResolver) -> str:
    return hub.newest(handle) if hub.may_change(handle) else hub.fixed(handle)


def _existing(handle: Handle) -> str:
    if os.path.exists(handle.location):  # noqa: PTH110 - os.PathLike of any kind, and no copy
        if handle.pin is not None:
            check_pin(handle, measure(Path(handle.location)))
        return handle.location
    hint = "Check the path; relative ones begin at the current folder."
    if _HOST_AND_MORE.match(handle.text):
        hint = f"If a URL is meant, write https://{handle.text}"
    raise NotFoundError(f"{handle.location!r} does not exist.", hint=hint, handle=handle.text)


def _refuse_unknown_scheme(handle: Handle) -> None:
    scheme = handle.text.partition(":")[0].lower()
    known = set(_REMOTE_SCHEMES)
    io = getattr(sys.modules.get("tensorflow"), "io", None)  # another thread may just import it
    if io is not None:  # plugins add more
        known.update(io.gfile.get_registered_schemes())
    if scheme not in known:
        raise HandleError(
            f"{handle.text!r}: the scheme {scheme!r} is unknown.",
            hint="Use a path, an http or https URL, or a folder in a bucket such as gs://BUCKET/FOLDER.",
            handle=handle.text,
        )


def _refuse_pages(handle: Handle) -> None:
    segments = urlsplit(handle.location).path.strip("/").split("/")
    if handle.kind is Kind.HUB and len(segments) == 3 and segments[1] == "collection":
        raise HandleError(
            f"{handle.location} is a collection: a page that lists models, and no model.",
            hint="Open it in a browser, and use the URL of one of its models.",
            handle=handle.text,
        )


def _store(settings: Settings) -> ModelStore:
    store = Store(settings.cache_root, settings.lock_timeout_s)
    if settings.remote_cache is None:
        return store
    from rehub.cache.remote_store import RemoteStore

    return RemoteStore(settings.remote_cache, store)
