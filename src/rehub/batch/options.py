"""How a model is run on a data set."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from rehub.errors import DataError

Columns = Mapping[str, tuple[str, ...]]
"""The columns that each input of a model is made of; of the only input, if the name is empty."""

MOST_ROWS = 1024
BATCH_BYTES = 16 << 20


@dataclasses.dataclass(frozen=True)
class Options:
    """How a model is run.

    Attributes:
        signature: The signature to call; None for the object itself, or its only signature.
        output_keys: The outputs to keep; none for ``default``, or else all.
        columns: Which columns go where; those that are not named are found.
        batch_size: The most rows at once; None for as many as `BATCH_BYTES` of inputs, up to `MOST_ROWS`.
        image_size: Height and width of images, for models that take all sizes.
    """

    signature: str | None = None
    output_keys: tuple[str, ...] = ()
    columns: Columns = dataclasses.field(default_factory=dict)
    batch_size: int | None = None
    image_size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for name, value in (("batch_size", self.batch_size), ("image_size", min(self.image_size or (1,)))):
            if value is not None and value < 1:
                raise DataError(f"{name} is {value}.", hint="Pass at least 1.")


def columns_of(column: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None) -> dict[str, tuple[str, ...]]:
    """Brings the ways to name columns to one."""
    if column is None:
        return {}
    named = column if isinstance(column, Mapping) else {"": column}
    return {name: (each,) if isinstance(each, str) else tuple(each) for name, each in named.items()}
