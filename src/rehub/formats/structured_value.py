"""Nested values inside the object graph: the arguments and results of functions, with Python values among tensors."""

from __future__ import annotations

from typing import Any

from rehub.formats import dtype, schema
from rehub.signature import Kind, TensorSpec

_LAYOUTS: dict[str, Kind] = {"RAGGED_TENSOR_SPEC": "ragged", "SPARSE_TENSOR_SPEC": "sparse"}


def decode(message: Any) -> Any:
    """Returns what a ``StructuredValue`` stands for.

    Args:
        message: The message.

    Returns:
        A `TensorSpec`; None, bool, int, float or str; a list, tuple or dict of such; for what has no plain value, a
        text in the way of Python.
    """
    kind = message.WhichOneof("kind")
    if kind is None or kind == "none_value":
        return None
    value = getattr(message, kind)
    if kind in ("float64_value", "int64_value", "string_value", "bool_value"):
        return value
    if kind == "list_value":
        return [decode(item) for item in value.values]
    if kind == "tuple_value":
        return tuple(decode(item) for item in value.values)
    if kind == "named_tuple_value":
        return tuple(decode(pair.value) for pair in value.values)
    if kind == "dict_value":
        return {key: decode(value.fields[key]) for key in sorted(value.fields)}
    return _decode_leaf(kind, value)


def _decode_leaf(kind: str, value: Any) -> Any:
    if kind in ("tensor_spec_value", "bounded_tensor_spec_value"):
        return TensorSpec(dtype.name(value.dtype), shape(value.shape), value.name)
    if kind == "type_spec_value":
        return type_spec("", value)
    if kind == "tensor_shape_value":
        sizes = shape(value)
        return f"TensorShape({None if sizes is None else list(sizes)})"
    if kind == "tensor_dtype_value":
        return f"tf.{dtype.name(value)}"
    return f"<{TensorSpec(dtype.name(value.dtype), shape(value.tensor_shape))}>"


def shape(message: Any) -> tuple[int | None, ...] | None:
    """Returns what a ``TensorShapeProto`` says: None for a size or a rank that may be any."""
    if message.unknown_rank:
        return None
    return tuple(None if dim.size < 0 else dim.size for dim in message.dim)


def type_spec(name: str, message: Any) -> TensorSpec:
    """Returns what a ``TypeSpecProto`` says; of the kind ``other`` for a class that is neither ragged nor sparse.

    Args:
        name: For the result.
        message: The message.
    """
    known = schema.enum_name("tensorflow.TypeSpecProto.TypeSpecClass", message.type_spec_class)
    kind = _LAYOUTS.get(known or "", "other")
    # The state of both is a tuple that begins with shape and dtype.
    state = message.type_state.tuple_value.values[:2]
    if kind == "other" or [value.WhichOneof("kind") for value in state] != ["tensor_shape_value", "tensor_dtype_value"]:
        return TensorSpec(message.type_spec_class_name or known or "unknown", None, name, "other")
    return TensorSpec(dtype.name(state[1].tensor_dtype_value), shape(state[0].tensor_shape_value), name, kind)
