"""``rehub.install_as_tensorflow_hub``."""

from __future__ import annotations

import importlib
import sys

from rehub.alias.place import FOLDER, NAME, is_ours
from rehub.errors import UsageError


def install_as_tensorflow_hub() -> None:
    """Makes ``import tensorflow_hub`` reach rehub from now on, also where tensorflow_hub is installed.

    It holds for this process and for those that ``multiprocessing`` starts. For a program that starts a Python by
    itself, use ``python -m rehub.alias``. The model cache is ``<temp>/tfhub_modules`` then, as tensorflow_hub has it,
    unless a setting names another folder or that one belongs to another user. Calling it twice changes nothing.

    Raises:
        UsageError: If the real tensorflow_hub is imported already, or something hides rehub's.
    """
    before = sys.modules.get(NAME)
    if before is not None and not is_ours(before):
        raise UsageError(
            f"{NAME} {getattr(before, '__version__', '')} from {getattr(before, '__file__', None)} is imported "
            "already, and a program must not have both.",
            hint="Call rehub.install_as_tensorflow_hub() before anything imports it, or run the program by "
            "python -m rehub.alias.",
        )
    if FOLDER not in sys.path:
        sys.path.insert(1, FOLDER)  # the first one is the program's own
    importlib.invalidate_caches()
    found = importlib.import_module(NAME)
    if not is_ours(found):
        sys.path.remove(FOLDER)
        raise UsageError(
            f"{getattr(found, '__file__', NAME)} is imported as {NAME}, in place of rehub.",
            hint="Rename it, or run the program from another folder.",
        )
