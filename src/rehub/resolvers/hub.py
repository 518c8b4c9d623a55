"""Models from elsewhere: those that the cache has, and when somebody is asked."""

from __future__ import annotations

import functools
import time
import warnings
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from rehub.cache import layout
from rehub.configuration import Settings
from rehub.errors import CacheError, OfflineError, TransferError
from rehub.formats.record import Latest
from rehub.handle import Handle
from rehub.resolvers.mirrors import is_google_cn, mirrored
from rehub.resolvers.pin import check_pin, fits_pin

if TYPE_CHECKING:
    from collections.abc import Callable

    from rehub.cache.interface import ModelStore
    from rehub.resolvers.source import ModelSource, Offer


class HubResolver:
    """Gets models from the cache, or from their source into the cache.

    Args:
        settings: Where the cache is and how servers are asked.
        store: The cache.
        open_source: Gives what is asked for models that the cache lacks.
    """

    def __init__(self, settings: Settings, store: ModelStore, open_source: Callable[[], ModelSource]) -> None:
        self._settings = settings
        self._store = store
        self._open_source = open_source

    def may_change(self, handle: Handle) -> bool:
        """Whether a URL names the newest version of a model, whichever that is."""
        return handle.may_change and not is_google_cn(mirrored(handle, self._settings))

    def cached(self, handle: Handle) -> str | None:
        """Returns the folder of a model if no server need be asked for it, else None. Writes nothing."""
        return self._lately(handle)[0] if self.may_change(handle) else self._always(handle)

    def offer(self, handle: Handle) -> Offer:
        """Asks what would be sent; errors as of `rehub.resolvers.source.ModelSource.offer`."""
        self._need_network(handle)
        return self._source.offer(handle, may_change=self.may_change(handle))

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
        with self._store.lock(leaf, lambda: self._store.find(leaf, handle.location) is not None):
            path = self._found(handle, leaf, handle.location)
            return self._source.download(handle, leaf, asked or handle) if path is None else path

    def newest(self, handle: Handle) -> str:
        """Returns the folder of the newest version of a model, as far as the server was asked lately."""
        path, usable = self._lately(handle)
        if path is not None:
            return path
        self._need_network(handle)
        folder = layout.model_folder(handle)
        try:
            with self._store.lock(folder, lambda: self._lately(handle)[0] is not None):
                latest, path = self._known(handle, folder)
                if path is not None and latest is not None and self._will_do(handle, latest.time_s):
                    return path
                self._store.forget_lost(folder, handle.location)
                answer = self._source.newest(handle, folder, latest)
                return answer if isinstance(answer, str) else self._point(handle, folder, answer)
        except (TransferError, CacheError) as error:
            if usable is None:
                raise
            # What is there may be older than what the server has, but a program that ran yesterday runs today.
            warnings.warn(
                f"using the cached version of {handle.location}, which may not be the newest: {error}", stacklevel=2
            )
            return usable

    @functools.cached_property
    def _source(self) -> ModelSource:
        return self._open_source()

    def _always(self, handle: Handle) -> str | None:
        """Returns the folder of a model whose URL always names the same content, if it is there."""
        path = self._found(handle, layout.leaf(handle), handle.location)
        if path is not None:
            return path
        old = self._legacy(handle)
        return None if old is None else old[0]

    def _lately(self, handle: Handle) -> tuple[str | None, str | None]:
        """Returns the folder that will do without asking, and the one that will do if no server answers."""
        latest, path = self._known(handle, layout.model_folder(handle))
        if path is not None and latest is not None:
            return (path if self._will_do(handle, latest.time_s) else None), path
        old = self._legacy(handle)
        if old is None:
            return None, None
        folder, time_s = old
        return (folder if self._will_do(handle, time_s) else None), folder

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

    def _legacy(self, handle: Handle) -> tuple[str, float] | None:
        """Returns the folder of a model that tensorflow_hub fetched, and when it did; None if that is not usable."""
        from rehub.cache import legacy
        from rehub.cache.resolved import files_of

        names, url = (handle.text, handle.location), self._settings.remote_cache
        if url is None:
            must_own = self._settings.cache_dir is None
            entries = (legacy.find(names, root, must_own=must_own) for root in self._settings.legacy_cache_roots)
            found = ((str(entry.folder), entry.time_s) for entry in entries if entry is not None)
        else:
            from rehub.cache import remote_legacy

            found = (entry for entry in (remote_legacy.find(names, url),) if entry is not None)
        return next((entry for entry in found if handle.pin is None or fits_pin(handle, files_of(entry[0]))), None)

    def _need_network(self, handle: Handle) -> None:
        if self._settings.offline:
            folder = self._settings.remote_cache or self._store.root
            raise OfflineError(
                f"{handle.location} is not in the cache folder {folder}, and rehub is offline.",
                hint="Unset REHUB_OFFLINE, or fetch the model on a machine with a network and copy the cache folder.",
                url=handle.location,
            )

    def _point(self, handle: Handle, folder: PurePosixPath, version: Handle) -> str:
        """Gets a version, and notes that it is the newest."""
        path = self.fixed(version, asked=handle)
        leaf = str(layout.leaf(version))
        self._store.point(folder, Latest(handle.location, leaf, version.location, "", time.time()))
        return path
