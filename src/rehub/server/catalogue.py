"""The catalogue: which models lie in a folder as they were exported, and which of them a URL may name."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

from rehub.archive.members import members
from rehub.cache import layout
from rehub.errors import FormatError, NotFoundError
from rehub.server import names

MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")
"""A numeric folder becomes a version when it holds one of these."""


@dataclasses.dataclass(frozen=True)
class Model:
    """One model.

    Attributes:
        name: ``PUBLISHER/MODEL``, perhaps with more segments.
        versions: Its visible versions in rising order; empty only if all were removed.
        removed: Those that an operator removed, in rising order.
    """

    name: str
    versions: tuple[int, ...]
    removed: tuple[int, ...] = ()

    @property
    def newest(self) -> int:
        """The highest of its visible versions.

        Raises:
            IndexError: If there is none.
        """
        return self.versions[-1]


@dataclasses.dataclass(frozen=True)
class Address:
    """What the path of a URL names.

    Attributes:
        name: The model, existing or not.
        version: The version at its end; None for an unversioned URL.
    """

    name: str
    version: int | None


class Catalogue:
    """A folder of models, laid out as ``PUBLISHER/MODEL/VERSION/``. It is read anew at every question.

    What was published through a hub lies in the same folder; `rehub.server.library` knows it.

    Args:
        root: The folder.

    Raises:
        NotFoundError: If it is not a folder.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise NotFoundError(
                f"{str(root)!r} is not a folder.",
                hint="Name the folder that holds PUBLISHER/MODEL/VERSION/saved_model.pb.",
                handle=str(root),
            )
        self._root = root.resolve()

    def models(self) -> list[Model]:
        """Returns every model, by name; those behind links are served, but not listed."""
        return [model for model in map(self.find, self.names()) if model]

    def names(self) -> list[str]:
        """Returns the names of all folders that may be models, sorted."""
        return sorted("/".join(parts) for parts in _folders(self._root, ()))

    def strays(self) -> list[str]:
        """Returns where models lie that have no URL, because their folders are not PUBLISHER/MODEL/VERSION, sorted.

        The folder itself is ``.``.
        """
        shown = {f"{model.name}/{version}" for model in self.models() for version in model.versions}
        folders = (path.parent for name in MODEL_FILES for path in self._root.rglob(name))
        strays = {folder.relative_to(self._root).as_posix() for folder in folders} - shown
        return sorted(stray for stray in strays if not self._is_of_hub(stray))

    def flaws(self) -> list[tuple[str, str]]:
        """Returns which listed versions cannot be served, as ``PUBLISHER/MODEL/VERSION``, and why."""
        found = []
        for model in self.models():
            for version in model.versions:
                folder = self.folder(model.name, version)
                try:
                    for _ in members(folder) if folder else ():
                        pass
                except FormatError as error:
                    found.append((f"{model.name}/{version}", str(error)))
                except OSError:  # unreadable, or gone meanwhile: whoever asks is told
                    continue
        return found

    def find(self, name: str) -> Model | None:
        """Returns the model of a name, or None when there is no visible version of it."""
        folder = self._place(name)
        if folder is None:
            return None
        numbers = (int(entry) for entry in _subfolders(folder) if names.VERSION.fullmatch(entry))
        versions = tuple(sorted(number for number in numbers if self.folder(name, number)))
        return Model(name, versions) if versions else None

    def folder(self, name: str, version: int) -> Path | None:
        """Returns the folder of one version, or None when it does not exist or is not visible."""
        place = self._place(name)
        folder = self._inside(f"{place.relative_to(self._root).as_posix()}/{version}") if place else None
        if folder is None or (folder / names.TOMBSTONE).is_file():
            return None
        return folder if _has_model(folder) else None

    def _is_of_hub(self, path: str) -> bool:
        """Whether something in the folder belongs to a hub: an upload, or a version that was published or removed."""
        segments = path.split("/")
        ends = (depth for depth, segment in enumerate(segments, 1) if names.VERSION.fullmatch(segment))
        is_of_version = any(_is_published(self._root.joinpath(*segments[:end])) for end in ends)
        return segments[0] == names.RESERVED or names.is_inside(path) or is_of_version

    def _place(self, name: str) -> Path | None:
        """Returns the folder of a model; a cache folder has another one for a name with capitals."""
        host, *rest = name.split("/")
        cached = "/".join([host, *layout.in_small(rest)]) if rest else name
        return (self._inside(cached) if cached != name else None) or self._inside(name)

    def _inside(self, path: str) -> Path | None:
        """Returns the real folder behind a path below the root; None for anything that is not one."""
        if not names.is_servable(path):
            return None
        try:
            folder = (self._root / path).resolve(strict=True)
        except (OSError, ValueError, RuntimeError):  # no such path, a name too long or not encodable, a loop of links
            return None
        return folder if folder.is_dir() and folder.is_relative_to(self._root) else None


def parse_address(path: str) -> Address | None:
    """Reads the decoded path of a URL; None when no model can have it."""
    path = path.strip("/")
    if not names.is_servable(path):
        return None
    segments = path.split("/")
    if len(segments) > 1 and names.VERSION.fullmatch(segments[-1]):
        return Address("/".join(segments[:-1]), int(segments[-1]))
    return Address("/".join(segments), None)


def _folders(folder: Path, parts: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yields the path of every folder below that is not a model's own."""
    for name in _subfolders(folder):
        path = folder / name
        # What a link leads to is listed at its real place; links may also run in circles.
        if path.is_symlink() or _has_model(path) or (names.VERSION.fullmatch(name) and _is_published(path)):
            continue
        if not parts and name == names.RESERVED:
            continue
        yield (*parts, name)
        yield from _folders(path, (*parts, name))


def _has_model(folder: Path) -> bool:
    return any((folder / file).is_file() for file in MODEL_FILES)


def _is_published(folder: Path) -> bool:
    return any((folder / file).is_file() for file in (names.RECORD, names.TOMBSTONE))


def _subfolders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if names.SEGMENT.fullmatch(entry.name) and _is_folder(entry))
    except OSError:  # unreadable, or gone meanwhile: nothing to show
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False
