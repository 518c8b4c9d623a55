"""Which files a data set is, and of which kind."""

from __future__ import annotations

import dataclasses
import glob
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from rehub.errors import DataError

Kind = Literal["parquet", "csv", "jsonl", "tfrecord", "images"]

_SUFFIXES: dict[str, Kind] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".tfrecord": "tfrecord",
    ".tfrecords": "tfrecord",
    ".tfrec": "tfrecord",
    ".jpg": "images",
    ".jpeg": "images",
    ".png": "images",
    ".gif": "images",
    ".bmp": "images",
}
_PACKED = ".gz"
_SHARD = re.compile(r"-\d+-of-\d+$")
_KNOWN = ".parquet, .csv, .tsv, .jsonl, .tfrecord (also .gz of these), .jpg, .png, .gif or .bmp"


@dataclasses.dataclass(frozen=True)
class Inputs:
    """The files of a data set, all of one kind.

    Attributes:
        kind: How to read them.
        root: The folder to which the names of files are relative.
        files: Sorted, absolute.
    """

    kind: Kind
    root: str
    files: tuple[str, ...]

    def name_of(self, file: str) -> str:
        """Returns the name of a file in the data set, with ``/``."""
        return Path(os.path.relpath(file, self.root)).as_posix()


def find(paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> Inputs:
    """Finds the files of a data set.

    Args:
        paths: A file; a folder, with what is below it except what begins with ``.`` or ``_``; a pattern such as
            ``data/*.parquet``; or several of these.

    Raises:
        DataError: If there is nothing, or files of several kinds.
    """
    listed = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    files: dict[str, Kind] = {}
    for path in listed:
        files |= _find(os.fspath(path))
    if not files:
        raise DataError("No input was named.", hint="Name a file, a folder or a pattern.")
    kinds = sorted(set(files.values()))
    if len(kinds) > 1:
        raise DataError(
            f"The input has files of several kinds: {', '.join(kinds)}.",
            hint="Name those of one kind, such as 'data/*.parquet'.",
        )
    only_folder = len(listed) == 1 and Path(listed[0]).is_dir()
    root = os.path.abspath(listed[0]) if only_folder else _common_folder(files)  # noqa: PTH100 - links are kept
    return Inputs(kinds[0], root, tuple(sorted(files)))


def _common_folder(files: Iterable[str]) -> str:
    return os.path.commonpath([os.path.dirname(file) for file in files])  # noqa: PTH120 - texts throughout


def _find(path: str) -> dict[str, Kind]:
    if "://" in path:
        raise DataError(
            f"'{path}' is not on this machine.",
            hint="Copy it to a folder; or pass a ray.data.Dataset, which Ray reads from buckets: see docs/batch.md.",
            path=path,
        )
    place = Path(path)
    if place.is_dir():
        found = _in_folder(place)
    elif place.is_file():
        kind = kind_of(place)
        if kind is None:
            raise DataError(
                f"'{path}' is of no kind that is read here.", hint=f"Its name has to end in {_KNOWN}.", path=path
            )
        return {os.path.abspath(path): kind}  # noqa: PTH100 - links are kept
    else:
        found = {}
        for each in glob.glob(path, recursive=True):  # noqa: PTH207 - the pattern may be absolute
            found |= _find(each)
        if not found:
            raise DataError(f"There is no file '{path}'.", hint="See that the path is right.", path=path)
    if not found:
        raise DataError(f"'{path}' has no file that is read here.", hint=f"Names have to end in {_KNOWN}.", path=path)
    return found


def _in_folder(folder: Path) -> dict[str, Kind]:
    found = {}
    for file in folder.rglob("*"):
        parts = file.relative_to(folder).parts
        kind = None if any(part.startswith((".", "_")) for part in parts) else kind_of(file)
        if kind is not None and file.is_file():
            found[os.path.abspath(file)] = kind  # noqa: PTH100 - links are kept
    return found


def kind_of(file: Path) -> Kind | None:
    """Returns of which kind a file is, by its name."""
    name = _SHARD.sub("", file.name.lower())
    return _SUFFIXES.get(Path(name.removesuffix(_PACKED)).suffix)


def is_packed(file: str) -> bool:
    """Whether a file is compressed as a whole, so that it can only be read from its beginning."""
    return file.lower().endswith(_PACKED)
