"""The ways to call a model for inference, as its files tell them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from rehub.publish.rules.subject import Subject
from rehub.signature import TensorSpec

DEFAULT = "default"
"""The name of an input or output that has none of its own."""

_MAIN = (DEFAULT, "image_feature_vector", "image_classification", "serving_default")


@dataclasses.dataclass(frozen=True)
class Way:
    """One way to call a model.

    Attributes:
        where: The function or signature, for the reader.
        inputs: By name; a single one without a name is ``default``.
        outputs: By name, as the inputs.
        is_dict: Whether the outputs come as a dict.
    """

    where: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    is_dict: bool


def ways(subject: Subject) -> list[Way]:
    """Returns the traces of ``__call__`` for inference, and the signatures."""
    return [*_calls(subject), *_signatures(subject)]


def main_ways(subject: Subject) -> list[Way]:
    """Returns those that users of a common signature call: ``__call__``, or without it the default signature."""
    calls = list(_calls(subject))
    if calls:
        return calls
    signatures = {way.where: way for way in _signatures(subject)}
    return next(([signatures[_title(name)]] for name in _MAIN if _title(name) in signatures), [])


def _calls(subject: Subject) -> Iterator[Way]:
    if subject.root is None:
        return
    for trace in subject.root.call.traces:
        if not trace.arguments or dict(trace.arguments).get("training") is True:
            continue
        inputs = named(trace.arguments[0][1])
        if inputs:
            yield Way("__call__", inputs, named(trace.outputs), isinstance(trace.outputs, dict))


def _signatures(subject: Subject) -> Iterator[Way]:
    for signature in subject.main_graph.signatures:
        inputs, outputs = ({spec.name: spec for spec in specs} for specs in (signature.inputs, signature.outputs))
        yield Way(_title(signature.name), inputs, outputs, True)


def _title(signature: str) -> str:
    return f"the signature '{signature}'"


def named(nest: Any, name: str = "") -> dict[str, TensorSpec]:
    """Returns the tensors of a nest by name: keys of dicts, places in lists; ``default`` for a single tensor."""
    if isinstance(nest, TensorSpec):
        return {name or DEFAULT: nest}
    found: dict[str, TensorSpec] = {}
    items = nest.items() if isinstance(nest, dict) else enumerate(nest) if isinstance(nest, (list, tuple)) else ()
    for key, value in items:
        found |= named(value, f"{name}.{key}" if name else str(key))
    return found
