"""Variables of any dtype in Keras' weights files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rehub.errors import FormatError
from rehub.runtime.tf_version import import_tensorflow


def encode(value: Any) -> Any:
    """Writes a string array as the bytes of a serialized tensor, since HDF5 would cut it at zero bytes."""
    import numpy as np

    tf = import_tensorflow()
    return np.frombuffer(tf.io.serialize_tensor(tf.constant(value)).numpy(), dtype=np.uint8)


def load(store: Mapping[str, Any], variables: Sequence[Any], name: str) -> None:
    """Assigns the numbered entries of a weights file to variables.

    Raises:
        FormatError: If there are more or fewer entries than variables, or one has another shape. Nothing is assigned.
    """
    if len(store.keys()) != len(variables):
        raise FormatError(
            f"The file holds {len(store.keys())} variables for '{name}', the model has {len(variables)}.",
            hint="Load it into a layer of the same model and version.",
        )
    values = [_decode(store[str(place)], variable.dtype) for place, variable in enumerate(variables)]
    for place, (value, variable) in enumerate(zip(values, variables, strict=True)):
        if not variable.shape.is_compatible_with(value.shape):
            raise FormatError(
                f"Variable {place} of '{name}' has the shape {variable.shape}, in the file it is {value.shape}.",
                hint="Load it into a layer of the same model and version.",
            )
    for value, variable in zip(values, variables, strict=True):
        variable.assign(value)


def _decode(entry: Any, dtype: Any) -> Any:
    import numpy as np

    tf = import_tensorflow()
    if dtype == tf.string:
        return tf.io.parse_tensor(np.asarray(entry).tobytes(), tf.string)
    return np.asarray(entry).astype(dtype.as_numpy_dtype)
