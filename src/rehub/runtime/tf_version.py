"""TensorFlow itself: imported here, and nowhere else, where it may be missing or too old."""

from __future__ import annotations

import functools
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


def _is_new_enough(version: str) -> bool:
    numbers = version.split(".")[:2]
    return len(numbers) == 2 and all(n.isdigit() for n in numbers) and tuple(map(int, numbers)) >= OLDEST
