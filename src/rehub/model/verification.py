"""Whether the files of a model are those that were exported, as far as the model itself can tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rehub.formats import checkpoint_data, checkpoint_index
from rehub.model.model_info import missing_files

_INDEX = "variables/variables.index"
_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"


def damages(folder: Path) -> Iterator[tuple[str, str]]:
    """Reads all variables of a model, and yields what is wrong: a file, by its name with ``/``, and what.

    Args:
        folder: The model folder.

    Raises:
        FormatError: If a file that tells what is needed cannot be read or is damaged.
    """
    missing = missing_files(folder)
    yield from ((name, "missing or cut short" if (folder / name).exists() else "missing") for name in missing)
    if _INDEX in missing or not (folder / _INDEX).exists():
        return
    for found in checkpoint_data.check(checkpoint_index.read(folder / _INDEX)):
        file = f"variables/{found.shard}"
        if (folder / file).exists():
            yield file, f"variable '{found.entry.name.removesuffix(_SUFFIX)}' {found.what}"
