"""Gradients of ``tf.custom_gradient`` in a graph, written into the graph, where they outlive the Python process."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from rehub.runtime import tf_private
from rehub.runtime.gradient_overrides import ARITY, ATTRIBUTE, FUNCTION, OF_A_PROCESS, RESULTS
from rehub.runtime.tf_version import import_tensorflow


@dataclasses.dataclass(frozen=True)
class _Gradient:
    """The gradient of a node: its function, and which inputs of the node the results belong to."""

    function: Any
    places: tuple[int, ...]


class CustomGradients:
    """Those of the current graph and of its functions.

    Add them before the graph is exported, and bind them afterwards.
    """

    def __init__(self) -> None:
        graph = import_tensorflow().compat.v1.get_default_graph()
        definition = graph.as_graph_def()
        self._of_graph = _find(definition.node, graph)
        self._of_functions: dict[str, dict[str, _Gradient]] = {}
        self._bodies: dict[str, Any] = {}
        for function in definition.library.function:
            if any(map(_is_custom, function.node_def)):
                name = function.signature.name
                self._bodies[name] = tf_private.function_graph(graph, name)
                self._of_functions[name] = _find(function.node_def, self._bodies[name])
        for gradients in (self._of_graph, *self._of_functions.values()):
            for gradient in gradients.values():
                gradient.function.add_to_graph(graph)

    def bind(self, definition: Any) -> None:
        """Makes nodes of a ``GraphDef`` name the functions of their gradients, and bring along what these capture."""
        for node in definition.node:
            if node.name in self._of_graph:
                _bind(node, self._of_graph[node.name], _name_in_graph)
        for function in definition.library.function:
            name = function.signature.name
            for node in function.node_def if name in self._of_functions else ():
                if node.name in self._of_functions[name]:
                    name_of = _names_in_function(function, self._bodies[name])
                    _bind(node, self._of_functions[name][node.name], name_of)


def _is_custom(node: Any) -> bool:
    return bool(node.op == "IdentityN" and ATTRIBUTE in node.attr and OF_A_PROCESS.fullmatch(node.attr[ATTRIBUTE].s))


def _find(nodes: Any, graph: Any) -> dict[str, _Gradient]:
    with graph.as_default():
        return {node.name: _trace(graph.get_operation_by_name(node.name)) for node in nodes if _is_custom(node)}


def _trace(operation: Any) -> _Gradient:
    tf = import_tensorflow()
    gradient = tf_private.registered_gradient(operation.get_attr(ATTRIBUTE).decode())
    places: list[int] = []

    def compute(*gradients: Any) -> list[Any]:
        results = gradient(operation, *gradients)
        results = results if isinstance(results, (list, tuple)) else [results]
        places[:] = [place for place, result in enumerate(results) if result is not None]
        return [tf.convert_to_tensor(results[place]) for place in places]

    specs = [tf.TensorSpec(output.shape, output.dtype) for output in operation.outputs]
    return _Gradient(tf.function(compute, autograph=False).get_concrete_function(*specs), tuple(places))


def _bind(node: Any, gradient: _Gradient, name_of: Callable[[Any], str]) -> None:
    arity = len(node.attr["T"].list.type)
    data = [name for name in node.input if not name.startswith("^")]
    controls = [name for name in node.input if name.startswith("^")]
    captured = gradient.function.captured_inputs
    del node.input[:]
    node.input.extend([*data, *map(name_of, captured), *controls])
    node.attr["T"].list.type.extend(tensor.dtype.as_datatype_enum for tensor in captured)
    node.attr.pop("_output_shapes", None)
    node.attr[FUNCTION].func.name = gradient.function.name
    node.attr[ARITY].i = arity
    node.attr[RESULTS].list.i.extend(gradient.places)


def _name_in_graph(tensor: Any) -> str:
    return str(tensor.name).removesuffix(":0")


def _names_in_function(function: Any, graph: Any) -> Callable[[Any], str]:
    """Names tensors as a ``FunctionDef`` does: by argument, or by node, output and place within the output."""
    arguments: dict[str, str] = {
        tensor.name: argument.name for tensor, argument in zip(graph.inputs, function.signature.input_arg, strict=True)
    }

    def name(tensor: Any) -> str:
        if tensor.name in arguments:
            return arguments[tensor.name]
        place = tensor.value_index
        for output, count in tf_private.output_counts(tensor.op.node_def):
            if place < count:
                return f"{tensor.op.name}:{output}:{place}"
            place -= count
        raise AssertionError(tensor)

    return name
