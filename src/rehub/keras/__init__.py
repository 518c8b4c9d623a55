"""Models as Keras layers.

`KerasLayer` follows ``tf.keras``: it is a Keras 3 layer, or a Keras 2 layer where ``TF_USE_LEGACY_KERAS=1`` is set or
TensorFlow is 2.15. Programs that mix both take `Keras3Layer` (for ``import keras``) or `Keras2Layer` (for
``import tf_keras``) by name.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from rehub.errors import DependencyError

if TYPE_CHECKING:
    from rehub.keras.keras2 import KerasLayer as Keras2Layer
    from rehub.keras.keras3 import KerasLayer
    from rehub.keras.keras3 import KerasLayer as Keras3Layer

__all__ = ["Keras2Layer", "Keras3Layer", "KerasLayer"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'rehub.keras' has no attribute {name!r}")
    module = {"Keras2Layer": "keras2", "Keras3Layer": "keras3"}.get(name) or _module_of_tf_keras()
    value = importlib.import_module(f"rehub.keras.{module}").KerasLayer
    globals()[name] = value
    return value


def _module_of_tf_keras() -> str:
    from rehub.runtime.tf_version import import_tensorflow

    tf = import_tensorflow()
    try:
        return "keras3" if hasattr(tf.keras, "version") else "keras2"  # tf.keras.version() exists only in Keras 3
    except ImportError as error:  # tf.keras is imported when it is first used
        wanted = "tf_keras" if os.environ.get("TF_USE_LEGACY_KERAS") in ("1", "true", "True") else "keras"
        raise DependencyError(
            f"tf.keras is {wanted} here, and that cannot be imported.",
            hint="Run: pip install tf_keras (in the version of your TensorFlow), or unset TF_USE_LEGACY_KERAS."
            if wanted == "tf_keras"
            else "Run: pip install keras",
            package=wanted,
        ) from error
