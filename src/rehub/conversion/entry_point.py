"""The ways to call a SavedModel of TensorFlow 2, each with named inputs and outputs, as other formats have them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from rehub.conversion.leaves import names_of
from rehub.errors import ConversionError, SignatureError
from rehub.runtime import reusable
from rehub.runtime.tf_version import import_tensorflow

DEFAULT = "default"
"""The name of the entry point, and of the output, that is meant where none is named. Source: TF1 Hub format."""

_SERVING = "serving_default"


@dataclasses.dataclass(frozen=True)
class EntryPoint:
    """One way to call a model.

    Attributes:
        name: Of the signature; ``default`` for the call of the object itself.
        specs: The ``tf.TypeSpec`` of each input.
        call: Takes the inputs by name and returns the outputs by name.
        is_signature: Whether it is a serving signature.
        is_training: Whether it is the call for training.
    """

    name: str
    specs: Mapping[str, Any]
    call: Callable[[Mapping[str, Any]], dict[str, Any]]
    is_signature: bool = False
    is_training: bool = False

    @property
    def is_dense(self) -> bool:
        """Whether all inputs are plain tensors."""
        return all(isinstance(spec, import_tensorflow().TensorSpec) for spec in self.specs.values())

    def takes_what(self, other: EntryPoint) -> bool:
        """Whether it has the same inputs as another one."""
        mine, others = (
            {name: reusable.describe_spec(spec) for name, spec in each.specs.items()} for each in (self, other)
        )
        return mine == others

    def __str__(self) -> str:
        if self.is_signature:
            return f"the signature {self.name!r}"
        return "the call of the model for training" if self.is_training else "the call of the model itself"


def choose(obj: Any, signature: str | None, handle: str) -> EntryPoint:
    """Returns what `rehub.convert` converts: a signature, or without one the call of the object, for inference.

    An object that cannot be called gives ``serving_default``, ``default`` or its only signature.

    Args:
        obj: A loaded SavedModel of TensorFlow 2.
        signature: The name of a signature.
        handle: The model's name for the reader.

    Raises:
        SignatureError: If there is no such signature, or several and none was chosen.
        ConversionError: If the call takes more than its inputs.
    """
    if signature is None and callable(obj):
        return of_call(obj, training=False, handle=handle)
    signatures = reusable.signatures_of(obj)
    names = [signature] if signature is not None else [_SERVING, DEFAULT, *signatures] if signatures else []
    known = [name for name in names if name in signatures]
    if not known or (signature is None and known[0] not in (_SERVING, DEFAULT) and len(known) > 1):
        raise SignatureError(
            f"'{handle}' has no signature {signature!r}."
            if signature is not None
            else f"'{handle}' cannot be called as it is, and no signature was chosen.",
            hint=f"Name a signature: {', '.join(sorted(signatures)) or 'it has none'}.",
            handle=handle,
            available=tuple(sorted(signatures)),
        )
    return of_signature(obj, known[0])


def of_signature(obj: Any, name: str) -> EntryPoint:
    """Returns a serving signature."""
    function = reusable.signatures_of(obj)[name]
    specs = dict(function.structured_input_signature[1])
    return EntryPoint(name, specs, lambda inputs: dict(function(**inputs)), is_signature=True)


def of_call(obj: Any, *, training: bool, handle: str) -> EntryPoint:
    """Returns the call of an object itself.

    An input, or an output, that has no name of its own gets one: a single output is ``default``, those of a list are
    ``output_0``, ``output_1``, … What is in dicts within others is called by all keys, with ``_`` between them.

    Args:
        obj: A callable object that was loaded.
        training: Whether it is called for training.
        handle: The model's name for the reader.

    Raises:
        ConversionError: If no trace takes the inputs alone.
    """
    nest, options = _trace(obj, training, handle)
    names = names_of(nest, getattr(nest, "name", None) or "inputs", "inputs")
    tf = import_tensorflow()

    def call(inputs: Mapping[str, Any]) -> dict[str, Any]:
        result = obj(tf.nest.pack_sequence_as(nest, [inputs[name] for name in names]), **options)
        return dict(zip(names_of(result, DEFAULT, "output"), tf.nest.flatten(result), strict=True))

    return EntryPoint(DEFAULT, dict(zip(names, tf.nest.flatten(nest), strict=True)), call, is_training=training)


def variables_of(obj: Any) -> list[Any]:
    """Returns the variables that an object lists, and those that its calls use."""
    functions = [*reusable.concrete_functions(obj), *reusable.signatures_of(obj).values()]
    trainable, others = reusable.variables_of(obj)
    return reusable.unique([*trainable, *others, *reusable.function_variables(functions)])


def _trace(obj: Any, training: bool, handle: str) -> tuple[Any, dict[str, Any]]:
    """The inputs of the most general trace, and its other arguments: Python values; the mode is a tensor if it was."""
    tf = import_tensorflow()
    parameters = list(reusable.parameters_of(obj.__call__))
    found, refused = [], set[str]()
    for function in reusable.concrete_functions(obj):
        positional, named = function.structured_input_signature
        arguments = {**dict(zip(parameters, positional, strict=False)), **named}
        if not arguments:
            continue
        nest = arguments.pop(next(iter(arguments)))
        mode: Any = arguments.get("training")
        if _has_tensor(mode):
            arguments["training"] = tf.cast(training, mode.dtype)
        elif bool(mode) != training:
            continue
        tensors = {name for name, value in arguments.items() if name != "training" and _has_tensor(value)}
        refused |= tensors
        if not tensors and _has_tensor(nest):
            found.append((nest, arguments))
    if not found:
        raise ConversionError(
            f"'{handle}' can be called only with more than its inputs: {', '.join(sorted(refused))}."
            if refused
            else f"'{handle}' has no function to convert: it can be called, but was not traced with any inputs.",
            hint="Name the signature to convert, or export the model again with one.",
        )
    return max(found, key=lambda each: _generality(each[0]))


def _has_tensor(nest: Any) -> bool:
    return any(hasattr(value, "dtype") for value in import_tensorflow().nest.flatten(nest))


def _generality(nest: Any) -> int:
    shapes = [reusable.dimensions(spec.shape) for spec in import_tensorflow().nest.flatten(nest)]
    return sum(100 if shape is None else shape.count(None) for shape in shapes)
