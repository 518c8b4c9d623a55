"""Private Keras symbols, each with the reason why nothing public does."""

from __future__ import annotations


def is_loading_in_safe_mode() -> bool:
    """Whether Keras 3 is reading a file right now, and was told (or left) not to run code from it.

    Keras 3 has no public reader of this. It is None outside of loading, so that clones and pickles are not meant.
    """
    from keras.src.saving import serialization_lib

    return bool(serialization_lib.in_safe_mode())


def keep_as_it_is(error: Exception) -> None:
    """Stops both Keras versions from replacing an error by a copy that has lost its fields.

    Keras marks in this way what it has wrapped already.
    """
    error._keras_call_info_injected = True  # type: ignore[attr-defined]
