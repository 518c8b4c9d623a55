"""TensorFlow itself: imported here, and nowhere else, where it may be missing or too old."""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
import threading
from typing import Any

from rehub.errors import DependencyError

OLDEST = (2, 15)


@functools.cache
def import_tensorflow() -> Any:
    """Imports TensorFlow.

    Raises:
        DependencyError: If it is not installed, cannot be imported, or is older than 2.15.
    """
    required = ".".join(map(str, OLDEST))
    try:
        import tensorflow as tf
    except ImportError as error:
        missing = error.name in ("tensorflow", None) and "No module named" in str(error)
        raise DependencyError(
            "This call runs a model and needs TensorFlow, which is not installed."
            if missing
            else f"TensorFlow cannot be imported: {error}.",
            hint="Run: pip install tensorflow (or tensorflow-cpu); rehub's extras of these names know the versions.",
            package="tensorflow",
            required=required,
        ) from error
    found = getattr(tf, "__version__", "unknown")
    if not _is_new_enough(found):
        raise DependencyError(
            f"TensorFlow {found} is installed, rehub needs {required} or newer.",
            hint="Run: pip install --upgrade tensorflow (or tensorflow-cpu).",
            package="tensorflow",
            found=found,
            required=required,
        )
    return tf


def import_quietly() -> Any:
    """Imports TensorFlow for a command, without what its C++ code writes to stderr before it reads its log level.

    Raises:
        DependencyError: As of `import_tensorflow`.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device
            os.dup2(nowhere.fileno(), 2)
        return import_tensorflow()
    finally:
        os.dup2(kept, 2)
        os.close(kept)


class ImportAside:
    """An import of TensorFlow that can go on while something else is waited for.

    Whoever is interrupted meanwhile need not wait for it. Only the process does at its end: it would crash in the
    middle of that import.
    """

    def __init__(self) -> None:
        # Not one of a pool, which is left waiting for work, and never ends, when an interrupt comes as it starts.
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def begin(self) -> None:
        """Begins, on a thread of its own, if that was not done yet."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._import, name="rehub-import")
            self._thread.start()

    def end(self) -> Any:
        """Returns TensorFlow, imported here if that was not begun.

        Raises:
            DependencyError: As of `import_tensorflow`.
        """
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error
        return import_tensorflow()

    def _import(self) -> None:
        try:
            import_tensorflow()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self._error = error


def can_be_imported() -> bool:
    """Whether TensorFlow is installed, and not imported yet, so that an import may take its time."""
    return "tensorflow" not in sys.modules and importlib.util.find_spec("tensorflow") is not None


def _is_new_enough(version: str) -> bool:
    numbers = version.split(".")[:2]
    return len(numbers) == 2 and all(n.isdigit() for n in numbers) and tuple(map(int, numbers)) >= OLDEST
