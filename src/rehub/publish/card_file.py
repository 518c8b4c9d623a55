"""The file of a model's card."""

from __future__ import annotations

import os
from pathlib import Path

from rehub.errors import FormatError
from rehub.formats.card import FILE_NAME, SIZE_LIMIT_BYTES


def card_bytes(folder: Path, path: str | os.PathLike[str] | None) -> bytes | None:
    """Returns the card of a model; None where there is none.

    Args:
        folder: The model folder.
        path: The card; None for ``card.md`` in the folder, which may be missing.

    Raises:
        FormatError: If it cannot be read.
    """
    file = folder / FILE_NAME if path is None else Path(path)
    if path is None and not file.exists():
        return None
    try:
        with file.open("rb") as opened:
            return opened.read(SIZE_LIMIT_BYTES + 1)  # more than a card may have is refused by whoever reads it
    except OSError as error:
        hint = "Check the path and its permissions."
        raise FormatError(f"'{file}' cannot be read: {error.strerror}.", hint=hint, path=str(file)) from error
