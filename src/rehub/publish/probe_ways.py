"""The ways to call a model that is loaded."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rehub.runtime import reusable
from rehub.runtime.tf_version import import_tensorflow

_PARSES = ("ParseExample", "ParseSingleExample")
_DECODES = ("DecodeImage", "DecodeJpeg", "DecodePng")


@dataclasses.dataclass(frozen=True)
class Way:
    """One way to call a model.

    Attributes:
        what: The function and its arguments.
        specs: The arguments: a nest with a ``tf.TypeSpec`` for each tensor.
        run: Calls it with such a nest that has tensors instead.
        is_training: Whether it is the mode for training.
        is_main: Whether it is a call of the object itself, or a signature of TensorFlow 1.
        decodes_images: Whether what it takes as strings are files of images.
    """

    what: str
    specs: Any
    run: Callable[[Any], Any]
    is_training: bool = False
    is_main: bool = False
    decodes_images: bool = False


def ways(obj: Any, parts: Sequence[str]) -> Iterator[Way]:
    """Yields each trace and signature; of a model of TensorFlow 1, each signature in both modes, the main one first.

    Args:
        obj: The model.
        parts: The attributes that can be called, besides the object itself.
    """
    lifted = reusable.lifted_calls(obj)
    for name, calls in sorted(lifted.items(), key=lambda each: each[1] is not getattr(obj, "main", None)):
        if _takes_examples(calls.concrete_functions[0]):
            continue
        for training in (False, True):
            what = f"the signature {name!r}{' in training' * training}"
            specs = dict(calls.structured_input_signature[1])
            decodes = _has_op(calls.concrete_functions[0], _DECODES)
            yield Way(what, specs, _mode(calls, training), training, is_main=True, decodes_images=decodes)
    if lifted:
        return
    for path in ("", *parts):
        part = getattr(obj, path) if path else obj
        for function in reusable.concrete_functions(part):
            yield _of_trace(f"{path}.__call__" if path else "__call__", part, function, is_main=not path)
    for name, function in sorted(reusable.signatures_of(obj).items()):
        if _takes_examples(function):
            continue
        specs = dict(function.structured_input_signature[1])
        decodes = _has_op(function, _DECODES)
        yield Way(f"the signature {name!r}", specs, _by_name(function), decodes_images=decodes)


def _takes_examples(function: Any) -> bool:
    """Whether it takes serialized ``tf.train.Example`` messages, which have to have features that nobody can guess."""
    return _has_op(function, _PARSES)


def _has_op(function: Any, prefixes: tuple[str, ...]) -> bool:
    """Whether there is an op in a function, or in those that it calls, of a type that begins so."""
    definition = function.graph.as_graph_def()
    nodes = [*definition.node, *(node for body in definition.library.function for node in body.node_def)]
    return any(node.op.startswith(prefixes) for node in nodes)


def _mode(calls: Any, training: bool) -> Callable[[Any], Any]:
    return lambda inputs: calls(inputs, training)


def _by_name(function: Any) -> Callable[[Any], Any]:
    return lambda inputs: function(**inputs)


def _of_trace(name: str, part: Any, function: Any, *, is_main: bool) -> Way:
    positional, named = function.structured_input_signature
    names = list(reusable.parameters_of(part.__call__))
    arguments = {**dict(itertools.zip_longest(names[: len(positional)], positional)), **named}
    listed = ", ".join(f"{key}={reusable.describe_spec(value)}" for key, value in arguments.items() if key)
    is_training = arguments.get("training") is True
    return Way(
        f"{name}({listed})",
        (positional, named),
        lambda given: part(*given[0], **given[1]),
        is_training,
        is_main,
        _has_op(function, _DECODES),
    )


def is_finite(outputs: Any) -> bool:
    """Tells whether all numbers in a nest of tensors are."""
    tf = import_tensorflow()
    tensors = tf.nest.flatten(outputs, expand_composites=True)
    numbers = [tensor for tensor in tensors if tensor.dtype.is_floating or tensor.dtype.is_complex]
    return all(bool(tf.reduce_all(tf.math.is_finite(tf.math.abs(tensor)))) for tensor in numbers)
