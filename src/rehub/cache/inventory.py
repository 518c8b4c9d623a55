"""What a cache holds: models, notes of the newest versions, and what killed downloads left. Nothing is changed.

A model counts as whole here as it does for `Store.find`: all files are there, each of its size. Their contents are read
by `rehub.cache.verification`.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

from rehub.cache import layout, legacy
from rehub.errors import CacheError, FormatError
from rehub.formats.record import Latest, Record, read_latest, read_record

Origin = Literal["rehub", "tensorflow_hub", "unknown"]

_MODEL_NAMES = frozenset({"saved_model.pb", "saved_model.pbtxt", "tfhub_module.pb", "variables", "assets"})


@dataclasses.dataclass(frozen=True)
class Damage:
    """What is wrong with a file of a model.

    Attributes:
        file: Its name in the model folder, with ``/``; empty for the model as a whole.
        what: What is wrong, such as ``missing``.
    """

    file: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}" if self.file else self.what


@dataclasses.dataclass(frozen=True)
class Entry:
    """One model.

    Attributes:
        handle: The URL by which it was fetched; its folder where nothing tells the URL.
        origin: Who fetched it. Unknown is a folder of a model beside which there is neither record nor manifest: a
            cleaner took that, or somebody put the folder there. It is never used.
        folder: Its folder, existing or not.
        leaf: The folder relative to the cache folder; None for a model that tensorflow_hub left.
        record: What was noted when it was fetched; None if that is lost, or was never noted.
        size_bytes: Of its files.
        time_s: When it was fetched, in seconds since 1970; None if nothing tells it.
        damages: What is missing or cut short; empty when it is whole.
    """

    handle: str
    origin: Origin
    folder: Path
    leaf: PurePosixPath | None
    record: Record | None
    size_bytes: int
    time_s: float | None
    damages: tuple[Damage, ...]


@dataclasses.dataclass(frozen=True)
class Leftover:
    """A file or folder of a download that is running, or was killed."""

    path: Path
    size_bytes: int


@dataclasses.dataclass(frozen=True)
class Inventory:
    """What a cache holds.

    Attributes:
        entries: The models, by handle; those of tensorflow_hub come last.
        pointers: Folder, relative to the cache folder, to the note there of what an unversioned handle stands for;
            None if the note cannot be read.
        leftovers: What is in the staging folder.
    """

    entries: tuple[Entry, ...]
    pointers: dict[PurePosixPath, Latest | None]
    leftovers: tuple[Leftover, ...]

    @property
    def size_bytes(self) -> int:
        """Of all models and leftovers."""
        return sum(entry.size_bytes for entry in self.entries) + sum(left.size_bytes for left in self.leftovers)


def take(root: Path, legacy_roots: tuple[Path, ...] = ()) -> Inventory:
    """Looks through a cache.

    Args:
        root: The cache folder; one that does not exist is empty.
        legacy_roots: Folders where tensorflow_hub may have left models. Outside the cache folder only those that
            belong to this user count.

    Raises:
        CacheError: If a folder of the cache may not be read.
    """
    entries: list[Entry] = []
    pointers: dict[PurePosixPath, Latest | None] = {}
    try:
        _walk(root, PurePosixPath(), entries, pointers)
        leftovers = tuple(
            Leftover(path, sum(_sizes(path).values()) if path.is_dir() else path.stat().st_size)
            for path in _children(root / layout.STAGING)
        )
    except OSError as error:
        raise CacheError(
            f"the cache folder {root} cannot be read: {error.strerror or error} ({error.filename}).",
            hint="Make it readable, or set TFHUB_CACHE_DIR to another folder.",
            path=str(root),
        ) from error
    old = [_legacy(*found) for place in legacy_roots for found in legacy.every(place, must_own=place != root)]
    entries.sort(key=lambda entry: entry.handle)
    old.sort(key=lambda entry: entry.handle)
    return Inventory((*entries, *old), pointers, leftovers)


def _walk(
    root: Path, folder: PurePosixPath, entries: list[Entry], pointers: dict[PurePosixPath, Latest | None]
) -> None:
    children = _children(root / folder)
    names = {child.name for child in children}
    if folder.parts and names & _MODEL_NAMES:
        origin: Origin = "rehub" if (root / layout.manifest(folder)).is_file() else "unknown"
        entries.append(_without_record(root, folder, origin, "no record tells what it is"))
        return
    recorded = {name.removesuffix(layout.RECORD_SUFFIX) for name in names if name.endswith(layout.RECORD_SUFFIX)}
    for child in children:
        if child.name == layout.POINTER_NAME:
            pointers[folder] = _pointer(child)
        elif (leaf := layout.recorded(folder / child.name)) is not None:
            entries.append(_recorded(root, leaf))
        elif child.name.endswith(layout.MANIFEST_SUFFIX):
            name = child.name.removesuffix(layout.MANIFEST_SUFFIX)
            if not names & {name, name + layout.RECORD_SUFFIX}:
                entries.append(_without_record(root, folder / name, "rehub", "only its manifest is left"))
        elif (
            child.name not in recorded and child.is_dir() and not child.is_symlink() and not _is_special(folder, child)
        ):
            _walk(root, folder / child.name, entries, pointers)


def _is_special(folder: PurePosixPath, child: Path) -> bool:
    """Whether this is a folder for staging or locks, or one of tensorflow_hub."""
    return not folder.parts and (child.name.startswith(".") or legacy.is_name(child.name))


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _recorded(root: Path, leaf: PurePosixPath) -> Entry:
    try:
        record = read_record((root / layout.record(leaf)).read_bytes())
    except (OSError, FormatError):
        return _without_record(root, leaf, "rehub", "its record is damaged")
    folder = root / leaf
    sizes = _sizes(folder)
    damages = tuple(_differences(record, sizes))
    return Entry(record.location, "rehub", folder, leaf, record, sum(sizes.values()), record.time_s, damages)


def _differences(record: Record, sizes: dict[str, int]) -> Iterator[Damage]:
    for name, (size_bytes, _) in record.files.items():
        if name not in sizes:
            yield Damage(name, "missing")
        elif sizes[name] != size_bytes:
            yield Damage(name, f"has {sizes[name]} bytes instead of {size_bytes}")


def _without_record(root: Path, leaf: PurePosixPath, origin: Origin, what: str) -> Entry:
    folder = root / leaf
    return Entry(str(folder), origin, folder, leaf, None, sum(_sizes(folder).values()), None, (Damage("", what),))


def _legacy(handle: str, found: legacy.LegacyEntry) -> Entry:
    from rehub.model.model_info import missing_files  # reads protobufs, which few caches need

    try:
        damages = tuple(Damage(name, "missing or cut short") for name in missing_files(found.folder))
    except (OSError, FormatError) as error:
        damages = (Damage("", str(error)),)
    size_bytes = sum(_sizes(found.folder).values())
    name = handle or str(found.folder)
    return Entry(name, "tensorflow_hub", found.folder, None, None, size_bytes, found.time_s, damages)


def _pointer(path: Path) -> Latest | None:
    try:
        return read_latest(path.read_bytes())
    except (OSError, FormatError):
        return None


def _sizes(folder: Path) -> dict[str, int]:
    """Returns the size of each file below a folder, by its name with ``/``; what vanishes meanwhile is not there."""
    sizes = {}
    for place, _, names in os.walk(folder):
        inside = Path(place).relative_to(folder)
        for name in names:
            try:
                sizes[(inside / name).as_posix()] = Path(place, name).stat().st_size
            except OSError:
                continue
    return sizes
