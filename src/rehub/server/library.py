"""The library: which models, versions, publishers and collections a hub has, whatever its store is.

A version is *published* when the store has its record, and *plain* when it lies in a folder as it was exported. A
version that was removed is neither: its number is never used again.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from rehub.formats.version_record import VersionRecord, read_version_record
from rehub.server import names
from rehub.server.catalogue import Catalogue, Model
from rehub.server.documents import Documents
from rehub.server.publishers import Collection, PublisherInfo, read_collection, read_publisher
from rehub.server.recent import Recent
from rehub.storage.interface import ObjectStore

_FRESH_S = 2.0
_ALL_FRESH_S = 5.0
_KEY = re.compile(r"(?P<name>.+?)/(?P<version>0|[1-9][0-9]{0,17})/(?P<file>[^/]+)")


@dataclasses.dataclass(frozen=True)
class PublishedVersion:
    """A version that was published.

    Attributes:
        name: Of the model.
        number: The version.
        record: What is known of it.
    """

    name: str
    number: int
    record: VersionRecord

    @property
    def prefix(self) -> str:
        """What the keys of its files, archive and card begin with; ends in ``/``."""
        return names.content_prefix(self.name, self.number, self.record.content)

    @property
    def archive_key(self) -> str:
        """The key of its ``model.tar.gz``."""
        return names.archive_key(self.prefix)

    @property
    def card_key(self) -> str | None:
        """The key of its model card, in Markdown; None if it has none."""
        return names.card_key(self.prefix, self.record.card_sha256) if self.record.card_sha256 else None

    def file_key(self, name: str) -> str:
        """Returns the key of one of the files that its manifest lists."""
        return names.file_key(self.prefix, name)


@dataclasses.dataclass(frozen=True)
class PlainVersion:
    """A version that lies in a folder as it was exported.

    Attributes:
        name: Of the model.
        number: The version.
        folder: Its folder.
    """

    name: str
    number: int
    folder: Path


@dataclasses.dataclass(frozen=True)
class Removed:
    """A version that an operator removed.

    Attributes:
        name: Of the model.
        number: The version.
        reason: Why, for people.
        removed: When.
    """

    name: str
    number: int
    reason: str
    removed: datetime.datetime


Version = PublishedVersion | PlainVersion | Removed


class Library:
    """What a hub has. Many threads may use it, and many libraries one store.

    A folder is read anew at every question. What a bucket said is taken to hold for two seconds, and the list of all
    models for five, or for ten times as long as it took to get it; `forget` ends that for what this process changed.

    Args:
        store: The hub's.
        is_private: Whether publishers are private for whom nothing is set.
        clock: Tells the time in seconds.
    """

    def __init__(
        self, store: ObjectStore, *, is_private: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        root = store.local_path("")
        fresh_s = 0.0 if root is not None else _FRESH_S
        self.store = store
        self._plain = Catalogue(root) if root is not None else None
        self._is_private = is_private
        self._clock = clock
        self._documents = Documents(store, fresh_s, clock)
        self._found: Recent[str, Model | None] = Recent(fresh_s, clock=clock)
        self._models: tuple[Model, ...] = ()
        self._until_s = -math.inf
        self._listing = threading.Lock()

    def models(self) -> tuple[Model, ...]:
        """Returns every model that has a visible version, by name; those behind links are served, but not listed.

        Raises:
            StoreError: If the store fails.
        """
        if self._plain is not None:
            found = map(self.find, self._plain.names())
            return tuple(model for model in found if model and model.versions)
        with self._listing:
            begun = self._clock()
            if begun >= self._until_s:
                self._models = tuple(self._listed())
                now = self._clock()
                self._until_s = now + max(_ALL_FRESH_S, 10 * (now - begun))
            return self._models

    def find(self, name: str) -> Model | None:
        """Returns the model of a name; None if it never had a version.

        Raises:
            StoreError: If the store fails.
        """
        return self._found.get(name, lambda: self._find(name)) if names.is_servable(name) else None

    def version(self, name: str, number: int) -> Version | None:
        """Returns a version of a model; None if it never was.

        Raises:
            FormatError: If its record is damaged.
            StoreError: If the store fails.
        """
        if not names.is_servable(name) or not names.is_version(number):
            return None
        removed = self._documents.get(
            names.tombstone_key(name, number), lambda data: _removed(name, number, data), remembers_absence=True
        )
        if removed is not None:
            return removed
        folder = self._plain.folder(name, number) if self._plain is not None else None
        if folder is not None:
            return PlainVersion(name, number, folder)
        record = self._documents.get(names.record_key(name, number), read_version_record)
        return PublishedVersion(name, number, record) if record is not None else None

    def card(self, version: PublishedVersion) -> bytes | None:
        """Returns the model card of a version as it was sent; None if it has none.

        Raises:
            NotFoundError: If the version was removed meanwhile.
            StoreError: If the store fails.
        """
        return self.store.read(version.card_key) if version.card_key else None

    def publishers(self) -> tuple[PublisherInfo, ...]:
        """Returns everybody who has models, or something set, by name.

        Raises:
            FormatError: If what is set is damaged.
            StoreError: If the store fails.
        """
        prefix = names.PUBLISHERS_PREFIX
        found = {names.publisher_of(model.name) for model in self.models()}
        found |= {info.key[len(prefix) :].removesuffix(".json") for info in self.store.list(prefix)}
        return tuple(map(self.publisher, sorted(found)))

    def publisher(self, name: str) -> PublisherInfo:
        """Returns a publisher, whether it has models or not; ``is_private`` is never None.

        Raises:
            FormatError: If what is set for it is damaged.
            StoreError: If the store fails.
        """
        info = None
        if names.is_servable(name) and "/" not in name:
            key = names.publisher_key(name)
            info = self._documents.get(key, lambda data: read_publisher(name, data), remembers_absence=True)
        info = info or PublisherInfo(name)
        return info if info.is_private is not None else dataclasses.replace(info, is_private=self._is_private)

    def collections(self, publisher: str) -> tuple[Collection, ...]:
        """Returns the collections of a publisher, by name.

        Raises:
            FormatError: If one is damaged.
            StoreError: If the store fails.
        """
        if not names.is_servable(publisher) or "/" in publisher:
            return ()
        prefix = names.collections_prefix(publisher)
        keys = sorted(info.key[len(prefix) :].removesuffix(".json") for info in self.store.list(prefix))
        found = (self.collection(publisher, name) for name in keys)
        return tuple(collection for collection in found if collection)

    def collection(self, publisher: str, name: str) -> Collection | None:
        """Returns a collection; None if there is none.

        Raises:
            FormatError: If it is damaged.
            StoreError: If the store fails.
        """
        if not names.is_servable(f"{publisher}/{name}") or "/" in publisher or "/" in name:
            return None
        key = names.collection_key(publisher, name)
        return self._documents.get(key, lambda data: read_collection(publisher, name, data), remembers_absence=True)

    def forget(self, name: str, number: int | None = None) -> None:
        """Has the store asked anew for a model, and for whether a version of it was removed."""
        if number is not None:
            self._documents.forget(names.tombstone_key(name, number))
        self._found.forget(name)
        self._until_s = -math.inf

    def _find(self, name: str) -> Model | None:
        versions, removed = [], []
        plain = self._plain.find(name) if self._plain is not None else None
        numbers = {int(entry) for entry in self.store.folders(f"{name}/") if names.VERSION.fullmatch(entry)}
        for number in sorted(numbers.union(plain.versions if plain else ())):
            if self._documents.exists(names.tombstone_key(name, number), remembers_absence=True):
                removed.append(number)
            elif (plain and number in plain.versions) or self._documents.exists(names.record_key(name, number)):
                versions.append(number)
        return Model(name, tuple(versions), tuple(removed)) if versions or removed else None

    def _listed(self) -> Iterator[Model]:
        """Finds the models of a bucket: in one list of all its keys, for each folder of which would take a request."""
        for publisher in self.store.folders(""):
            if not names.is_servable(publisher):
                continue
            found: defaultdict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
            for info in self.store.list(f"{publisher}/"):
                match = _KEY.fullmatch(info.key)
                if match and match["file"] in (names.RECORD, names.TOMBSTONE) and names.is_servable(match["name"]):
                    found[match["name"]][int(match["version"])].add(match["file"])
            for name, numbers in sorted(found.items()):
                removed = tuple(sorted(number for number, files in numbers.items() if names.TOMBSTONE in files))
                versions = tuple(sorted(numbers.keys() - set(removed)))
                if versions:
                    yield Model(name, versions, removed)


def write_removed(removed: Removed) -> bytes:
    """Returns what is left of a version that was removed."""
    values = {"reason": removed.reason, "removed": removed.removed.isoformat(timespec="seconds")}
    return json.dumps(values, indent=2).encode() + b"\n"


def _removed(name: str, number: int, data: bytes) -> Removed:
    """Reads what is left of a version; it was removed also when that is damaged."""
    try:
        values = json.loads(data)
        when = datetime.datetime.fromisoformat(values["removed"])
        reason = values["reason"]
    except (ValueError, TypeError, KeyError, RecursionError):
        when, reason = datetime.datetime.fromtimestamp(0, datetime.timezone.utc), ""
    return Removed(name, number, reason if isinstance(reason, str) else "", when)
