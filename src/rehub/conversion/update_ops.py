"""The updates of a forward pass, such as those of moving averages, taken out of it: TensorFlow 1 runs them apart.

A function of TensorFlow 2 updates its variables whenever it is called. Its results wait for that by control edges.
"""

from __future__ import annotations

import collections
import graphlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from rehub.model.program import WRITES, control_inputs, data_inputs, function_names, node_of


def take_out(nodes: Sequence[Any], library: Any, outputs: Iterable[str]) -> list[str]:
    """Lets the outputs of a graph no longer wait for updates of variables, in place.

    An update stays part of the forward pass if an output depends on a value that is read after it.

    Args:
        nodes: The ``NodeDef`` messages of a graph without calls of functions; conditions and loops are functions.
        library: The ``FunctionDefLibrary`` that these are in.
        outputs: The tensors.

    Returns:
        The nodes that update, in the order in which they are to run.
    """
    graph = {node.name: node for node in nodes}
    forward = _upstream(graph, outputs, with_controls=False)
    users = collections.defaultdict[str, list[str]](list)
    for node in nodes:
        for name in node.input:
            users[node_of(name)].append(node.name)
    functions = {function.signature.name: function for function in library.function}
    aside = _upstream(graph, outputs, with_controls=True) - forward
    writers = [name for name in aside if _writes(graph[name], functions)]
    later = {name: _downstream(users, name) for name in writers}
    needed = {name for name in writers if _is_read_later(graph, name, later[name] & forward)}
    forward |= _upstream(graph, needed, with_controls=False)
    updates = set(writers) - needed
    if not updates:
        return []
    waiting = updates.union(*(later[name] for name in updates)) - forward
    order = list(graphlib.TopologicalSorter({name: map(node_of, graph[name].input) for name in graph}).static_order())
    _cut(graph, order, forward, waiting)
    return [name for name in order if name in updates]


def _cut(graph: Mapping[str, Any], order: Iterable[str], forward: Collection[str], waiting: Collection[str]) -> None:
    """Removes the control edges from what waits to the forward pass; what else waited for that keeps its order."""
    cut: dict[str, dict[str, None]] = {}  # a node of the forward pass -> what it does not wait for any more
    for name in order:
        node = graph[name]
        controls = control_inputs(node)
        released = dict.fromkeys(
            each for control in controls for each in ([control] if control[1:] in waiting else cut.get(control[1:], ()))
        )
        if not released:
            continue
        if name in forward:
            cut[name] = released
            kept = [each for each in node.input if each not in released]
        else:
            kept = [*node.input, *(each for each in released if each not in node.input)]
        del node.input[:]
        node.input.extend(kept)


def _upstream(graph: Mapping[str, Any], roots: Iterable[str], *, with_controls: bool) -> set[str]:
    found: set[str] = set()
    waiting = [node_of(root) for root in roots]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            inputs = graph[name].input if with_controls else data_inputs(graph[name])
            waiting += map(node_of, inputs)
    return found


def _downstream(users: Mapping[str, Sequence[str]], name: str) -> set[str]:
    found: set[str] = set()
    waiting = list(users.get(name, ()))
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting += users.get(each, ())
    return found


def _writes(node: Any, functions: Mapping[str, Any]) -> bool:
    waiting, seen = [node], set[str]()
    while waiting:
        each = waiting.pop()
        if each.op.startswith(WRITES):
            return True
        for name in function_names(each, passed_on=True):
            if name in functions and name not in seen:
                seen.add(name)
                waiting += functions[name].node_def
    return False


def _is_read_later(graph: Mapping[str, Any], writer: str, later: Iterable[str]) -> bool:
    written = {_origin(graph, name) for name in data_inputs(graph[writer])}
    return any(
        _origin(graph, name) in written and graph[reader].op not in ("Identity", "IdentityN")
        for reader in later
        for name in data_inputs(graph[reader])
        if _is_argument(graph, name)
    )


def _is_argument(graph: Mapping[str, Any], name: str) -> bool:
    return bool(graph[_origin(graph, name)].op == "Placeholder")


def _origin(graph: Mapping[str, Any], name: str) -> str:
    """The node that a handle comes from."""
    node = graph[node_of(name)]
    while node.op in ("Identity", "IdentityN") and data_inputs(node):
        place = int(name.rpartition(":")[2]) if ":" in name else 0
        name = data_inputs(node)[place]
        node = graph[node_of(name)]
    return str(node.name)
