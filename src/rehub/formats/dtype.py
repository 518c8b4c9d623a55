"""Names of the dtypes that model files give by number."""

from __future__ import annotations

import functools

from rehub.formats import schema

_IRREGULAR = {"float": "float32", "double": "float64", "half": "float16"}


@functools.cache
def name(number: int) -> str:
    """Returns TensorFlow's name of a dtype, such as ``float32``; ``dtype_99`` for a number newer than the schema.

    The dtype of a TF1 reference variable ends in ``_ref``.
    """
    label = schema.enum_name("tensorflow.DataType", number)
    if label is None:
        return f"dtype_{number}"
    word = label.removeprefix("DT_").lower()
    base = word.removesuffix("_ref")
    return _IRREGULAR.get(base, base) + word[len(base) :]
