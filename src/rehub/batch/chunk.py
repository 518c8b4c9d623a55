"""Some rows as they were read, and those beside them that cannot be."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Unreadable:
    """A row that is not what the others are.

    Attributes:
        row: Its number in the file; None if that is unknown.
        raw: Its bytes, as far as they are known.
        error: What is wrong with it.
    """

    row: int | None
    raw: bytes
    error: str


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Rows of a fragment.

    Attributes:
        file: The name of the one in the data set that they are from; empty where each has its own.
        columns: A ``pyarrow.RecordBatch``.
        rows: The number of each in its file; None where that is unknown.
        unreadable: Rows that are missing in it.
    """

    file: str
    columns: Any
    rows: tuple[int, ...] | None
    unreadable: tuple[Unreadable, ...] = ()
