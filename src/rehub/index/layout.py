"""What an index is on the disk: a folder with the vectors, the rows that they are of, and facts."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from pathlib import Path
from typing import Any, Literal, get_args

from rehub.errors import DataError, DependencyError

Metric = Literal["cos", "ip", "l2sq"]
"""Cosine, inner product, or squared Euclidean distance."""

VECTORS, ROWS, FACTS = "vectors.usearch", "rows.parquet", "index.json"
_FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Facts:
    """What an index is of.

    Attributes:
        handle: The model that made the vectors; empty if that is not known.
        model_sha256: The digest of its files.
        signature: Of the model.
        output_key: Of the signature; empty for the only one.
        image_size: What images were brought to; empty for what the model wants.
        column: The column of the vectors.
        metric: How near is measured.
        size: How many vectors there are.
        dimensions: How many numbers each has.
    """

    handle: str
    model_sha256: str
    signature: str | None
    output_key: str
    image_size: tuple[int, ...]
    column: str
    metric: Metric
    size: int
    dimensions: int


def check_installed() -> None:
    """Raises a DependencyError if what this needs is not installed."""
    for package in ("usearch", "pyarrow"):
        if importlib.util.find_spec(package) is None:
            raise DependencyError(
                f"Indexes need {package}, which is not installed.",
                hint="Run: pip install 'rehub[index]'",
                package=package,
            )


def check_metric(metric: str) -> None:
    """Raises a DataError if there is no such metric."""
    if metric not in get_args(Metric):
        raise DataError(f"metric is {metric!r}.", hint=f"Pass one of {', '.join(get_args(Metric))}.")


def write_facts(folder: Path, facts: Facts) -> None:
    """Writes the facts of an index into its folder."""
    value = {"format": _FORMAT, **dataclasses.asdict(facts)}
    (folder / FACTS).write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def read_facts(folder: Path) -> Facts:
    """Reads the facts of an index.

    Raises:
        DataError: If there is no index, or a damaged one.
    """
    try:
        value: dict[str, Any] = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        if value.pop("format") != _FORMAT:
            raise DataError(f"'{folder}' is an index of a newer rehub.", hint="Update rehub.", path=str(folder))
        return Facts(**{**value, "image_size": tuple(value["image_size"])})
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"'{folder}' is no index: {type(error).__name__} in {FACTS}.",
            hint="Name a folder that 'rehub index build' made.",
            path=str(folder),
        ) from error
