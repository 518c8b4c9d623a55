"""Loops and conditions of TensorFlow 2 in a graph, whose functions become nodes of the graph.

So they can be built anew from their parts: TensorFlow cannot differentiate every one that comes from a file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rehub.model.program import control_inputs, data_inputs, node_of
from rehub.runtime import function_calls
from rehub.runtime.gradient_overrides import ATTRIBUTE

ARGUMENT = "RehubArgument"
"""The op of nodes that stand for the values which a loop carries; they are never imported."""

LOOPS = frozenset({"StatelessWhile", "While"})
CONDITIONS = frozenset({"If", "StatelessIf"})


@dataclasses.dataclass(frozen=True)
class Function:
    """A function of a loop or a condition.

    Attributes:
        results: The tensors that it returns.
        effects: The operations that it waits for, with names like ``^x``.
    """

    results: tuple[str, ...]
    effects: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Parts:
    """What a loop or a condition consists of.

    Attributes:
        arguments: For each value that a loop carries, the node that stands for it in a round; none for a condition.
        functions: Condition and body of a loop; the branches of a condition for false and for true.
    """

    arguments: tuple[str, ...]
    functions: tuple[Function, Function]


@dataclasses.dataclass(frozen=True)
class Expanded:
    """A graph with the functions of its loops and conditions.

    Attributes:
        nodes: Its nodes.
        parts: By the nodes of the loops and conditions.
    """

    nodes: tuple[Any, ...]
    parts: Mapping[str, Parts]


def expand(nodes: Iterable[Any], library: Any) -> Expanded:
    """Adds the functions of all loops and conditions, also of nested ones, to a graph.

    Args:
        nodes: Its ``NodeDef`` messages; they stay as they are.
        library: Its ``FunctionDefLibrary``.
    """
    functions = {function.signature.name: function for function in library.function}
    calls: dict[str, tuple[tuple[str, ...], tuple[str, str]]] = {}
    nodes = list(nodes)
    while True:
        names = {node.name for node in nodes}
        found: list[Any] = []
        for node in nodes:
            if node.name not in calls and node.op in LOOPS | CONDITIONS:
                *arguments, first, second, waiting = _expanded(node, functions, names)
                calls[node.name] = tuple(argument.name for argument in arguments), (first.name, second.name)
                found += [*arguments, first, second, waiting]
            else:
                found.append(node)
        if len(found) == len(nodes):
            break
        nodes = list(function_calls.inline(found, library).nodes)
    ends = {node.name: node for node in nodes if node.op == "IdentityN" and ATTRIBUTE not in node.attr}
    parts = {
        name: Parts(arguments, (_function(ends, first), _function(ends, second)))
        for name, (arguments, (first, second)) in calls.items()
    }
    return Expanded(tuple(_without(ends, node) for node in nodes), parts)


def _function(ends: Mapping[str, Any], name: str) -> Function:
    """What a call gives that has been replaced by the nodes of its function."""
    if name not in ends:
        return Function((), ())
    found = [_follow(ends, tensor) for tensor in data_inputs(ends[name])]
    effects = [*control_inputs(ends[name]), *(control for _, waits in found for control in waits)]
    return Function(tuple(tensor for tensor, _ in found), tuple(dict.fromkeys(effects)))


def _without(ends: Mapping[str, Any], node: Any) -> Any:
    """Lets a node take what functions computed, where it took all their results; some may never be there."""
    if not any(node_of(name) in ends for name in data_inputs(node)):
        return node
    new = type(node)()
    new.CopyFrom(node)
    del new.input[:]
    found = [_follow(ends, tensor) for tensor in data_inputs(node)]
    new.input.extend(tensor for tensor, _ in found)
    new.input.extend(dict.fromkeys([*control_inputs(node), *(control for _, waits in found for control in waits)]))
    return new


def _follow(ends: Mapping[str, Any], tensor: str) -> tuple[str, list[str]]:
    """The tensor that another one is the same as, and what that one waits for, too."""
    waits: list[str] = []
    while node_of(tensor) in ends:
        end = ends[node_of(tensor)]
        waits += control_inputs(end)
        tensor = data_inputs(end)[int(tensor.partition(":")[2] or 0)]
    return tensor, waits


def _expanded(node: Any, functions: Mapping[str, Any], taken: set[str]) -> Iterator[Any]:
    """The arguments, the two calls, and the node itself, which waits for them."""
    inputs = data_inputs(node)
    arguments, attributes = inputs[1:], ("else_branch", "then_branch")
    if node.op in LOOPS:
        attributes, arguments = ("cond", "body"), []
        for place, kind in enumerate(node.attr["T"].list.type):
            argument = type(node)(name=_free(f"{node.name}/argument_{place}", taken), op=ARGUMENT)
            argument.attr["dtype"].type = kind
            arguments.append(argument.name)
            yield argument
    waiting = type(node)()
    waiting.CopyFrom(node)
    for attribute in attributes:
        function = node.attr[attribute].func
        call = type(node)(name=_free(f"{node.name}/{attribute}", taken), op="StatefulPartitionedCall")
        call.input.extend([*arguments, *(control_inputs(node) if node.op in CONDITIONS else ())])
        call.attr["f"].func.CopyFrom(function)
        signature = functions[function.name].signature
        call.attr["Tin"].list.type.extend(argument.type for argument in signature.input_arg)
        call.attr["Tout"].list.type.extend(output.type for output in signature.output_arg)
        waiting.input.append(f"^{call.name}")
        yield call
    yield waiting


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name
