"""Examples in files: texts in a table, arrays, or images in a folder for each class."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rehub.comparison.images import ImageFiles
from rehub.errors import ComparisonError, FormatError
from rehub.formats import array_file

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_IMAGES = (".jpeg", ".jpg", ".png")


def read_data(path: Path, text_column: str = "text", label_column: str = "label") -> tuple[Any, Any]:
    """Reads ``(inputs, labels)`` as `rehub.compare` takes them.

    Args:
        path: A ``.csv`` or ``.tsv`` file with a heading, a ``.npz`` file with the arrays ``x`` and ``y``, or a folder
            with a folder of PNG or JPEG images for each class.
        text_column: Of a table: the heading of the inputs.
        label_column: Of a table: the heading of the labels. They are integers or numbers if all are.

    Raises:
        ComparisonError: If there is nothing of that kind, or a table or array is missing or damaged.
    """
    try:
        if path.is_dir():
            return _read_folder(path)
        if path.suffix in _SEPARATORS:
            return _read_table(path, text_column, label_column)
        if path.suffix == ".npz":
            return _read_arrays(path)
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise ComparisonError(f"'{path}' cannot be read: {error}.", hint="Write the file anew.") from error
    raise ComparisonError(
        f"'{path}' is none of the files that are read here.",
        hint="Name a .csv or .tsv file with a heading, a .npz file with the arrays x and y, or a folder with a folder "
        "of images for each class.",
    )


def _read_table(path: Path, text_column: str, label_column: str) -> tuple[list[str], NDArray[Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = csv.DictReader(file, delimiter=_SEPARATORS[path.suffix])
        headings = table.fieldnames or ()
        for column in (text_column, label_column):
            if column not in headings:
                raise ComparisonError(
                    f"'{path}' has no column {column!r}; it has {', '.join(map(repr, headings)) or 'none'}.",
                    hint="Name the columns by --text-column and --label-column.",
                )
        texts, labels = [], []
        for row in table:
            if row[text_column] is None or row[label_column] is None:
                raise ComparisonError(
                    f"'{path}', line {table.line_num}, has fewer columns than the heading.", hint="Complete the line."
                )
            texts.append(row[text_column])
            labels.append(row[label_column])
    return texts, _as_numbers(labels)


def _as_numbers(labels: Sequence[str]) -> NDArray[Any]:
    for kind in (int, float):
        try:
            return np.array([kind(label) for label in labels])
        except (ValueError, OverflowError):
            continue
    return np.array(labels)


def _read_arrays(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    try:
        arrays = array_file.read(path)
    except FormatError as error:
        raise ComparisonError(error.message, hint=error.hint) from error
    for name in ("x", "y"):
        if name not in arrays:
            raise ComparisonError(
                f"'{path}' has no array {name!r}; it has {', '.join(map(repr, arrays)) or 'none'}.",
                hint="Write it by numpy.savez(path, x=inputs, y=labels).",
            )
    return arrays["x"], arrays["y"]


def _read_folder(path: Path) -> tuple[ImageFiles, list[str]]:
    files = sorted(
        file for kind in path.iterdir() if kind.is_dir() for file in kind.iterdir() if file.suffix.lower() in _IMAGES
    )
    if not files:
        raise ComparisonError(
            f"'{path}' has no images: no file PATH/CLASS/NAME that ends in {', '.join(_IMAGES)}.",
            hint="Put the images of each class into a folder of its own, named as the class.",
        )
    return ImageFiles(files), [file.parent.name for file in files]
