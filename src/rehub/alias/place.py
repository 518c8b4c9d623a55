"""Where the package is that stands for tensorflow_hub, and what would hide it."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

from rehub.errors import UsageError

NAME = "tensorflow_hub"
FOLDER = str(Path(__file__).with_name("site"))


def is_ours(module: ModuleType) -> bool:
    """Whether a module of that name is the one in `FOLDER`."""
    return bool(module.__spec__ and module.__spec__.origin == os.path.join(FOLDER, NAME, "__init__.py"))  # noqa: PTH118


def check_not_hidden(folder: Path) -> None:
    """Refuses a folder that Python searches first and that has a ``tensorflow_hub`` of its own.

    Raises:
        UsageError: If it has one.
    """
    for own in (folder / f"{NAME}.py", folder / NAME / "__init__.py"):
        if own.is_file():
            raise UsageError(
                f"{own} would be imported as {NAME}, in place of rehub.",
                hint="Rename it, or run the program from another folder.",
            )
