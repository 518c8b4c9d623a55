"""Deleting what belongs to no version, and to nobody who is still at it.

That is: uploads that nobody went on with, files of versions that were not made because somebody ended or another
publisher was first, files of versions that were removed, and what a process that was killed was writing.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from rehub.errors import FormatError
from rehub.server import names
from rehub.server.catalogue import MODEL_FILES
from rehub.server.library import Library, PublishedVersion
from rehub.storage.folder import TEMPORARY
from rehub.storage.interface import ObjectInfo, ObjectStore

KEEP_S = 86_400.0
"""How old something has to be at least that nobody is at any more."""

_UPLOAD = re.compile(
    rf"(?P<folder>{re.escape(names.UPLOADS_PREFIX)}.+?/[0-9a-f]{{32}}/)(?:manifest\.json|blocks/[0-9a-f]{{64}})"
)
_VERSION = re.compile(r"(?P<folder>.+?/(?:0|[1-9][0-9]{0,17})/).+")
_CONTENT = re.compile(r"(?P<folder>[0-9a-f]{32}/)(?:files/.+|model\.tar\.gz|card-[0-9a-f]{64}\.md)")


@dataclasses.dataclass(frozen=True)
class Collected:
    """What was deleted.

    Attributes:
        keys: The objects, in the order in which they were found.
        size_bytes: Of all of them.
    """

    keys: tuple[str, ...]
    size_bytes: int


@dataclasses.dataclass(frozen=True)
class _LeftOver:
    """Objects that belong together and to no version.

    Attributes:
        objects: What they are.
        is_removed: Whether they are of a version that was removed, so that nobody can be at them.
        record_key: What must not exist when they are deleted; empty for nothing.
    """

    objects: list[ObjectInfo]
    is_removed: bool = False
    record_key: str = ""


def collect(
    library: Library, *, keep_s: float = KEEP_S, now: datetime.datetime | None = None, is_dry: bool = False
) -> Collected:
    """Deletes what is left over; servers may run meanwhile.

    What is younger than ``keep_s``, by the clock of the store, may be of somebody who is at it, and is left alone with
    all that belongs to it. The files of versions that were removed go in any case.

    Args:
        library: The hub's.
        keep_s: That age in seconds.
        now: The time, with a time zone; None for what the clock says.
        is_dry: Whether only to tell what would be deleted.

    Raises:
        StoreError: If the store fails; what is still left over goes next time.
    """
    limit = (now or datetime.datetime.now(datetime.timezone.utc)) - datetime.timedelta(seconds=keep_s)
    gone = [
        info
        for left in _left_over(library)
        if left.is_removed or max(info.modified for info in left.objects) < limit
        for info in (left.objects if is_dry else _delete(library.store, left, limit))
    ]
    return Collected(tuple(info.key for info in gone), sum(info.size_bytes for info in gone))


def _left_over(library: Library) -> Iterator[_LeftOver]:
    store = library.store
    for info in list(store.list(TEMPORARY)):
        yield _LeftOver([info])
    for group in _groups(store.list(names.UPLOADS_PREFIX), _UPLOAD).values():
        yield _LeftOver(group)
    for publisher in store.folders(""):
        if names.is_servable(publisher):
            for folder, group in _groups(store.list(f"{publisher}/"), _VERSION).items():
                yield from _of_version(library, folder, group)


def _of_version(library: Library, folder: str, objects: list[ObjectInfo]) -> Iterator[_LeftOver]:
    """Gives what is left over in the folder of a version.

    Args:
        library: The hub's.
        folder: The prefix of the version, with ``/`` at its end.
        objects: All that is there.
    """
    record, tombstone = f"{folder}{names.RECORD}", f"{folder}{names.TOMBSTONE}"
    there = {info.key for info in objects}
    if tombstone in there:
        rest = [info for info in objects if info.key not in (record, tombstone)]
        if rest:
            yield _LeftOver(rest, is_removed=True)
        return
    if any(f"{folder}{file}" in there for file in MODEL_FILES):
        return  # a plain version, whatever its files are
    groups = _groups(objects, _CONTENT, folder)
    if record not in there:
        yield from (_LeftOver(group, record_key=record) for group in groups.values())
    elif len(groups) > 1:
        name, _, number = folder.rstrip("/").rpartition("/")
        try:
            version = library.version(name, int(number))
        except FormatError:  # a damaged record does not tell which files are its own
            return
        if isinstance(version, PublishedVersion):
            yield from (_LeftOver(group) for prefix, group in groups.items() if prefix != version.prefix)


def _groups(found: Iterable[ObjectInfo], pattern: re.Pattern[str], prefix: str = "") -> dict[str, list[ObjectInfo]]:
    """Returns the objects whose keys match after a prefix, by prefix and folder."""
    groups: defaultdict[str, list[ObjectInfo]] = defaultdict(list)
    for info in found:
        if match := pattern.fullmatch(info.key, len(prefix)):
            groups[f"{prefix}{match['folder']}"].append(info)
    return groups


def _delete(store: ObjectStore, left: _LeftOver, limit: datetime.datetime) -> Iterator[ObjectInfo]:
    """Deletes objects, and gives those that are gone; ends when somebody is at them again."""
    if left.record_key and store.info(left.record_key) is not None:
        return
    for info in left.objects:
        now = store.info(info.key)
        if now is not None and now.modified >= limit and not left.is_removed:
            return
        store.delete(info.key)
        yield info
