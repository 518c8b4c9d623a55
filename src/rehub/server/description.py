"""What is known of each version: read from its record, or from the files of a plain folder, and kept for a while."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import datetime
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path

from rehub.archive.fingerprint import fingerprint
from rehub.errors import FormatError, UsageError
from rehub.formats import card as cards
from rehub.formats.card import Card
from rehub.formats.manifest import ManifestFile
from rehub.model.model_info import describe
from rehub.server.catalogue import MODEL_FILES
from rehub.server.fingerprints import Fingerprint, fingerprint_of
from rehub.server.interface import GRAPH_LIMIT_BYTES
from rehub.server.library import Library, PlainVersion, PublishedVersion, Removed
from rehub.server.manifests import compute_manifest
from rehub.server.views_interface import Interface, read_interface

_KEPT = 64
_HASHED_BYTES = 64 << 20
"""A plain folder up to this size is hashed for its page; a larger one is shown without hashes."""


@dataclasses.dataclass(frozen=True)
class Description:
    """What is known of one version.

    Attributes:
        name: ``PUBLISHER/MODEL``.
        number: Of the version.
        interface: What it can do; None where its files cannot be read, or hold no SavedModel.
        problem: Why they cannot; empty also for what is no SavedModel.
        card: Its card; an empty one where it has none.
        files: Its files, by name; their sha256 and blocks are empty where nobody has computed them.
        created: When it was published; None for a plain folder.
        by: The name of the token that published it; empty for a plain folder.
        archive_bytes: The size of its archive; None where that is built on demand.
    """

    name: str
    number: int
    interface: Interface | None
    problem: str
    card: Card
    files: tuple[ManifestFile, ...]
    created: datetime.datetime | None = None
    by: str = ""
    archive_bytes: int | None = None

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(file.size_bytes for file in self.files)

    @property
    def formats(self) -> frozenset[str]:
        """In which of `FORMATS` it can be had."""
        own = {self.interface.format} if self.interface else set()
        lite = {"tflite"} if any(file.name.endswith(".tflite") for file in self.files) else set()
        return frozenset(own | lite | ({"tfjs"} if any(file.name == "model.json" for file in self.files) else set()))

    @property
    def pin(self) -> str:
        """What a handle may end in to name just this content; empty where nobody has computed it."""
        if not self.files or not all(file.sha256 for file in self.files):
            return ""
        return fingerprint({file.name: (file.size_bytes, file.sha256) for file in self.files})


class Descriptions:
    """Describes the versions of a library, each once and again when its folder has changed. Threads may share it.

    Args:
        library: The versions.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, int, Hashable], concurrent.futures.Future[Description]] = OrderedDict()

    def get(self, name: str, number: int) -> Description | Removed | None:
        """Returns what is known of a version; None when there is none.

        Raises:
            FormatError: If its record is damaged.
            StoreError: If the store does not answer.
        """
        version = self._library.version(name, number)
        try:
            if isinstance(version, PublishedVersion):
                return self._once((name, number, version.record.content), lambda: self._published(version))
            if isinstance(version, PlainVersion):
                state = fingerprint_of(version.folder)
                return self._once((name, number, state), lambda: _plain(version, state))
        except FileNotFoundError:  # removed since it was looked up
            return None
        return version

    def _once(self, key: tuple[str, int, Hashable], work: Callable[[], Description]) -> Description:
        """Returns the result of the work; who asks while it is done waits for the same one."""
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
            else:
                mine = self._known[key] = concurrent.futures.Future()
                while len(self._known) > _KEPT:
                    self._known.popitem(last=False)
        if known is not None:
            return known.result()
        try:
            mine.set_result(work())
        except BaseException as error:
            with self._lock:
                self._known.pop(key, None)
            mine.set_exception(error)
            raise
        return mine.result()

    def _published(self, version: PublishedVersion) -> Description:
        record = version.record
        publication = record.publication
        text = self._library.card(version)
        return Description(
            version.name,
            version.number,
            read_interface(record.interface) if record.interface else None,
            "",
            _card(text) if text else Card(),
            record.manifest.files,
            publication.created if publication else None,
            publication.by if publication else "",
            record.archive.size_bytes,
        )


def _plain(version: PlainVersion, state: Fingerprint) -> Description:
    folder = version.folder
    sizes = {file: size for file, size, _ in state if not file.endswith("/")}
    interface, problem = _interface(folder, sizes)
    card = folder / cards.FILE_NAME
    has_card = 0 < sizes.get(cards.FILE_NAME, 0) <= cards.SIZE_LIMIT_BYTES
    return Description(
        version.name,
        version.number,
        interface,
        problem,
        _card(card.read_bytes()) if has_card else Card(),
        _files(folder, state, sizes),
    )


def _interface(folder: Path, sizes: Mapping[str, int]) -> tuple[Interface | None, str]:
    if any(sizes.get(name, 0) > GRAPH_LIMIT_BYTES for name in MODEL_FILES):
        return None, "Its graph is too large to be read for a page. Download it, and run rehub inspect."
    try:
        return read_interface(describe(folder).to_json()), ""
    except FormatError as error:
        return None, error.message.replace(str(folder), "The model")  # nobody has to know where it lies


def _files(folder: Path, state: Fingerprint, sizes: Mapping[str, int]) -> tuple[ManifestFile, ...]:
    if sum(sizes.values()) <= _HASHED_BYTES:
        try:
            return tuple(compute_manifest(folder, state).files.values())
        except (FormatError, UsageError):  # it holds links, or is being written: its names and sizes are still true
            pass
    return tuple(ManifestFile(name, size_bytes, "", ()) for name, size_bytes in sizes.items())


def _card(data: bytes) -> Card:
    """The card, whatever it is: one that breaks the rules is still a text for people."""
    try:
        return cards.read_card(data)
    except FormatError:
        return Card(body=data.decode("utf-8", "replace"))
