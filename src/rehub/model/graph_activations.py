"""The tensors inside of a graph of TensorFlow 1 that a layer can return, by the names of their nodes."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping
from typing import Any

from rehub.formats.saved_model import NOT_CALLABLE
from rehub.model.activations import NUMBERS, Activation
from rehub.model.endpoints import first_dtype, first_shape
from rehub.model.program import data_inputs, node_of, tensor_names
from rehub.model.tensor_arrays import ARRAY, GIVES_FLOW, flows

_BEGIN = frozenset({"Enter", "LoopCond", "NextIteration", "Switch"})
_ARRAYS = GIVES_FLOW | {ARRAY}
_BACK = ("NextIteration",)
_OF_LOOPS = ("LoopCond", "NextIteration")


def graph_activations(graph: Any) -> dict[str, tuple[Activation, ...]]:
    """Returns the activations of each signature of a graph without objects.

    Args:
        graph: A ``MetaGraphDef``.
    """
    nodes = {node.name: node for node in graph.graph_def.node}
    inside = _inside(nodes)
    found = {}
    for name, ends in sorted(graph.signature_def.items()):
        if name not in NOT_CALLABLE:
            found[name] = tuple(_of_signature(ends, nodes, inside))
    return {name: each for name, each in found.items() if each}


def signature_activations(graph: Any, signature: str) -> tuple[str, ...]:
    """Returns their names for one signature."""
    nodes = {node.name: node for node in graph.graph_def.node}
    return tuple(each.name for each in _of_signature(graph.signature_def[signature], nodes, _inside(nodes)))


def _of_signature(ends: Any, nodes: Mapping[str, Any], inside: set[str]) -> Iterable[Activation]:
    """What is on the way from the inputs to the outputs, in the order of the graph."""
    inputs, outputs = (
        [node_of(name) for info in part.values() for name in tensor_names(info)] for part in (ends.inputs, ends.outputs)
    )
    sources = {name: list(map(node_of, node.input)) for name, node in nodes.items()}
    users = collections.defaultdict[str, list[str]](list)
    for name, node in nodes.items():
        for source in data_inputs(node):
            users[node_of(source)].append(name)
    between = _reached(outputs, sources) & (_reached(inputs, users) - set(inputs) - flows(nodes))
    for name, node in nodes.items():
        if name in between and name not in inside and node.op not in _ARRAYS:
            dtype = first_dtype(node)
            if dtype in NUMBERS:
                yield Activation(name, dtype, first_shape(node), node.op)


def _reached(starts: Iterable[str], following: Mapping[str, list[str]]) -> set[str]:
    found, waiting = set[str](), list(starts)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += following.get(name, ())
    return found


def _inside(nodes: Mapping[str, Any]) -> set[str]:
    """The nodes that are inside of loops and conditions: between those that begin and end them."""
    depths: dict[str, int] = {}
    for start in nodes:
        stack = [(start, False)]
        while stack:
            name, is_ready = stack.pop()
            if is_ready:
                depths[name] = _depth(nodes[name], nodes, depths)
            elif name not in depths and name in nodes:
                stack.append((name, True))
                sources = map(node_of, data_inputs(nodes[name]))
                stack += [(each, False) for each in sources if each not in depths and not _is(each, nodes, _BACK)]
    return {name for name, depth in depths.items() if depth > 0 or nodes[name].op in _BEGIN}


def _depth(node: Any, nodes: Mapping[str, Any], depths: Mapping[str, int]) -> int:
    """How many loops and conditions a node is inside of."""
    sources = [node_of(name) for name in data_inputs(node)]
    depth = max((depths.get(source, 0) for source in sources), default=0)
    of_loop = any(_is(source, nodes, _OF_LOOPS) for source in sources)
    if node.op == "Enter" or (node.op == "Switch" and not of_loop):
        return depth + 1
    return depth - 1 if node.op == "Exit" or (node.op == "Merge" and not of_loop) else depth


def _is(name: str, nodes: Mapping[str, Any], ops: tuple[str, ...]) -> bool:
    return name in nodes and nodes[name].op in ops
