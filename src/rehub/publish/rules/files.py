"""Rules about the files of a model."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from rehub.errors import FormatError
from rehub.file_names import FileNames
from rehub.model import verification
from rehub.publish.rules.rule import Found, Rule
from rehub.publish.rules.subject import Subject

_LIMIT_BYTES = 64 << 30
"""What clients take at most, in archives and by manifests."""
_LARGE_BYTES = 2 << 30
_STRAY = re.compile(
    r"(\.|~)[^/]*|[^/]*(~|\.swp|\.bak|\.tmp|\.pyc)|__pycache__|events\.out\.tfevents\..*|Thumbs\.db|desktop\.ini|checkpoint"
)
_NOT_ON_WINDOWS = frozenset('<>"|?*')
"""Letters that clients take: only those on Windows cannot store the file."""
_AGAIN = "Export the model again, or copy the whole folder."


def _missing(subject: Subject) -> Iterator[Found]:
    for name in subject.info.missing_files:
        yield Found(name, "the model needs this file, which is missing or cut short", _AGAIN)


def _damaged(subject: Subject) -> Iterator[Found]:
    missing = set(subject.info.missing_files)
    for file, what in verification.damages(subject.info.folder):
        if file not in missing:
            yield Found(file, what, _AGAIN)


def _names(subject: Subject) -> Iterator[Found]:
    names = FileNames("the model")
    for path, is_folder in _everything(subject.info.folder):
        name = path.relative_to(subject.info.folder).as_posix()
        problem = "Windows has no files with such a name" if _NOT_ON_WINDOWS.intersection(path.name) else ""
        try:
            names.add(name, is_folder=is_folder)
        except FormatError as error:
            problem = error.message.rstrip(".")
        if problem:
            yield Found(ascii(name)[1:-1], problem, "Rename the file, and export the model again if it reads it.")


def _links(subject: Subject) -> Iterator[Found]:
    for path, is_folder in _everything(subject.info.folder):
        if path.is_symlink() or not (is_folder or path.is_file()):
            name = path.relative_to(subject.info.folder).as_posix()
            kind = "a link" if path.is_symlink() else "neither a file nor a folder"
            yield Found(name, f"it is {kind}, which archives of models do not hold", "Put a copy of the file there.")


def _too_large(subject: Subject) -> Iterator[Found]:
    size_bytes = subject.info.size_bytes
    if size_bytes > _LIMIT_BYTES:
        yield Found(
            "all files",
            f"they have {size_bytes:,} bytes, and clients refuse more than {_LIMIT_BYTES:,}",
            "Split the model, or store its variables in fewer bits.",
        )


def _large(subject: Subject) -> Iterator[Found]:
    size_bytes = subject.info.size_bytes
    if _LARGE_BYTES < size_bytes <= _LIMIT_BYTES:
        yield Found(
            "all files",
            f"they have {size_bytes:,} bytes, which take long to download and much memory to load",
            "Leave out what is not needed to reuse the model; offer a smaller variant, too.",
        )


def _stray(subject: Subject) -> Iterator[Found]:
    for path, _ in _everything(subject.info.folder):
        if _STRAY.fullmatch(path.name):
            name = path.relative_to(subject.info.folder).as_posix()
            yield Found(name, "it looks like no part of the model, and is published with it", "Delete it.")


def _everything(folder: Path) -> Iterator[tuple[Path, bool]]:
    """Files and folders below a folder, and whether each is a folder, by name; links are not followed."""
    for top, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted([*folders, *files]):
            path = Path(top, name)
            yield path, name in folders and not path.is_symlink()


RULES = (
    Rule("E102", "All files that the model needs are there, and not cut short.", _missing),
    Rule("E103", "The values of all variables are those that were saved.", _damaged),
    Rule("E104", "Every file has a name that every system can have.", _names),
    Rule("E105", "There are files and folders only, no links, devices or pipes.", _links),
    Rule("E106", "All files together have no more than 64 GiB.", _too_large),
    Rule("W107", "All files together have no more than 2 GiB.", _large),
    Rule("W108", "There are no files of editors, file managers, version control or TensorBoard.", _stray),
)
