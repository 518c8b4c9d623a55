"""The tensors inside of a model's functions that a layer can return, by the names of their nodes."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rehub.model.endpoints import first_dtype, first_shape
from rehub.model.inlining import inline_functions
from rehub.model.program import data_inputs, node_of

_CALL = "__call__"
NUMBERS = frozenset({"bfloat16", "float16", "float32", "float64", "complex64", "complex128"})
"""The dtypes of activations."""
_PASSIVE = frozenset({"Const", "Identity", "IdentityN", "NoOp", "Placeholder"})


@dataclasses.dataclass(frozen=True)
class Activation:
    """The first output of a node.

    Attributes:
        name: The node. That of an inner function follows the name of the call, as in ``dense/PartitionedCall/MatMul``.
        dtype: TensorFlow's name of the dtype.
        shape: One entry per axis, None where any size fits; None for any rank.
        op: The type of the node; ``IdentityN`` where an inner function ends.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None
    op: str


@dataclasses.dataclass(frozen=True)
class Trace:
    """A function of a library, and how many of its arguments are no inputs, but variables and the like.

    Attributes:
        function: A ``FunctionDef`` message.
        captures: Their number; they are the last ones.
    """

    function: Any
    captures: int


def model_activations(graph: Any) -> dict[str, tuple[Activation, ...]]:
    """Returns the activations of ``__call__`` and of each signature of a model; none for a graph without objects.

    Args:
        graph: A ``MetaGraphDef``.
    """
    library = graph.graph_def.library
    functions = {function.signature.name: function for function in library.function}
    captures = {
        name: len(concrete.bound_inputs) for name, concrete in graph.object_graph_def.concrete_functions.items()
    }
    found = {}
    for call, names in _concrete_functions(graph.object_graph_def.nodes).items():
        traces = [Trace(functions[name], captures.get(name, 0)) for name in names if name in functions]
        found[call] = tuple(activations(traces, library).values())
    return {call: each for call, each in found.items() if each}


def activations(traces: Sequence[Trace], library: Any) -> dict[str, Activation]:
    """Returns what all traces of a function have in common, by name, in the order of the first graph.

    These are tensors of floating-point or complex numbers that depend on the inputs. Calls of inner functions are
    looked through; what is inside of loops and conditions has no name out here. A function that does nothing but call
    another one counts as that.

    Args:
        traces: The traces.
        library: A ``FunctionDefLibrary`` with all that they call.
    """
    functions = {function.signature.name: function for function in library.function}
    inlined = inline_functions((trace.function for trace in traces), library)
    listings = [_of_trace(trace, nodes, functions) for trace, nodes in zip(traces, inlined, strict=True)]
    if not listings:
        return {}
    first, *others = listings
    common = (name for name in first if all(name in other for other in others))
    merged = {name: _merge([listing[name] for listing in listings]) for name in common}
    return {name: activation for name, activation in merged.items() if activation is not None}


def entered(nodes: Iterable[Any], functions: Mapping[str, Any]) -> str:
    """Returns what stands before the names of a graph that does nothing but call a function; else nothing.

    Args:
        nodes: The nodes of the graph, before calls are replaced.
        functions: The functions that may be called, by name.
    """
    prefix, seen = "", set[str]()
    while True:
        active = [node for node in nodes if node.op not in _PASSIVE]
        name = active[0].attr["f"].func.name if len(active) == 1 and "f" in active[0].attr else ""
        if name not in functions or name in seen or not active[0].op.endswith("PartitionedCall"):
            return prefix
        seen.add(name)
        prefix += f"{active[0].name}/"
        nodes = functions[name].node_def


def _of_trace(trace: Trace, nodes: Sequence[Any], functions: Mapping[str, Any]) -> dict[str, Activation]:
    arguments = [argument.name for argument in trace.function.signature.input_arg]
    live = _downstream(nodes, arguments[: len(arguments) - trace.captures])
    prefix = entered(trace.function.node_def, functions)
    return {
        node.name[len(prefix) :]: Activation(node.name[len(prefix) :], dtype, first_shape(node), node.op)
        for node in nodes
        if node.name in live and node.name.startswith(prefix)
        for dtype in (first_dtype(node),)
        if dtype in NUMBERS
    }


def _downstream(nodes: Iterable[Any], arguments: Iterable[str]) -> set[str]:
    """The nodes whose values depend on some arguments."""
    users = collections.defaultdict[str, list[str]](list)
    for node in nodes:
        for name in data_inputs(node):
            users[node_of(name)].append(node.name)
    waiting, found = [user for argument in arguments for user in users[argument]], set[str]()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += users[name]
    return found


def _merge(same: Sequence[Activation]) -> Activation | None:
    """What holds for all; None if they are of different dtypes."""
    first = same[0]
    if any(each.dtype != first.dtype for each in same):
        return None
    shapes = [each.shape for each in same]
    shape: tuple[int | None, ...] | None = None
    if first.shape is not None and all(each is not None and len(each) == len(first.shape) for each in shapes):
        shape = tuple(
            sizes[0] if len(set(sizes)) == 1 else None for sizes in zip(*(each or () for each in shapes), strict=True)
        )
    return dataclasses.replace(first, shape=shape)


def _concrete_functions(nodes: Any) -> dict[str, list[str]]:
    """The functions of ``__call__`` and of each signature, by these names."""
    if not nodes:
        return {}
    children = {child.local_name: nodes[child.node_id] for child in nodes[0].children}
    found = {}
    if _CALL in children and children[_CALL].HasField("function"):
        found[_CALL] = list(children[_CALL].function.concrete_functions)
    for child in children["signatures"].children if "signatures" in children else ():
        if nodes[child.node_id].HasField("bare_concrete_function"):
            found[child.local_name] = [nodes[child.node_id].bare_concrete_function.concrete_function_name]
    return found
