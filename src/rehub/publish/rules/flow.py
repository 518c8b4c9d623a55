"""The nodes behind a model's calls, with calls of functions replaced by what they call."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from rehub.formats import dtype
from rehub.formats.structured_value import decode
from rehub.model.inlining import inline_functions
from rehub.model.program import data_inputs, node_of
from rehub.publish.rules.subject import Subject
from rehub.publish.rules.ways import named

_SAME = frozenset(
    {
        *("Cast", "CheckNumerics", "EnsureShape", "ExpandDims", "Identity", "PreventGradient"),
        *("Reshape", "Snapshot", "Squeeze", "StopGradient"),
    }
)
"""Ops whose first input has the values of their output, in whatever shape."""


@dataclasses.dataclass(frozen=True)
class Flow:
    """What runs when a function is called.

    Attributes:
        where: The function, for the reader.
        nodes: By name.
        outputs: The tensors that it returns, by the names of the outputs.
        numbers: The names of those outputs that are floating-point numbers.
    """

    where: str
    nodes: Mapping[str, Any]
    outputs: Mapping[str, str]
    numbers: frozenset[str]

    def origin(self, tensor: str) -> Any | None:
        """Returns the node that computes a tensor, behind those that only pass it on; None for an argument."""
        for _ in range(len(self.nodes) + 1):  # damaged graphs may run in circles
            node = self.nodes.get(node_of(tensor))
            inputs = [] if node is None else data_inputs(node)
            place = _place(tensor) if node is not None and node.op == "IdentityN" else 0
            if node is None or node.op not in _SAME | {"IdentityN"} or place >= len(inputs):
                return node
            tensor = inputs[place]
        return None


def flows(subject: Subject) -> list[Flow]:
    """Returns those of ``__call__`` and of the signatures; of a model of TensorFlow 1, those of its graphs."""
    return list(_of_objects(subject) if subject.info.format == "saved_model_2" else _of_graphs(subject))


def _of_graphs(subject: Subject) -> Iterator[Flow]:
    for graph in subject.graphs:
        nodes = {node.name: node for node in graph.message.graph_def.node}
        for signature in graph.signatures:
            outputs = graph.message.signature_def[signature.name].outputs
            tensors = {spec.name: outputs[spec.name].name for spec in signature.outputs}
            numbers = frozenset(spec.name for spec in signature.outputs if "float" in spec.dtype)
            yield Flow(f"the signature '{signature.name}'", nodes, tensors, numbers)


def _of_objects(subject: Subject) -> Iterator[Flow]:
    library = subject.message.graph_def.library
    bodies = {function.signature.name: function for function in library.function}
    called = [(name, where) for where, name in _called(subject) if name in bodies]
    inlined = inline_functions((bodies[name] for name, _ in called), library)
    concrete = subject.message.object_graph_def.concrete_functions
    for (name, where), nodes in zip(called, inlined, strict=True):
        function = bodies[name]
        results = function.signature.output_arg
        tensors = [function.ret[result.name] for result in results]
        names = list(named(decode(concrete[name].output_signature))) if name in concrete else []
        if len(names) != len(tensors):
            names = list(map(str, range(len(tensors))))
        numbers = frozenset(
            name for name, result in zip(names, results, strict=True) if "float" in dtype.name(result.type)
        )
        yield Flow(where, {node.name: node for node in nodes}, dict(zip(names, tensors, strict=True)), numbers)


def _called(subject: Subject) -> Iterator[tuple[str, str]]:
    children = subject.children(0)
    if subject.root is not None:
        for name in subject.traces_of(children["__call__"]):
            yield "__call__", name
    signatures = children.get("signatures")
    for key, place in sorted(subject.children(signatures).items()) if signatures else ():
        for name in subject.traces_of(place):
            yield f"the signature '{key}'", name


def _place(tensor: str) -> int:
    last = tensor.rpartition(":")[2]
    return int(last) if last.isdecimal() and len(last) < 10 else 0


def scalar(node: Any) -> float | None:
    """Returns the floating-point number that a ``Const`` holds; None for others, and for more than one number."""
    if node is None or node.op != "Const" or "value" not in node.attr:
        return None
    tensor = node.attr["value"].tensor
    if any(dim.size != 1 for dim in tensor.tensor_shape.dim):
        return None
    kind = dtype.name(tensor.dtype)
    values = [*tensor.float_val, *tensor.double_val]
    layout = {"float32": "<f", "float64": "<d"}.get(kind)
    if values:
        return float(values[0])
    if layout is not None and len(tensor.tensor_content) == struct.calcsize(layout):
        return float(struct.unpack(layout, tensor.tensor_content)[0])
    return None
