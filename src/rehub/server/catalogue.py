"""The catalogue: which models and versions a folder holds, and which of them a URL may name."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator
from pathlib import Path

from rehub.archive.members import members
from rehub.cache import layout
from rehub.errors import FormatError, NotFoundError

MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")
"""A numeric folder becomes a version when it holds one of these."""

# No leading zeros: each version has one URL. The length keeps hostile numbers away from int().
_VERSION = re.compile(r"0|[1-9][0-9]{0,17}")
# No backslash or colon (Windows would read them as separator and drive), no control characters, nothing hidden.
_SEGMENT = re.compile(r"[^./\\:\x00-\x1f\x7f][^/\\:\x00-\x1f\x7f]{0,254}")


@dataclasses.dataclass(frozen=True)
class Model:
    """One model.

    Attributes:
        name: ``PUBLISHER/MODEL``, perhaps with more segments.
        versions: Its visible versions in rising order; never empty.
    """

    name: str
    versions: tuple[int, ...]

    @property
    def newest(self) -> int:
        """The highest version."""
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
        found = (self.find("/".join(parts)) for parts in _folders(self._root, ()))
        return sorted((model for model in found if model), key=lambda model: model.name)

    def strays(self) -> list[str]:
        """Returns where models lie that have no URL, because their folders are not PUBLISHER/MODEL/VERSION, sorted.

        The folder itself is ``.``.
        """
        shown = {f"{model.name}/{version}" for model in self.models() for version in model.versions}
        folders = (path.parent for name in MODEL_FILES for path in self._root.rglob(name))
        return sorted({folder.relative_to(self._root).as_posix() for folder in folders} - shown)

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
        numbers = (int(entry) for entry in _subfolders(folder) if _VERSION.fullmatch(entry))
        versions = tuple(sorted(number for number in numbers if self.folder(name, number)))
        return Model(name, versions) if versions else None

    def folder(self, name: str, version: int) -> Path | None:
        """Returns the folder of one version, or None when it does not exist or is not visible."""
        place = self._place(name)
        folder = self._inside(f"{place.relative_to(self._root).as_posix()}/{version}") if place else None
        return folder if folder and any((folder / file).is_file() for file in MODEL_FILES) else None

    def _place(self, name: str) -> Path | None:
        """Returns the folder of a model; a cache folder has another one for a name with capitals."""
        host, *names = name.split("/")
        cached = "/".join([host, *layout.in_small(names)]) if names else name
        return (self._inside(cached) if cached != name else None) or self._inside(name)

    def _inside(self, path: str) -> Path | None:
        """Returns the real folder behind a path below the root; None for anything that is not one."""
        if not all(_SEGMENT.fullmatch(segment) for segment in path.split("/")):
            return None
        try:
            folder = (self._root / path).resolve(strict=True)
        except (OSError, ValueError, RuntimeError):  # no such path, a name too long or not encodable, a loop of links
            return None
        return folder if folder.is_dir() and folder.is_relative_to(self._root) else None


def parse_address(path: str) -> Address | None:
    """Reads the decoded path of a URL; None when no model can have it."""
    segments = path.strip("/").split("/")
    if not all(_SEGMENT.fullmatch(segment) for segment in segments):
        return None
    if len(segments) > 1 and _VERSION.fullmatch(segments[-1]):
        return Address("/".join(segments[:-1]), int(segments[-1]))
    return Address("/".join(segments), None)


def _folders(folder: Path, parts: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yields the path of every folder below that is not a model's own."""
    for name in _subfolders(folder):
        path = folder / name
        # What a link leads to is listed at its real place; links may also run in circles.
        if path.is_symlink() or any((path / file).is_file() for file in MODEL_FILES):
            continue
        yield (*parts, name)
        yield from _folders(path, (*parts, name))


def _subfolders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if _SEGMENT.fullmatch(entry.name) and _is_folder(entry))
    except OSError:  # unreadable, or gone meanwhile: nothing to show
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False
