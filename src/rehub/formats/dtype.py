"""Names of the dtypes that model files give by number."""

from __future__ import annotations

import functools
import re

from rehub.formats import schema

_IRREGULAR = {"float": "float32", "double": "float64", "half": "float16"}
_BYTE_EACH = frozenset({"int4", "uint4", "int2", "uint2", "float4_e2m1fn"})
_BITS = re.compile(r"q?u?(?:int|float|bfloat|complex)(\d+)")


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


@functools.cache
def item_bytes(name: str) -> int | None:
    """Returns how many bytes one number of a dtype takes in a checkpoint; None where that varies, as for strings.

    Args:
        name: As `name` returns it.
    """
    base = name.removesuffix("_ref")
    if base == "bool" or base in _BYTE_EACH:
        return 1
    bits = _BITS.match(base)
    return int(bits[1]) // 8 if bits else None
