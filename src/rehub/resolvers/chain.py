"""Resolving: from a handle to a folder that TensorFlow can open."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
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
from rehub.resolvers import own_resolvers
from rehub.resolvers.hub import HubResolver
from rehub.resolvers.lockfile import locked
from rehub.resolvers.mirrors import mirrored
from rehub.resolvers.pin import check_pin

if TYPE_CHECKING:
    from rehub.cache.interface import ModelStore
    from rehub.resolvers.hub_client import HubClient
    from rehub.resolvers.source import ModelSource
    from rehub.transport.credential import Authorize
    from rehub.transport.interface import Response, Transport

_REMOTE_SCHEMES = ("gs", "s3", "hdfs", "viewfs", "har", "az", "abfs", "abfss", "oss")  # of TensorFlow and tensorflow-io
_HOST_AND_MORE = re.compile(r"[\w-]+(\.[\w-]+)+(:\d+)?/[\w.-]+")


def resolve(handle: str | os.PathLike[str]) -> str:
    """Returns a folder from which a model can be loaded, downloading the model if the cache lacks it.

    Args:
        handle: A filesystem path, returned as it is; a URL ``https://HOST/PUBLISHER/MODEL[/VERSION]``; the URL of a
            ``.tar``, ``.tar.gz`` or ``.tgz``; ``hf://OWNER/NAME[@REVISION][/FOLDER]``; or a folder in a bucket
            (``s3://…``, ``gs://…``, ``az://…``), which without obstore is returned as it is, as are folders that only
            TensorFlow opens. URLs may end in ``#sha256=DIGEST``.

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
    if (found := own_resolvers.find(handle)) is not None:
        return found
    return resolve_without_own(handle, settings, transport)


def resolve_without_own(handle: str | os.PathLike[str], settings: Settings, transport: Transport) -> str:
    """Does what `resolve_with` does, without the resolvers that the program brought along."""
    parsed = parse(handle)
    if parsed.kind is Kind.PATH:
        return _existing(parsed)
    if settings.lockfile:
        parsed = locked(parsed, settings)
    if parsed.kind is Kind.REMOTE or is_read_in_place(parsed, settings):
        _refuse_unknown_scheme(parsed)
        _refuse_pin(parsed, settings)
        return parsed.text
    if settings.load_format == "UNCOMPRESSED" and parsed.kind is Kind.HUB:
        _refuse_pages(parsed)
        _refuse_pin(parsed, settings)
        return _hub_client(settings, transport).uncompressed(parsed)
    hub = hub_resolver(parsed, settings, transport)
    try:
        return _from_hub(parsed, hub)
    except CacheError as error:
        from rehub.resolvers.temporary_cache import stand_in

        instead = stand_in(settings, error)
        if instead is None:
            raise
    return _from_hub(parsed, hub_resolver(parsed, instead, transport))


def hub_resolver(handle: Handle, settings: Settings, transport: Transport) -> HubResolver:
    """Returns what gets a model from the cache or from elsewhere.

    Raises:
        HandleError: If the handle is one of a page that is no model.
    """
    _refuse_pages(handle)
    store = _store(settings)
    return HubResolver(settings, store, functools.partial(_source, handle, settings, store, transport))


def is_read_in_place(handle: Handle, settings: Settings) -> bool:
    """Whether a folder in a bucket is left to TensorFlow's own filesystem layer.

    So it is where that is wanted, where the cache itself is there, and where nothing else here can read buckets.
    """
    if handle.kind is not Kind.BUCKET:
        return False
    cache = settings.remote_cache
    return (
        settings.load_format == "UNCOMPRESSED"
        or (cache is not None and f"{handle.location}/".startswith(f"{cache}/"))
        or importlib.util.find_spec("obstore") is None
    )


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
    if not parsed.may_change:
        return handle
    record = record_of(path)
    if record is None:
        return handle  # tensorflow_hub fetched it, and noted nothing; or it is read in place
    is_pinned = parsed.pin is not None or parse(record.location).may_change
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


def _source(handle: Handle, settings: Settings, store: ModelStore, transport: Transport) -> ModelSource:
    """Returns what is asked for a model, with libraries that a hit does not need."""
    if handle.kind is Kind.HUGGINGFACE:
        from rehub.resolvers.huggingface import HuggingFaceSource

        return HuggingFaceSource(settings, store)
    is_mirrored = mirrored(handle, settings) != handle
    if handle.kind is Kind.BUCKET or (handle.kind is Kind.ARCHIVE and not is_mirrored):
        from rehub.resolvers import bucket

        if bucket.has(handle):
            return bucket.BucketSource(settings, store)
    if handle.is_kaggle and not is_mirrored:
        from rehub.resolvers import kaggle

        if kaggle.has(handle):
            return kaggle.KaggleSource(settings, store)
    return _hub_client(settings, transport, store)


def _hub_client(settings: Settings, transport: Transport, store: ModelStore | None = None) -> HubClient:
    from rehub.resolvers.hub_client import HubClient

    return HubClient(settings, store or _store(settings), transport)


def _existing(handle: Handle) -> str:
    if os.path.exists(handle.location):  # noqa: PTH110 - os.PathLike of any kind, and no copy
        if handle.pin is not None:
            check_pin(handle, measure(Path(handle.location)))
        return handle.location
    hint = "Check the path; relative ones begin at the current folder."
    if _HOST_AND_MORE.match(handle.text):
        hint = f"If a URL is meant, write https://{handle.text}"
    raise NotFoundError(f"{handle.location} does not exist.", hint=hint, handle=handle.text)


def _refuse_unknown_scheme(handle: Handle) -> None:
    scheme = handle.text.partition(":")[0].lower()
    known = set(_REMOTE_SCHEMES)
    io = getattr(sys.modules.get("tensorflow"), "io", None)  # another thread may just import it
    if io is not None:  # plugins add more
        known.update(io.gfile.get_registered_schemes())
    if scheme not in known:
        raise HandleError(
            f"{handle.text!r}: the scheme {scheme!r} is unknown.",
            hint="Use a path, an http or https URL, hf://OWNER/NAME, or a folder in a bucket such as gs://BUCKET/FOLDER.",
            handle=handle.text,
        )


def _refuse_pin(handle: Handle, settings: Settings) -> None:
    if handle.pin is None:
        return
    if settings.load_format == "UNCOMPRESSED":
        hint = "Unset TFHUB_MODEL_LOAD_FORMAT to download the model and check it; or omit the pin, or the lock file "
        hint += "that pins it."
    else:
        hint = 'To download and check it, run: pip install "rehub[bucket]"; or omit the pin.'
    raise HandleError(
        f"{handle.text!r} has a pin, but rehub does not see the files of a model that is read in place.",
        hint=hint,
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
