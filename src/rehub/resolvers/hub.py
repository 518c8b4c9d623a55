"""Models from servers: by the hosting protocol, or as plain archives."""

from __future__ import annotations

import dataclasses
import functools
import time
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import PurePosixPath
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from rehub.archive.fingerprint import measure
from rehub.cache import layout, legacy
from rehub.cache.legacy import LegacyEntry
from rehub.cache.store import Store
from rehub.configuration import Settings
from rehub.errors import CacheError, HandleError, OfflineError, TransferError
from rehub.formats.record import Latest
from rehub.handle import Handle, Kind, parse
from rehub.resolvers import answers
from rehub.resolvers.download import fetch, restarting
from rehub.resolvers.mirrors import mirrored, unmirrored
from rehub.resolvers.pin import check_pin, fits_pin
from rehub.transport.interface import Response, Transport
from rehub.transport.redirects import check, shown

_FORMAT = "tf-hub-format"
_HOPS = 10
_GOOGLE_CN = "hub.tensorflow.google.cn"
_NOT_OFFERED = frozenset({400, 406, 415, 501})  # the model may well be there, but not to be read in place


@dataclasses.dataclass(frozen=True)
class Offer:
    """What a server would send.

    Attributes:
        handle: The handle; that of the version, where the server redirects an unversioned one to it.
        url: Where the archive comes from in the end.
        size_bytes: Of the archive; None if the server does not tell it.
    """

    handle: Handle
    url: str
    size_bytes: int | None


class HubResolver:
    """Gets models from the cache, or from servers into the cache.

    Args:
        settings: Where the cache is and how servers are asked.
        store: The cache.
        transport: The network.
    """

    def __init__(self, settings: Settings, store: Store, transport: Transport) -> None:
        self._settings = settings
        self._store = store
        self._transport = transport

    def may_change(self, handle: Handle) -> bool:
        """Whether a URL names the newest version of a model, whichever that is."""
        return handle.kind is Kind.HUB and handle.version is None and not _is_google_cn(self._mirrored(handle))

    def cached(self, handle: Handle) -> str | None:
        """Returns the folder of a model if no server need be asked for it, else None. Writes nothing."""
        return self._lately(handle)[0] if self.may_change(handle) else self._always(handle)

    def offer(self, handle: Handle) -> Offer:
        """Asks a server what it would send, and sends it away before it does.

        Raises:
            ResolveError: If the server has no such model, or none for this user.
            TransferError: If it gives no answer, or one that is no success.
        """
        self._need_network(handle)
        first = url = self._archive_url(handle)
        for hop in range(_HOPS):
            with self._get(url, first, follow=hop == _HOPS - 1) as response:
                target = response.redirect
                if target is None:
                    if response.status != 200:
                        raise answers.refused(handle, response, first)
                    length = response.headers.get("content-length", "")
                    return Offer(handle, shown(response.url), int(length) if length.isdigit() else None)
            check(url, target)
            version = self._version(target, handle) if self.may_change(handle) else None
            if version is not None:
                handle = version
            url = target
        raise AssertionError

    def fixed(self, handle: Handle, asked: Handle | None = None) -> str:
        """Returns the folder of a model whose URL always names the same content.

        Args:
            handle: The handle.
            asked: The one that the user named, if a server redirected it to this one.
        """
        path = self._always(handle)
        if path is not None:
            return path
        self._need_network(handle)
        leaf = layout.leaf(handle)
        with self._store.lock(leaf):
            path = self._found(handle, leaf, handle.location)
            if path is not None:
                return path
            download = functools.partial(self._download, handle, leaf, asked or handle)
            return restarting(download, self._settings.retries)

    def newest(self, handle: Handle) -> str:
        """Returns the folder of the newest version of a model, as far as the server was asked lately."""
        path, usable = self._lately(handle)
        if path is not None:
            return path
        self._need_network(handle)
        folder = layout.model_folder(handle)
        try:
            with self._store.lock(folder):
                latest, path = self._known(handle, folder)
                if path is not None and latest is not None and self._will_do(handle, latest.time_s):
                    return path
                ask = functools.partial(self._ask, handle, folder, latest)
                answer = restarting(ask, self._settings.retries)
                return answer if isinstance(answer, str) else self._point(handle, folder, answer)
        except (TransferError, CacheError) as error:
            if usable is None:
                raise
            # What is there may be older than what the server has, but a program that ran yesterday runs today.
            warnings.warn(
                f"using the cached version of {handle.location}, which may not be the newest: {error}", stacklevel=2
            )
            return usable

    def uncompressed(self, handle: Handle) -> str:
        """Returns the remote folder that a server names for a model, to be read in place.

        Raises:
            TransferError: If it names none.
        """
        if self._settings.offline:
            raise OfflineError(
                f"the server has to be asked where {handle.location} can be read, and rehub is offline.",
                hint="Unset REHUB_OFFLINE; or unset TFHUB_MODEL_LOAD_FORMAT, to use the model that the cache holds.",
                url=handle.location,
            )
        first = url = self._mirrored(handle).with_query(_FORMAT, "uncompressed")
        for _ in range(_HOPS):
            with self._get(url, first, follow=False) as response:
                target = response.redirect
                if response.status >= 400 and response.status not in _NOT_OFFERED:
                    raise answers.refused(handle, response, first)
                if response.status == 303 or target is None:
                    return _named_folder(response)
            check(url, target)
            url = target
        raise TransferError(
            f"{shown(first)} redirects more than {_HOPS} times, the last time to {shown(url)}.",
            hint="Check the URL in a browser, or ask whoever runs the server.",
            url=shown(first),
        )

    def _always(self, handle: Handle) -> str | None:
        """Returns the folder of a model whose URL always names the same content, if it is there."""
        path = self._found(handle, layout.leaf(handle), handle.location)
        if path is not None:
            return path
        old = self._legacy(handle)
        return None if old is None else str(old.folder)

    def _lately(self, handle: Handle) -> tuple[str | None, str | None]:
        """Returns the folder that will do without asking, and the one that will do if no server answers."""
        latest, path = self._known(handle, layout.model_folder(handle))
        if path is not None and latest is not None:
            return (path if self._will_do(handle, latest.time_s) else None), path
        old = self._legacy(handle)
        if old is None:
            return None, None
        return (str(old.folder) if self._will_do(handle, old.time_s) else None), str(old.folder)

    def _found(self, handle: Handle, leaf: PurePosixPath, location: str) -> str | None:
        record = self._store.find(leaf, location)
        if record is None:
            return None
        check_pin(handle, record.files)
        return self._store.path(leaf)

    def _known(self, handle: Handle, folder: PurePosixPath) -> tuple[Latest | None, str | None]:
        """Returns what an unversioned handle stood for, and its folder, if that is whole and fits the pin."""
        latest = self._store.latest(folder, handle.location)
        if latest is not None:
            leaf = PurePosixPath(latest.leaf)
            record = self._store.find(leaf, latest.leaf_location)
            if record is not None and fits_pin(handle, record.files):
                return latest, self._store.path(leaf)
        return None, None

    def _will_do(self, handle: Handle, time_s: float) -> bool:
        """Whether a model that was fetched then need not be asked for again; one that fits its pin never need."""
        is_fresh = 0 <= time.time() - time_s < self._settings.unversioned_ttl_s
        return is_fresh or self._settings.offline or handle.pin is not None

    def _legacy(self, handle: Handle) -> LegacyEntry | None:
        for root in self._settings.legacy_cache_roots:
            entry = legacy.find((handle.text, handle.location), root, must_own=self._settings.cache_dir is None)
            if entry is not None and (handle.pin is None or fits_pin(handle, measure(entry.folder))):
                return entry
        return None

    def _need_network(self, handle: Handle) -> None:
        if self._settings.offline:
            raise OfflineError(
                f"{handle.location} is not in the cache folder {self._store.root}, and rehub is offline.",
                hint="Unset REHUB_OFFLINE, or fetch the model on a machine with a network and copy the cache folder.",
                url=handle.location,
            )

    def _get(
        self, url: str, asked: str, headers: Mapping[str, str] | None = None, *, follow: bool = True
    ) -> AbstractContextManager[Response]:
        """Asks for a URL, with the credentials for each server on the way.

        Args:
            url: The URL.
            asked: The one that the user's handle stands for, where this one may be what it redirects to.
            headers: Further headers.
            follow: Whether redirects are followed.
        """
        from rehub.resolvers.credentials import find  # a hit needs none

        authorize = functools.partial(find, settings=self._settings, asked=asked)
        return self._transport.get(url, headers, follow=follow, authorize=authorize)

    def _download(self, handle: Handle, leaf: PurePosixPath, asked: Handle) -> str:
        url, first = self._archive_url(handle), self._archive_url(asked)
        with self._get(url, first) as response, self._store.staging(leaf) as staging:
            record = fetch(response, handle, first, staging, self._settings)
            return self._store.install(staging, leaf, record)

    def _ask(self, handle: Handle, folder: PurePosixPath, latest: Latest | None) -> str | Handle:
        """Asks which version is the newest; returns its folder, or its handle if the server redirects to it."""
        first = url = self._archive_url(handle)
        headers = {"If-None-Match": latest.etag} if latest is not None and latest.etag else {}
        for hop in range(_HOPS):
            with self._get(url, first, headers, follow=hop == _HOPS - 1) as response:
                target = response.redirect
                if target is None:
                    return self._take(handle, folder, latest, response)
            check(url, target)
            version = self._version(target, handle)
            if version is not None:
                return version
            url = target
        raise AssertionError

    def _point(self, handle: Handle, folder: PurePosixPath, version: Handle) -> str:
        """Gets a version, and notes that it is the newest."""
        path = self.fixed(version, asked=handle)
        leaf = str(layout.leaf(version))
        self._store.point(folder, Latest(handle.location, leaf, version.location, "", time.time()))
        return path

    def _take(self, handle: Handle, folder: PurePosixPath, latest: Latest | None, response: Response) -> str:
        """Takes the model out of the answer of a server that answers an unversioned URL itself."""
        if response.status == 304 and latest is not None:
            self._store.point(folder, dataclasses.replace(latest, time_s=time.time()))
            return self._store.path(PurePosixPath(latest.leaf))
        with self._store.staging(folder) as staging:
            record = fetch(response, handle, self._archive_url(handle), staging, self._settings)
            leaf = folder / record.archive_sha256[:12]
            path = self._store.install(staging, leaf, record)
        self._store.point(folder, Latest(handle.location, str(leaf), handle.location, record.etag, record.time_s))
        return path

    def _mirrored(self, handle: Handle) -> Handle:
        return mirrored(handle, self._settings)

    def _archive_url(self, handle: Handle) -> str:
        return _archive_url(self._mirrored(handle))

    def _version(self, url: str, handle: Handle) -> Handle | None:
        """Returns the versioned handle that a redirect leads to, with the pin of the one asked for; else None."""
        version = _version(url)
        return version and dataclasses.replace(unmirrored(version, handle, self._settings), pin=handle.pin)


def _is_google_cn(handle: Handle) -> bool:
    return urlsplit(handle.location).hostname == _GOOGLE_CN


def _archive_url(handle: Handle) -> str:
    """Returns the URL that a server answers with the archive of a model."""
    parts = urlsplit(handle.location)
    if handle.kind is Kind.HUB:
        if _is_google_cn(handle):
            return f"https://gcs.tensorflow.google.cn/tfhub-modules{parts.path}.tar.gz"
        return handle.with_query(_FORMAT, "compressed")
    if parts.scheme in ("http", "https"):
        return handle.location
    if parts.scheme == "gs":
        return f"https://storage.googleapis.com/{parts.netloc}{parts.path}"
    raise HandleError(
        f"{handle.text!r}: archives cannot be fetched by {parts.scheme}.",
        hint="Use its https URL, or unpack it and load the folder.",
        handle=handle.text,
    )


def _named_folder(response: Response) -> str:
    """Returns the remote folder that an answer names, in its body or as where it redirects to."""
    if response.status == 303:
        for text in (answers.body_text(response), response.headers.get("location", "")):
            if _is_remote(text):
                return text
    raise TransferError(
        f"{shown(response.url)} names no folder in which to read the model (status {response.status}).",
        hint="Unset TFHUB_MODEL_LOAD_FORMAT, so that the model is downloaded.",
        url=shown(response.url),
        status=response.status,
        content_type=response.headers.get("content-type", ""),
    )


def _version(url: str) -> Handle | None:
    """Returns the versioned handle that a redirect leads to, None if it leads elsewhere."""
    parts = urlsplit(url)
    query = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != _FORMAT]
    try:
        handle = parse(urlunsplit(parts._replace(query=urlencode(query))))
    except HandleError:
        return None
    return handle if handle.version is not None and not query else None


def _is_remote(text: str) -> bool:
    try:
        return parse(text).kind is Kind.REMOTE
    except HandleError:
        return False
