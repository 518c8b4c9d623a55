"""What a folder holds that is to be published: only files that whoever fetches them will take."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

from rehub.errors import FormatError
from rehub.file_names import FileNames, is_note

_HINT = "Rename it, also where the model refers to it, for instance as an asset: no client would take it."


@dataclasses.dataclass(frozen=True)
class Member:
    """A file or a folder.

    Attributes:
        name: In the model folder, with ``/``.
        path: Where it is.
        is_folder: Whether it is a folder.
    """

    name: str
    path: Path
    is_folder: bool


def members(folder: Path) -> Iterator[Member]:
    """Gives all that a model folder holds, each folder before what is in it, sorted by name.

    Raises:
        FormatError: If there is something else than files and folders, or a name that clients refuse. It names the
            member by its place in the model folder.
    """
    return _below(folder, "", FileNames("the model", _HINT))


def _below(folder: Path, prefix: str, names: FileNames) -> Iterator[Member]:
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        name, is_folder = f"{prefix}{entry.name}", entry.is_dir(follow_symlinks=False)
        names.add(name, is_folder=is_folder)
        if not is_folder and not entry.is_file(follow_symlinks=False):
            raise FormatError(
                f"the model has something that is neither a file nor a folder (member {name!r}).",
                hint="Put a copy of the file there: models hold no links.",
                path=entry.path,
                member=name,
            )
        if is_note(name):
            raise FormatError(
                f"the model has a name that caches keep for themselves (member {name!r}).", hint=_HINT, member=name
            )
        yield Member(name, Path(entry.path), is_folder)
        if is_folder:
            yield from _below(Path(entry.path), f"{name}/", names)
