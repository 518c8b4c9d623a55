"""What servers are asked, by the hosting protocol, and how their answers come into the cache."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import PurePosixPath
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from rehub.cache.interface import ModelStore
from rehub.configuration import Settings
from rehub.errors import HandleError, OfflineError, TransferError
from rehub.formats.manifest import MEDIA_TYPE, NewerManifest
from rehub.formats.record import Latest, Record
from rehub.handle import Handle, Kind, parse
from rehub.resolvers import answers, assembly
from rehub.resolvers.block_fetch import Source
from rehub.resolvers.credentials import find
from rehub.resolvers.download import fetch, restarting
from rehub.resolvers.mirrors import is_google_cn, mirrored, unmirrored
from rehub.resolvers.source import Offer
from rehub.transport.interface import Response, Transport, content_length
from rehub.transport.redirects import check, shown

_FORMAT = "tf-hub-format"
_FILE = "rehub-file"
_T = TypeVar("_T")
_HOPS = 10
_NOT_OFFERED = frozenset({400, 406, 415, 501})  # the model may well be there, but not to be read in place


class HubClient:
    """Asks servers for models. See `rehub.resolvers.source.ModelSource`.

    Args:
        settings: How servers are asked.
        store: The cache.
        transport: The network.
    """

    def __init__(self, settings: Settings, store: ModelStore, transport: Transport) -> None:
        self._settings = settings
        self._store = store
        self._transport = transport
        self._knows_manifests = True  # of this server, until it turns out to have newer ones

    def offer(self, handle: Handle, *, may_change: bool) -> Offer:
        """Asks a server what it would send, and sends it away before it does.

        Args:
            handle: The handle.
            may_change: Whether it stands for the newest version.

        Raises:
            ResolveError: If the server has no such model, or none for this user.
            TransferError: If it gives no answer, or one that is no success.
        """
        return self._or_by_archive(functools.partial(self._offer, handle, may_change=may_change))

    def download(self, handle: Handle, leaf: PurePosixPath, asked: Handle) -> str:
        """Fetches a model into the store, and returns its folder.

        Args:
            handle: The handle.
            leaf: Where it is to be; it is locked.
            asked: The handle that the user named, if a server redirected it to this one.
        """
        return self._tried(functools.partial(self._download, handle, leaf, asked))

    def newest(self, handle: Handle, folder: PurePosixPath, latest: Latest | None) -> str | Handle:
        """Asks which version is the newest; returns its folder, or its handle if the server redirects to it.

        Args:
            handle: The handle.
            folder: That of its versions; it is locked.
            latest: What it stood for, if that is known and there.
        """
        return self._tried(functools.partial(self._ask, handle, folder, latest))

    def uncompressed(self, handle: Handle) -> str:
        """Returns the remote folder that a server names for a model, to be read in place.

        Raises:
            OfflineError: If no server may be asked.
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

    def _tried(self, work: Callable[[], _T]) -> _T:
        return restarting(functools.partial(self._or_by_archive, work), self._settings.retries)

    def _offer(self, handle: Handle, *, may_change: bool) -> Offer:
        first = url = self._archive_url(handle)
        for hop in range(_HOPS):
            with self._get(url, first, self._accept(handle), follow=hop == _HOPS - 1) as response:
                target = response.redirect
                if target is None:
                    if response.status != 200:
                        raise answers.refused(handle, response, first)
                    return Offer(handle, shown(response.url), _size_bytes(response))
            check(url, target)
            version = self._version(target, handle) if may_change else None
            if version is not None:
                handle = version
            url = target
        raise AssertionError

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
        authorize = functools.partial(find, settings=self._settings, asked=asked)
        return self._transport.get(url, headers, follow=follow, authorize=authorize)

    def _or_by_archive(self, work: Callable[[], _T]) -> _T:
        """Does a piece of work, and does it again with archives only if the server's manifests are too new."""
        try:
            return self._with_kept(work)
        except NewerManifest:
            self._knows_manifests = False
            return self._with_kept(work)

    def _with_kept(self, work: Callable[[], _T]) -> _T:
        """Does a piece of work over connections that stay open in between."""
        transport = self._transport
        with transport.kept() as self._transport:
            try:
                return work()
            finally:
                self._transport = transport

    def _accept(self, handle: Handle) -> dict[str, str]:
        """Returns the header that says to a hub that a manifest is welcome."""
        if not self._knows_manifests or handle.kind is not Kind.HUB or is_google_cn(self._mirrored(handle)):
            return {}
        return {"Accept": f"{MEDIA_TYPE}, */*"}

    def _download(self, handle: Handle, leaf: PurePosixPath, asked: Handle) -> str:
        url, first = self._archive_url(handle), self._archive_url(asked)
        with self._get(url, first, self._accept(handle)) as response:
            return self._bring(response, handle, first, locked=leaf, leaf=leaf)[0]

    def _bring(
        self, response: Response, handle: Handle, asked: str, *, locked: PurePosixPath, leaf: PurePosixPath | None
    ) -> tuple[str, Record]:
        """Brings the model of an answer into the cache.

        Args:
            response: The answer: a manifest or an archive.
            handle: Whose model it brings.
            asked: The URL that was asked for it at first.
            locked: What is locked.
            leaf: Where the model is to be; None for a folder in the locked one that is named by what it holds.

        Returns:
            The model's folder, and its record.
        """
        if not assembly.is_manifest(response):
            with self._store.staging(locked) as staging:
                record = fetch(response, handle, asked, staging, self._settings)
                leaf = leaf or locked / record.archive_sha256[:12]
                return self._store.install(staging, leaf, record), record
        plan = assembly.read(response)
        leaf = leaf or locked / plan.digest[:12]
        place = self._mirrored(handle)

        def get(name: str, headers: Mapping[str, str]) -> AbstractContextManager[Response]:
            return self._get(place.with_query(_FILE, name), asked, headers)

        source = Source(handle, asked, get)
        with self._store.resumable(locked, plan.digest) as staging:
            record = assembly.assemble(plan, source, staging, self._store.root, leaf, self._settings)
            return self._store.install(staging, leaf, record, plan.data), record

    def _ask(self, handle: Handle, folder: PurePosixPath, latest: Latest | None) -> str | Handle:
        """Asks which version is the newest; returns its folder, or its handle if the server redirects to it."""
        first = url = self._archive_url(handle)
        headers = self._accept(handle)
        if latest is not None and latest.etag:
            headers["If-None-Match"] = latest.etag
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

    def _take(self, handle: Handle, folder: PurePosixPath, latest: Latest | None, response: Response) -> str:
        """Takes the model out of the answer of a server that answers an unversioned URL itself."""
        if response.status == 304 and latest is not None:
            self._store.point(folder, dataclasses.replace(latest, time_s=time.time()))
            return self._store.path(PurePosixPath(latest.leaf))
        path, record = self._bring(response, handle, self._archive_url(handle), locked=folder, leaf=None)
        leaf = folder / record.archive_sha256[:12]
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


def _archive_url(handle: Handle) -> str:
    """Returns the URL that a server answers with the archive of a model."""
    parts = urlsplit(handle.location)
    if handle.kind is Kind.HUB:
        if is_google_cn(handle):
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


def _size_bytes(response: Response) -> int | None:
    """Returns the size of what an answer offers, if the server tells it."""
    from rehub.resolvers import assembly  # a hit needs none

    if assembly.is_manifest(response):
        return assembly.read(response).manifest.size_bytes
    return content_length(response.headers)


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
        return parse(text).is_remote_folder
    except HandleError:
        return False
