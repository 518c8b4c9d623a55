"""Private Keras symbols, each with the reason why nothing public does."""

from __future__ import annotations


def is_loading_in_safe_mode() -> bool:
    """Whether Keras 3 is reading a file right now, and was told (or left) not to run code from it.

    Keras 3 has no public reader of this. It is None outside of loading, so that clones and pickles are not meant.
    """
    from keras.src.saving import serialization_lib

    return bool(serialization_lib.in_safe_mode())
