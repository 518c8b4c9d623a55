"""What the variables are that functions of a graph get as arguments.

A function from a file does not tell. TensorFlow then takes their handles for something that has no gradient, and gives
zeros for the variables that loops within loops read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rehub.model.program import data_inputs, function_names, node_of

_ARGUMENTS_FROM = {
    "Case": 1,
    "If": 1,
    "PartitionedCall": 0,
    "StatefulPartitionedCall": 0,
    "StatelessCase": 1,
    "StatelessIf": 1,
    "StatelessWhile": 0,
    "While": 0,
}
"""Ops that call functions, with the first of their inputs that becomes an argument."""

_LOOPS = frozenset({"While", "StatelessWhile"})
_SAME_VALUE = frozenset({"Enter", "Identity", "Switch"})


def add(nodes: Mapping[str, Any], library: Any) -> None:
    """Adds it to the functions of a ``FunctionDefLibrary``, in place.

    Args:
        nodes: The nodes of the graph, by name.
        library: The functions.
    """
    functions = {function.signature.name: function for function in library.function}
    waiting: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = [(nodes, {})]
    done: set[str] = set()
    while waiting:
        body, arguments = waiting.pop()
        for node in body.values():
            if node.op not in _ARGUMENTS_FROM:
                continue
            inputs = data_inputs(node)[_ARGUMENTS_FROM[node.op] :]
            values = [_find(name, body, arguments) for name in inputs]
            for name in function_names(node):
                if name in functions and name not in done:
                    done.add(name)
                    waiting.append(_annotate(functions[name], values))


def _annotate(function: Any, values: Sequence[Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Writes the variables among the arguments of a function down, and returns its nodes and these arguments."""
    arguments = {}
    for argument, value in zip(function.signature.input_arg, values, strict=True):
        if value is not None:
            arguments[argument.name] = value
            if not argument.handle_data:
                argument.handle_data.add(dtype=value.attr["dtype"].type, shape=value.attr["shape"].shape)
    return {node.name: node for node in function.node_def}, arguments


def _find(name: str, body: Mapping[str, Any], arguments: Mapping[str, Any]) -> Any:
    """The node that makes the variable whose handle a tensor is; None for other tensors."""
    for _ in range(len(body) + 1):
        source = node_of(name)
        node = body.get(source)
        if node is None:
            return arguments.get(source)
        if node.op == "VarHandleOp":
            return node
        if node.op in _SAME_VALUE:
            name = node.input[0]
        elif node.op in _LOOPS:
            name = data_inputs(node)[int(name.rpartition(":")[2]) if ":" in name else 0]
        else:
            return None
    return None
