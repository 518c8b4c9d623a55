"""Blocks that a publisher has published before: what a new version shares with them is not sent again."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator

from rehub.errors import FormatError, NotFoundError
from rehub.server.library import Library, PublishedVersion
from rehub.server.names import publisher_of

_RECORDS_LIMIT = 200


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a block lies.

    Attributes:
        key: The object that has it.
        start: Its first byte there.
        size_bytes: Its size.
    """

    key: str
    start: int
    size_bytes: int


def find_blocks(library: Library, name: str, wanted: Collection[str]) -> dict[str, Place]:
    """Finds blocks in the versions of a model, and then of its publisher's other models.

    Those of other publishers are left alone, so that nobody learns, or gets, what others have.

    Args:
        library: The hub's.
        name: The model.
        wanted: The sha256 of each block.

    Returns:
        The place of each that was found, by its sha256. Who reads it checks it.

    Raises:
        StoreError: If the store fails.
    """
    found: dict[str, Place] = {}
    missing = set(wanted)
    for count, version in enumerate(_versions(library, name)):
        if not missing or count == _RECORDS_LIMIT:
            break
        block_bytes = version.record.manifest.block_bytes
        for file in version.record.manifest.files:
            for number, sha256 in enumerate(file.blocks):
                if sha256 in missing:
                    missing.remove(sha256)
                    start = number * block_bytes
                    size_bytes = min(block_bytes, file.size_bytes - start)
                    found[sha256] = Place(version.file_key(file.name), start, size_bytes)
    return found


def read_block(library: Library, place: Place) -> bytes | None:
    """Returns a block of a version; None if that was removed meanwhile.

    Raises:
        StoreError: If the store fails.
    """
    try:
        return b"".join(library.store.stream(place.key, place.start, place.size_bytes))
    except NotFoundError:
        return None


def _versions(library: Library, name: str) -> Iterator[PublishedVersion]:
    """Gives the versions that are most alike first: the newest of the model, then the newest of each other one."""
    own = library.find(name)
    others = [m for m in library.models() if m.name != name and publisher_of(m.name) == publisher_of(name)]
    places = [(0, name, number) for number in reversed(own.versions)] if own else []
    places += sorted((age, m.name, number) for m in others for age, number in enumerate(reversed(m.versions)))
    for _, model_name, number in places:
        try:
            version = library.version(model_name, number)
        except FormatError:  # a damaged record; its blocks are sent again
            continue
        if isinstance(version, PublishedVersion):
            yield version
