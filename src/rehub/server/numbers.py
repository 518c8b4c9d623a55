"""The numbers of versions: which one a new version may have."""

from __future__ import annotations

from rehub.errors import ConflictError, FormatError
from rehub.server.library import Library, PublishedVersion, Removed


def next_free(library: Library, name: str) -> int:
    """Returns the number after all that a model has and had; 1 for a new model.

    Raises:
        StoreError: If the store fails.
    """
    library.forget(name)
    model = library.find(name)
    return max((*model.versions, *model.removed), default=0) + 1 if model else 1


def published_as(library: Library, name: str, version: int | None, content: str) -> int | None:
    """Returns the version of a model that has these files; None if there is none.

    Args:
        library: The hub's.
        name: The model.
        version: The version to look at; None for all, of which the highest counts.
        content: As `rehub.formats.version_record.content_of` names the files.

    Raises:
        StoreError: If the store fails.
    """
    model = library.find(name) if version is None else None
    for number in reversed(model.versions) if model else () if version is None else (version,):
        try:
            found = library.version(name, number)
        except FormatError:  # a damaged record says nothing of its files
            continue
        if isinstance(found, PublishedVersion) and found.record.content == content:
            return number
    return None


def check_free(library: Library, name: str, version: int) -> None:
    """Sees to it that a model never had a version.

    Raises:
        ConflictError: If it has, or had.
        StoreError: If the store fails.
    """
    library.forget(name, version)
    hint = "Publish another version, or leave the number out to get the next one that is free."
    try:
        found = library.version(name, version)
    except FormatError as error:
        raise ConflictError(f"version {version} of {name} exists, and its record is damaged.", hint=hint) from error
    if isinstance(found, Removed):
        raise ConflictError(f"version {version} of {name} was removed; its number is never used again.", hint=hint)
    if found is not None:
        raise ConflictError(f"version {version} of {name} exists with other files, and never changes.", hint=hint)
