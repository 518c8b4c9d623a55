"""What a prediction came to."""

from __future__ import annotations

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Prediction:
    """A data set on which a model was run.

    Attributes:
        output: The folder of Parquet files, one for each part of the data.
        handle: The model's; a path is absolute.
        model_sha256: The digest of the model's files, as pins have it; empty where only TensorFlow can read them.
        rows: How many rows the model was run on, those of earlier runs included.
        failed: How many rows failed.
        parts: How many files there are.
        reused: How many of them an earlier run had written.
    """

    output: Path
    handle: str
    model_sha256: str
    rows: int
    failed: int
    parts: int
    reused: int

    @property
    def failures(self) -> Path | None:
        """The folder of Parquet files with the rows that failed and their errors; None if none did."""
        return self.output / FAILURES if self.failed else None


FAILURES = "_failed"
"""The name of the folder beside the parts. Readers of Parquet folders leave out what begins with an underscore."""
