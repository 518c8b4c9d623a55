"""Inputs and outputs of a signature: what they are, and which tensors of a graph they consist of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rehub.errors import ArgumentError
from rehub.model.program import tensor_names
from rehub.runtime import tf_private
from rehub.runtime.tf_version import import_tensorflow


class ParsedTensorInfo:
    """What an input or an output of a signature is.

    Attributes:
        type_spec: A ``tf.TensorSpec``, ``tf.SparseTensorSpec``, ``tf.RaggedTensorSpec``, or that of another composite.
    """

    def __init__(self, type_spec: Any) -> None:
        self.type_spec = type_spec

    @property
    def dtype(self) -> Any:
        """The ``tf.DType`` of the values."""
        return self.type_spec.dtype

    def get_shape(self) -> Any:
        """Returns the ``tf.TensorShape``."""
        return self.type_spec.shape

    @property
    def is_sparse(self) -> bool:
        """Whether it is a ``tf.SparseTensor``."""
        return isinstance(self.type_spec, import_tensorflow().SparseTensorSpec)

    @property
    def is_supported_type(self) -> bool:
        """Whether values of this kind can be passed: dense, sparse and ragged ones."""
        tf = import_tensorflow()
        return isinstance(self.type_spec, (tf.TensorSpec, tf.SparseTensorSpec, tf.RaggedTensorSpec))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ParsedTensorInfo) and self.type_spec == other.type_spec

    def __hash__(self) -> int:
        return hash(self.type_spec)

    def __repr__(self) -> str:
        if not self.is_supported_type:
            return f"<hub.ParsedTensorInfo type_spec={self.type_spec}>"
        return f"<hub.ParsedTensorInfo shape={self.get_shape()} dtype={self.dtype.name} is_sparse={self.is_sparse}>"


def parse(message: Any) -> ParsedTensorInfo:
    """Reads a ``TensorInfo`` message."""
    tf = import_tensorflow()
    if message.WhichOneof("encoding") == "composite_tensor":
        return ParsedTensorInfo(tf_private.type_spec_of(message.composite_tensor.type_spec))
    kind = tf.SparseTensorSpec if message.WhichOneof("encoding") == "coo_sparse" else tf.TensorSpec
    return ParsedTensorInfo(kind(tf.TensorShape(message.tensor_shape), tf.as_dtype(message.dtype)))


def component_names(message: Any) -> list[str]:
    """Returns the tensors that a ``TensorInfo`` names, in the order of ``tf.nest.flatten(expand_composites=True)``."""
    if message.WhichOneof("encoding") == "coo_sparse":
        sparse = message.coo_sparse
        return [sparse.indices_tensor_name, sparse.values_tensor_name, sparse.dense_shape_tensor_name]
    return [name for name in tensor_names(message) if name]


def feeds(messages: Mapping[str, Any], arguments: Any) -> dict[str, Any]:
    """Returns the tensors to feed, by the names that a signature gives them.

    Args:
        messages: The ``TensorInfo`` of each input.
        arguments: What the user passed: a tensor, a dict of tensors, or None.

    Raises:
        ArgumentError: If these are not the inputs of the signature.
    """
    tf = import_tensorflow()
    found: dict[str, Any] = {}
    for name, value in converted(messages, arguments).items():
        parts = tf.nest.flatten(value, expand_composites=True)
        found.update(zip(component_names(messages[name]), parts, strict=True))
    return found


def converted(messages: Mapping[str, Any], arguments: Any) -> dict[str, Any]:
    """Returns the tensors to feed, by the names of the inputs; arguments and errors as for `feeds`."""
    given = by_name(messages, arguments)
    return {name: _converted(name, value, parse(messages[name])) for name, value in given.items()}


def results(messages: Mapping[str, Any], tensor: Callable[[str], Any]) -> dict[str, Any]:
    """Returns the outputs of a signature.

    Args:
        messages: The ``TensorInfo`` of each output.
        tensor: Gives the tensor of a name.
    """
    tf = import_tensorflow()
    found = {}
    for name, message in messages.items():
        parts = [tensor(part) for part in component_names(message)]
        spec = parse(message).type_spec
        is_dense = isinstance(spec, tf.TensorSpec)
        found[name] = parts[0] if is_dense else tf.nest.pack_sequence_as(spec, parts, expand_composites=True)
    return found


def by_name(messages: Mapping[str, Any], arguments: Any) -> Mapping[str, Any]:
    """Returns what the user passed for each input; arguments and errors as for `feeds`."""
    names = sorted(messages)
    if arguments is None and not names:
        return {}
    if not isinstance(arguments, Mapping):
        if len(names) == 1 and arguments is not None:
            return {names[0]: arguments}
        number = min(len(names), 2)
        what = ("expects no inputs", "expects an input", "expects multiple inputs")[number]
        raise ArgumentError(
            f"Signature {what}.",
            hint=f"Use a dict with the keys {', '.join(names)}." if names else "Call the module without any.",
            available=tuple(names),
        )
    missing, extra = sorted(set(names) - set(arguments)), sorted(map(str, set(arguments) - set(names)))
    if missing or extra:
        raise ArgumentError(
            f"Cannot convert dict_inputs: missing {missing!r}, extra given {extra!r}.",
            hint=f"The signature takes {', '.join(names) or 'no inputs'}.",
            available=tuple(names),
        )
    return arguments


def _converted(name: str, value: Any, info: ParsedTensorInfo) -> Any:
    tf = import_tensorflow()
    spec = info.type_spec
    try:
        if isinstance(spec, tf.TensorSpec):
            value = tf.convert_to_tensor(value, spec.dtype)
        elif isinstance(value, tf.compat.v1.SparseTensorValue):
            value = tf.SparseTensor.from_value(value)
        elif isinstance(value, tf.compat.v1.ragged.RaggedTensorValue):
            value = tf.ragged.constant(value.to_list(), spec.dtype, row_splits_dtype=spec.row_splits_dtype)
        elif isinstance(value, list) and isinstance(spec, tf.RaggedTensorSpec):
            value = tf.ragged.constant(value, spec.dtype, row_splits_dtype=spec.row_splits_dtype)
    except (TypeError, ValueError) as error:
        raise _does_not_fit(name, error, info) from error
    given = tf.type_spec_from_value(value) if tf.is_tensor(value) else type(value).__name__
    if not tf.is_tensor(value) or not _fits(given, spec):
        raise _does_not_fit(name, given, info)
    return value


def _fits(given: Any, spec: Any) -> bool:
    same = type(given) is type(spec) and given.dtype == spec.dtype
    return bool(same and given.shape.is_compatible_with(spec.shape) and _ranks(given) == _ranks(spec))


def _ranks(spec: Any) -> Any:
    """What ragged tensors must have in common beside the shape."""
    return getattr(spec, "ragged_rank", None), getattr(spec, "row_splits_dtype", None)


def _does_not_fit(name: str, what: object, info: ParsedTensorInfo) -> ArgumentError:
    return ArgumentError(
        f"Input {name!r}: {what}. The signature expects {info.type_spec}.", hint="Convert it before the call."
    )
