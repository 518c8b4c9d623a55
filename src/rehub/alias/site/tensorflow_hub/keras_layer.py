"""Models as Keras layers.

`KerasLayer` is a layer of Keras 2 where ``tf.keras`` is Keras 2, or where the program has imported ``tf_keras``, for
which tensorflow_hub made its layers; else a layer of Keras 3. It is decided when it is first asked for.
"""

from __future__ import annotations

import sys
from typing import Any

from rehub import keras
from rehub.keras import target
from rehub.runtime import reusable
from rehub.runtime.load import load


def __getattr__(name: str) -> Any:
    if name != "KerasLayer":
        raise AttributeError(f"module 'tensorflow_hub.keras_layer' has no attribute {name!r}")
    value = keras.Keras2Layer if "tf_keras" in sys.modules else keras.KerasLayer
    globals()[name] = value
    return value


def load_module(handle: Any, tags: Any = None, load_options: Any = None) -> Any:
    """Returns the object that a handle leads to; what can be called already is returned as it is.

    Raises:
        SignatureError: If ``tags`` or ``load_options`` come with an object.
        HubError: What `rehub.load` raises.
    """
    if callable(handle):
        return target.resolve_object(handle, tags, load_options, None, trains=False)
    return load(handle, tags=tags, options=load_options)


def func_has_training_argument(func: Any) -> bool:
    """Whether a function can be called with ``training``."""
    return callable(func) and reusable.has_training_argument(func)
