"""Texts with labels in the lines of a table."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from rehub.errors import TrainingError
from rehub.train.examples import Examples, labelled

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_FIELD_LIMIT = 1 << 24


def read_table(file: Path, text_column: str, label_column: str) -> tuple[Examples, dict[str, str]]:
    """Reads a table whose first line has the names of the columns.

    Args:
        file: ``.csv`` or ``.tsv``, in UTF-8.
        text_column: The name of the column of texts.
        label_column: That of labels; blanks around them are left out.

    Returns:
        The examples, those with empty texts among them; and what is wrong with lines, by what the line is called.

    Raises:
        TrainingError: If the file cannot be read, has other columns, or a line without a label.
    """
    if file.suffix.lower() not in _SEPARATORS:
        raise TrainingError(
            f"'{file}' is no table that is read here.",
            hint="Name a .csv or a .tsv file, with the names of the columns in its first line.",
            path=str(file),
        )
    try:
        rows = list(_rows(file, text_column, label_column))
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise TrainingError(
            f"'{file}' cannot be read: {error}.", hint="Write the file anew, in UTF-8.", path=str(file)
        ) from error
    unlabelled = [place for place, _, label in rows if not label]
    if unlabelled:
        raise TrainingError(
            f"'{file}' has lines without a label, {len(unlabelled)} in all; the first is {unlabelled[0]}.",
            hint=f"Write one into the column {label_column!r}, or take these lines away.",
            path=str(file),
            broken=tuple(unlabelled),
        )
    places, texts, labels = ([row[number] for row in rows] for number in range(3))
    examples = labelled(str(file), texts, places, labels)
    return examples, {place: "it has no text" for place, text, _ in rows if not text.strip()}


def _rows(file: Path, text_column: str, label_column: str) -> Iterator[tuple[str, str, str]]:
    csv.field_size_limit(_FIELD_LIMIT)
    with file.open(encoding="utf-8-sig", newline="") as opened:
        table = csv.DictReader(opened, delimiter=_SEPARATORS[file.suffix.lower()], strict=True)
        headings = table.fieldnames or ()
        for column in (text_column, label_column):
            if column not in headings:
                raise TrainingError(
                    f"'{file}' has no column {column!r}; it has {', '.join(map(repr, headings)) or 'none'}.",
                    hint="Name the columns by --text-column and --label-column.",
                    path=str(file),
                )
        for row in table:
            yield f"line {table.line_num}", row[text_column] or "", (row[label_column] or "").strip()
