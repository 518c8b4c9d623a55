"""``tf.compat.v1``, as early releases of tensorflow_hub offered it."""

from typing import Any

from rehub.runtime.tf_version import import_tensorflow


def __getattr__(name: str) -> Any:
    return getattr(import_tensorflow().compat.v1, name)
