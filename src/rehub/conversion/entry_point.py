"""The ways to call a SavedModel of TensorFlow 2, each with named inputs and outputs, as other formats have them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

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
    """

    name: str
    specs: Mapping[str, Any]
    call: Callable[[Mapping[str, Any]], dict[str, Any]]
    is_signature: bool = False

    @property
    def is_dense(self) -> bool:
        """Whether all inputs are plain tensors."""
        return all(isinstance(spec, import_tensorflow().TensorSpec) for spec in self.specs.values())

    def __str__(self) -> str:
        return f"the signature {self.name!r}" if self.is_signature else "the call of the model itself"


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
            hint=f"Choose one with signature=: {', '.join(sorted(signatures)) or 'it has none'}.",
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
    ``output_0``, ``output_1``, …

    Args:
        obj: A callable object that was loaded.
        training: Whether it is called for training.
        handle: The model's name for the reader.

    Raises:
        ConversionError: If no trace takes the inputs alone.
    """
    nest, options = _trace(obj, training, handle)
    names = _names(nest, getattr(nest, "name", None) or "inputs")
    tf = import_tensorflow()

    def call(inputs: Mapping[str, Any]) -> dict[str, Any]:
        result = obj(tf.nest.pack_sequence_as(nest, [inputs[name] for name in names]), **options)
        is_nest = isinstance(result, (Mapping, list, tuple))
        keys = _names(result, "output" if is_nest else DEFAULT)
        return dict(zip(keys, tf.nest.flatten(result), strict=True))

    return EntryPoint(DEFAULT, dict(zip(names, tf.nest.flatten(nest), strict=True)), call)


def _trace(obj: Any, training: bool, handle: str) -> tuple[Any, dict[str, Any]]:
    """The inputs of the most general trace, and the other arguments that it was traced with, Python values."""
    parameters = list(reusable.parameters_of(obj.__call__))
    found, refused = [], set[str]()
    for function in reusable.concrete_functions(obj):
        positional, named = function.structured_input_signature
        arguments = {**dict(zip(parameters, positional, strict=False)), **named}
        if not arguments or bool(arguments.get("training")) != training:
            continue
        first = next(iter(arguments))
        nest = arguments.pop(first)
        tensors = {name for name, value in arguments.items() if _has_tensor(value)}
        refused |= tensors
        if not tensors and _has_tensor(nest):
            found.append((nest, arguments))
    if not found:
        raise ConversionError(
            f"'{handle}' can be called only with more than its inputs: {', '.join(sorted(refused))}."
            if refused
            else f"'{handle}' has no function to convert: it can be called, but was not traced with any inputs.",
            hint="Choose a signature with signature=, or export the model again with one.",
        )
    return max(found, key=lambda each: _generality(each[0]))


def _has_tensor(nest: Any) -> bool:
    return any(hasattr(value, "dtype") for value in import_tensorflow().nest.flatten(nest))


def _generality(nest: Any) -> int:
    shapes = [reusable.dimensions(spec.shape) for spec in import_tensorflow().nest.flatten(nest)]
    return sum(100 if shape is None else shape.count(None) for shape in shapes)


def _names(nest: Any, fallback: str) -> list[str]:
    """A name for each leaf, in the order of ``tf.nest.flatten``: the keys that lead to it."""
    before = [] if isinstance(nest, Mapping) else [fallback]
    return ["_".join([*before, *path]) for path in _paths(nest)]


def _paths(nest: Any) -> Iterator[tuple[str, ...]]:
    if isinstance(nest, Mapping):
        parts = [(str(key), nest[key]) for key in sorted(nest)]
    elif isinstance(nest, (list, tuple)):
        parts = [(str(place), value) for place, value in enumerate(nest)]
    else:
        yield ()
        return
    for key, value in parts:
        yield from ((key, *path) for path in _paths(value))
