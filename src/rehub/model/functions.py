"""The functions on the objects of a TF2 SavedModel: their parameters, and the traces that can be called."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from rehub.formats.structured_value import decode
from rehub.model.objects import ModelObject
from rehub.signature import TensorSpec, describe

_REQUIRED: Any = object()
"""Stands for no default."""


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One parameter of a function.

    Attributes:
        name: Its name.
        kind: How it is passed; ``rest`` and ``named_rest`` are ``*args`` and ``**kwargs``.
        is_required: Whether it has no default.
        default: The default; None where it is required.
    """

    name: str
    kind: Literal["positional", "rest", "keyword", "named_rest"]
    is_required: bool = True
    default: Any = None

    def __str__(self) -> str:
        stars = {"rest": "*", "named_rest": "**"}.get(self.kind, "")
        return f"{stars}{self.name}" if self.is_required else f"{self.name}={describe(self.default)}"


@dataclasses.dataclass(frozen=True)
class Trace:
    """One combination of arguments for which a function was traced.

    Attributes:
        arguments: Name and value of each, in the order of the parameters: a `TensorSpec` for a tensor, the very Python
            value that has to be passed for others, or a nest of both.
        outputs: What it returns: a `TensorSpec`, or a nest of them.
    """

    arguments: tuple[tuple[str, Any], ...]
    outputs: Any

    def __str__(self) -> str:
        arguments = ", ".join(
            f"{name}: {describe(value)}" if _has_tensor(value) else f"{name}={describe(value)}"
            for name, value in self.arguments
        )
        return f"({arguments}) -> {describe(self.outputs)}"


@dataclasses.dataclass(frozen=True)
class Function:
    """A function that can be called after loading.

    Attributes:
        path: The attributes that lead to it, such as ``__call__`` or ``encoder.__call__``.
        parameters: As the publisher wrote them, without ``self``.
        traces: What it can be called with.
    """

    path: str
    parameters: tuple[Parameter, ...]
    traces: tuple[Trace, ...]

    def __str__(self) -> str:
        parts: list[str] = []
        needs_star = all(parameter.kind != "rest" for parameter in self.parameters)
        for parameter in self.parameters:
            if parameter.kind == "keyword" and needs_star:
                parts.append("*")
                needs_star = False
            parts.append(str(parameter))
        return f"{self.path}({', '.join(parts)})"


def functions(graph: Any, objects: Iterable[ModelObject]) -> tuple[Function, ...]:
    """Returns the functions on public attributes, each once, those of the loaded object first.

    Serving signatures are not among them.

    Args:
        graph: A ``MetaGraphDef`` whose references lead somewhere.
        objects: Its objects.
    """
    found = [
        entry
        for entry in objects
        if entry.kind == "function"
        and entry.same_as is None
        and entry.is_public
        and not entry.path.startswith("signatures.")
    ]
    traced = _Traces(graph.object_graph_def)
    return tuple(traced.function(entry) for entry in sorted(found, key=lambda entry: entry.depth))


class _Traces:
    """Reads the functions of one object graph; what several functions share is decoded once."""

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._decoded: dict[str, tuple[Any, Any]] = {}

    def function(self, entry: ModelObject) -> Function:
        node = self._graph.nodes[entry.node]
        if node.HasField("bare_concrete_function"):
            bare = node.bare_concrete_function
            parameters = tuple(
                Parameter(name, "positional" if place < bare.allowed_positional_arguments else "keyword")
                for place, name in enumerate(bare.argument_keywords)
            )
            names = [bare.concrete_function_name]
        else:
            parameters = _parameters(node.function.function_spec)
            names = list(node.function.concrete_functions)
        return Function(entry.path, parameters, tuple(self._trace(name, parameters) for name in names))

    def _trace(self, name: str, parameters: tuple[Parameter, ...]) -> Trace:
        if name not in self._decoded:
            concrete = self._graph.concrete_functions.get(name)
            self._decoded[name] = (
                (((), {}), None)
                if concrete is None
                else (decode(concrete.canonicalized_input_signature), decode(concrete.output_signature))
            )
        inputs, outputs = self._decoded[name]
        positional, named = _split(inputs)
        names = (p.name for p in parameters if p.kind == "positional")
        rest = next((p.name for p in parameters if p.kind == "rest"), "args")
        numbered = (f"{rest}[{place}]" for place in itertools.count())
        arguments = tuple(zip(itertools.chain(names, numbered), positional, strict=False))
        return Trace((*arguments, *named.items()), outputs)


def _split(inputs: Any) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    """Positional and named arguments of a trace; none of either for what no function has."""
    if isinstance(inputs, tuple) and len(inputs) == 2 and isinstance(inputs[0], tuple) and isinstance(inputs[1], dict):
        return inputs[0], inputs[1]
    return (), {}


def _parameters(spec: Any) -> tuple[Parameter, ...]:
    fields = {pair.key: decode(pair.value) for pair in spec.fullargspec.named_tuple_value.values}
    args = _strings(fields.get("args"))
    defaults = fields.get("defaults")
    padded = [_REQUIRED] * len(args) + list(defaults if isinstance(defaults, tuple) else ())
    pairs = list(zip(args, padded[len(padded) - len(args) :], strict=True))
    found = [_parameter(name, "positional", default) for name, default in pairs[1 if spec.is_method else 0 :]]
    if isinstance(fields.get("varargs"), str):
        found.append(Parameter(fields["varargs"], "rest"))
    named = fields.get("kwonlydefaults")
    for name in _strings(fields.get("kwonlyargs")):
        found.append(_parameter(name, "keyword", named.get(name, _REQUIRED) if isinstance(named, dict) else _REQUIRED))
    if isinstance(fields.get("varkw"), str):
        found.append(Parameter(fields["varkw"], "named_rest"))
    return tuple(found)


def _parameter(name: str, kind: Literal["positional", "keyword"], default: Any) -> Parameter:
    return Parameter(name, kind) if default is _REQUIRED else Parameter(name, kind, is_required=False, default=default)


def _strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, (list, tuple)) else []


def _has_tensor(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_tensor, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_has_tensor, value))
    return isinstance(value, TensorSpec)
