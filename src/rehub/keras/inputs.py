"""What a caller passes in, made into what a model was traced for; and, where that fails, in what the two differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rehub.errors import DependencyError
from rehub.runtime.reusable import describe_spec, dimensions


class InputConverter:
    """Turns Python lists, arrays and tensors into the nest of tensors that a model takes as its first argument.

    Args:
        specs: The first argument of each trace: nests of ``tf.TensorSpec`` or ``tf.RaggedTensorSpec``. Empty when
            nothing is known about the model; then only values without tensors inside become one tensor.
    """

    def __init__(self, specs: Sequence[Any]) -> None:
        self._specs = list(specs)
        dtypes = {spec.dtype for spec in self._specs if hasattr(spec, "dtype")}
        self._only_dtype = dtypes.pop() if len(dtypes) == 1 and all(hasattr(s, "dtype") for s in self._specs) else None

    def __call__(self, value: Any) -> Any:
        """Converts one input.

        Floating tensors are cast to the floating dtype of the traces, if there is just one: under mixed precision,
        the layer below may deliver float16. Integers and strings are never cast.
        """
        if getattr(value, "dtype", None) is self._only_dtype is not None and not hasattr(value, "assign"):
            return value
        return _convert(value, self._specs)


def _convert(value: Any, specs: list[Any]) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _convert(item, [s[key] for s in specs if isinstance(s, Mapping) and key in s])
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        nested = [s for s in specs if isinstance(s, (list, tuple)) and len(s) == len(value)]
        if nested or (any(map(_is_array, value)) and not specs) or any(map(_is_symbolic_or_tensor, value)):
            items = [_convert(item, [s[place] for s in nested]) for place, item in enumerate(value)]
            return type(nested[0] if nested else value)(items)  # Keras and tf.data turn lists into tuples
    return _convert_leaf(value, [s for s in specs if hasattr(s, "dtype")])


def _convert_leaf(value: Any, specs: list[Any]) -> Any:
    import tensorflow as tf

    dtypes = {spec.dtype for spec in specs}
    if hasattr(value, "assign"):
        value = tf.convert_to_tensor(value)  # variables are read where tapes see it
    if not _is_symbolic_or_tensor(value):
        if value is None:
            return None
        value = _to_tensor(value, next(iter(dtypes)) if len(dtypes) == 1 else None, specs)
    if not tf.is_tensor(value) or value.dtype in dtypes or not value.dtype.is_floating:
        return value
    if type(value).__name__ == "KerasTensor":
        return value  # Keras 2 would put a layer for the cast in front of this one; it is cast inside
    floating = [dtype for dtype in dtypes if dtype.is_floating]
    return tf.cast(value, floating[0]) if len(floating) == 1 else value


def _to_tensor(value: Any, dtype: Any, specs: list[Any]) -> Any:
    import tensorflow as tf

    if isinstance(value, (list, tuple)) and any(isinstance(spec, tf.RaggedTensorSpec) for spec in specs):
        return tf.ragged.constant(value, dtype=dtype)
    if dtype is not None:
        try:
            return tf.convert_to_tensor(value, dtype=dtype)
        except (TypeError, ValueError):
            pass  # for example floats for an int32 trace: the message about traces says more than this error
    return tf.convert_to_tensor(value)


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _is_symbolic_or_tensor(value: Any) -> bool:
    import tensorflow as tf

    return bool(tf.is_tensor(value)) or type(value).__name__ == "KerasTensor"


def refuse_foreign(inputs: Any, keras_version: int) -> None:
    """Raises an error if an input is a symbolic tensor of the other Keras.

    Raises:
        DependencyError: It names the layer class to use instead.
    """
    leaves = (
        inputs.values() if isinstance(inputs, Mapping) else inputs if isinstance(inputs, (list, tuple)) else [inputs]
    )
    for leaf in leaves:
        if not type(leaf).__name__.endswith("KerasTensor"):
            continue
        found = 3 if type(leaf).__module__ == "keras.src.backend.common.keras_tensor" else 2
        if found != keras_version:
            raise DependencyError(
                f"The layer is one of Keras {keras_version}, its input one of Keras {found}.",
                hint=f"Use rehub.keras.Keras{found}Layer, or make the whole model with Keras {keras_version}; "
                "hub.KerasLayer follows tf.keras, which is Keras 2 if TF_USE_LEGACY_KERAS=1 is set.",
                package="keras",
                found=str(found),
                required=str(keras_version),
            )


def difference(value: Any, spec: Any, name: str = "the input") -> str:
    """Says in what a converted input first differs from the spec of a trace; empty when it fits."""
    if isinstance(spec, Mapping) or isinstance(value, Mapping):
        return _mapping_difference(value, spec, name)
    if isinstance(spec, (list, tuple)) or isinstance(value, (list, tuple)):
        if not isinstance(spec, (list, tuple)) or not isinstance(value, (list, tuple)):
            wanted = f"a list of {len(spec)}" if isinstance(spec, (list, tuple)) else "one tensor"
            return f"{name} should be {wanted}"
        if len(spec) != len(value):
            return f"{name} has {len(value)} parts, not {len(spec)}"
        parts = (difference(v, s, f"{name}[{i}]") for i, (v, s) in enumerate(zip(value, spec, strict=True)))
        return next(filter(None, parts), "")
    if not hasattr(spec, "dtype"):
        return "" if value == spec else f"{name} is {value!r}, not {spec!r}"
    return _tensor_difference(value, spec, name)


def _mapping_difference(value: Any, spec: Any, name: str) -> str:
    if not isinstance(value, Mapping):
        return f"{name} should be a dict with the keys {sorted(spec)}"
    if not isinstance(spec, Mapping):
        return f"{name} should be no dict"
    missing, unknown = sorted(spec.keys() - value.keys()), sorted(value.keys() - spec.keys())
    if missing or unknown:
        return f"{name} " + " and ".join(
            filter(None, (missing and f"lacks {missing}", unknown and f"has {unknown} in excess"))  # type: ignore[arg-type]
        )
    return next(filter(None, (difference(value[key], spec[key], f"{name}[{key!r}]") for key in spec)), "")


def _tensor_difference(value: Any, spec: Any, name: str) -> str:
    if not hasattr(value, "dtype") or not hasattr(value, "shape"):
        return f"{name} is {value!r}, not a tensor"
    if value.dtype != spec.dtype:
        return f"{name} is {getattr(value.dtype, 'name', value.dtype)}, not {spec.dtype.name}"
    ragged = [type(x).__name__.startswith("Ragged") for x in (value, spec)]
    if ragged[0] != ragged[1]:
        return f"{name} is {'' if ragged[0] else 'not '}ragged"
    if spec.shape.rank is not None and value.shape.rank != spec.shape.rank:
        return f"{name} has {value.shape.rank} dimensions, not {spec.shape.rank}"
    sizes, wanted = dimensions(value.shape), dimensions(spec.shape)
    if sizes is None or wanted is None:
        return ""
    for axis, (have, want) in enumerate(zip(sizes, wanted, strict=True)):
        if want is not None and have != want:
            return f"{name} has size {have} along axis {axis}, not {want}"
    return ""


def explain_mismatch(
    handle: str, inputs: Sequence[Any], arguments: Mapping[str, Any], traces: Sequence[Any]
) -> tuple[str, str]:
    """Returns the message and the hint for a call that fits none of a model's traces.

    Args:
        handle: The model's name for the reader.
        inputs: The converted positional argument; empty for signatures, which take keywords.
        arguments: The keyword arguments.
        traces: ``structured_input_signature`` of each trace.
    """
    lines, remedies = [], []
    for positional, keywords in traces:
        shown = ", ".join([*map(describe_spec, positional), *(f"{k}={describe_spec(v)}" for k, v in keywords.items())])
        if inputs and positional:
            reason = difference(inputs[0], positional[0])
            if reason:
                remedies.append(_remedy(inputs[0], positional[0]))
            if not reason:
                # What a trace has beside the inputs by its place is the mode.
                named = {k: v for k, v in arguments.items() if k != "training" or len(positional) == 1}
                reason, remedy = _argument_difference(named, keywords)
                remedies.append(remedy)
        else:
            reason = difference(arguments, keywords)
        lines.append(f"  ({shown})" + (f": {reason}" if reason else ""))
    given = ", ".join([*map(describe_spec, inputs), *(f"{k}={describe_spec(v)}" for k, v in arguments.items())])
    message = f"'{handle}' was called with ({given}), which fits none of its traces:\n" + "\n".join(lines) + "\n"
    return message, next(filter(None, remedies), "Pass an input that fits one of them.")


def _argument_difference(arguments: Mapping[str, Any], keywords: Mapping[str, Any]) -> tuple[str, str]:
    """Says why arguments do not fit, and what to do then; empty where there is nothing to say."""
    unknown = ", ".join(sorted(arguments.keys() - keywords.keys()))
    if unknown:
        known = ", ".join(sorted(keywords))
        return f"it has no argument {unknown}", f"Its arguments are: {known}." if known else f"Leave out {unknown}."
    differences = (difference(value, keywords[name], name) for name, value in arguments.items())
    return next(filter(None, differences), ""), ""


def _remedy(value: Any, spec: Any) -> str:
    """Says how one tensor is made to fit; empty when there is no simple way."""
    if not _is_array(value) or not _is_array(spec):
        return ""
    if value.dtype != spec.dtype:
        numbers = value.dtype.name != "string" and spec.dtype.name != "string"
        return f"Cast the input, for example with tf.cast(inputs, tf.{spec.dtype.name})." if numbers else ""
    if spec.shape.rank is None:
        return ""
    if value.shape.rank == spec.shape.rank - 1:
        return "If it is one example, give it a batch axis: inputs[None]."
    if value.shape.rank == spec.shape.rank == 4:
        return "Bring images to that size, for example with tf.image.resize."
    return ""
