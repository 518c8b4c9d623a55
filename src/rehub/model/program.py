"""A graph with its functions as one program: what runs when the model is used, and where a file name comes from."""

from __future__ import annotations

import collections
import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from rehub.formats.saved_model import asset_messages, collection

CHECKPOINT_OPS = frozenset(
    {"Save", "SaveSlices", "SaveV2", "Restore", "RestoreSlice", "RestoreV2", "MergeV2Checkpoints"}
)
"""Ops that a SavedModel has to write and read its own variables."""

_RUN_COLLECTIONS = (
    "saved_model_main_op",
    "legacy_init_op",
    "table_initializer",
    "update_ops",
    "regularization_losses",
)
"""Collections of nodes that are run when a graph is loaded, or imported by an application."""

_ARGUMENTS_FROM = {
    "PartitionedCall": 0,
    "StatefulPartitionedCall": 0,
    "If": 1,
    "StatelessIf": 1,
    "Case": 1,
    "StatelessCase": 1,
    "While": 0,
    "StatelessWhile": 0,
}
"""The first input of these ops that becomes an argument of the functions they call."""

_SAME_VALUE = frozenset({"Identity", "ReadVariableOp", "Enter", "Switch"})


@dataclasses.dataclass(frozen=True)
class Body:
    """The graph itself, or one of its functions.

    Attributes:
        name: Of the function; empty for the graph.
        nodes: By name.
        arguments: Names of the arguments of the function.
    """

    name: str
    nodes: Mapping[str, Any]
    arguments: tuple[str, ...]


class Program:
    """A ``MetaGraphDef`` whose references lead somewhere."""

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._call_nothing = set[str]()
        definition = graph.graph_def
        self.main = Body("", {node.name: node for node in definition.node}, ())
        self.functions = {
            function.signature.name: Body(
                function.signature.name,
                {node.name: node for node in function.node_def},
                tuple(argument.name for argument in function.signature.input_arg),
            )
            for function in definition.library.function
        }

    @property
    def bodies(self) -> Iterator[Body]:
        """The graph and its functions."""
        yield self.main
        yield from self.functions.values()

    def calls(self, node: Any) -> list[str]:
        """Returns the functions that a node names."""
        if node.op in self.functions:
            return [node.op]
        if node.op in self._call_nothing:
            return []
        # Attributes that begin with "_" are notes of those who made the graph, no kernel reads them.
        kinds = {key: value.WhichOneof("value") for key, value in node.attr.items() if not key.startswith("_")}
        if not {"func", "list"} & set(kinds.values()):
            self._call_nothing.add(node.op)  # all nodes of one type have attributes of the same kinds
            return []
        found = []
        for key, kind in kinds.items():
            if kind == "func":
                found.append(node.attr[key].func.name)
            elif kind == "list":
                found.extend(function.name for function in node.attr[key].list.func)
        return [name for name in found if name in self.functions]

    def is_in_use(self, body: Body, node: Any) -> bool:
        """Tells whether a node runs when the model is loaded, called or trained.

        What only writes checkpoints, or reads them in place of the loader, does not.
        """
        return node.name in self._nodes_in_use if body is self.main else body.name in self._functions_in_use

    @functools.cached_property
    def _nodes_in_use(self) -> set[str]:
        return self.upstream(self._roots())

    @functools.cached_property
    def _functions_in_use(self) -> set[str]:
        library = self._graph.graph_def.library
        gradients = [*library.gradient, *library.registered_gradients]
        waiting = [name for node in self._nodes_in_use for name in self.calls(self.main.nodes[node])]
        waiting += [each.gradient_func for each in gradients if each.gradient_func in self.functions]
        waiting += [name for name in self._graph.object_graph_def.concrete_functions if name in self.functions]
        found = set[str]()
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += (called for node in self.functions[name].nodes.values() for called in self.calls(node))
        return found

    def _roots(self) -> Iterator[str]:
        for signature in self._graph.signature_def.values():
            for info in signature.outputs.values():
                yield from _tensor_names(info)
        for name in _RUN_COLLECTIONS:
            yield from collection(self._graph, name).node_list.value
        if not self._graph.signature_def and not self._graph.HasField("object_graph_def"):
            checkpoint_ops = self.downstream(lambda node: node.op in CHECKPOINT_OPS)
            yield from (name for name in self.main.nodes if name not in checkpoint_ops)

    def upstream(self, names: Iterable[str]) -> set[str]:
        """Returns the nodes of the graph that some tensors or nodes depend on, with these."""
        found = set()
        waiting = [_node_of(name) for name in names]
        while waiting:
            name = waiting.pop()
            if name not in found and name in self.main.nodes:
                found.add(name)
                waiting += map(_node_of, self.main.nodes[name].input)
        return found

    def downstream(self, starts: Callable[[Any], bool]) -> set[str]:
        """Returns the nodes of the graph that satisfy a predicate, and all that depend on them."""
        users = collections.defaultdict(list)
        for node in self.main.nodes.values():
            for name in node.input:
                users[_node_of(name)].append(node.name)
        found = set()
        waiting = [node.name for node in self.main.nodes.values() if starts(node)]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += users[name]
        return found

    def is_own_asset(self, body: Body, node: Any, place: int) -> bool:
        """Tells whether an input of a node is always the path of one of the model's own files.

        Args:
            body: Where the node is.
            node: The node.
            place: The number of the input.
        """
        inputs = _data_inputs(node)
        return place < len(inputs) and (body.name, _node_of(inputs[place])) in self._own_assets

    @functools.cached_property
    def _own_assets(self) -> set[tuple[str, str]]:
        """All values that are such paths, as function and node or argument: assets, and what only they flow into."""
        users = collections.defaultdict(list)
        sources = collections.Counter[tuple[str, str]]()  # how many places give a value to an argument or variable
        for body in self.bodies:
            for node in body.nodes.values():
                for place, name in enumerate(_data_inputs(node)):
                    users[body.name, _node_of(name)].append((node, place))
                for function in map(self.functions.__getitem__, self.calls(node)):
                    sources.update((function.name, argument) for argument in function.arguments)
                if node.op == "AssignVariableOp" and node.input:
                    sources[body.name, _node_of(node.input[0])] += 1
        found = set[tuple[str, str]]()
        waiting = [("", _node_of(message.tensor_info.name)) for message in asset_messages(self._graph)]
        waiting += self._captured_assets(sources)
        while waiting:
            value = waiting.pop()
            if value in found:
                continue
            found.add(value)
            for node, place in users[value]:
                for target in self._targets(value[0], node, place):
                    sources[target] -= 1
                    if sources[target] <= 0:
                        waiting.append(target)
        return found

    def _captured_assets(self, sources: collections.Counter[tuple[str, str]]) -> list[tuple[str, str]]:
        """Arguments that get an asset from the object graph, and from nowhere else; counts these sources."""
        objects, found = self._graph.object_graph_def, []
        for name, concrete in objects.concrete_functions.items():
            arguments = self.functions[name].arguments if name in self.functions else ()
            first = len(arguments) - len(concrete.bound_inputs)
            for place, argument in enumerate(arguments):
                bound = objects.nodes[concrete.bound_inputs[place - first]] if place >= max(first, 0) else None
                if bound is None or not bound.HasField("asset"):
                    sources[name, argument] += 1  # from the user: never an asset
                elif sources[name, argument] == 0:
                    found.append((name, argument))
        return found

    def _targets(self, body: str, node: Any, place: int) -> list[tuple[str, str]]:
        """The values into which an input of a node flows unchanged."""
        if node.op in _SAME_VALUE and place == 0:
            return [(body, node.name)]
        if node.op == "AssignVariableOp" and place == 1:
            return [(body, _node_of(node.input[0]))]
        start = 0 if node.op in self.functions else _ARGUMENTS_FROM.get(node.op)
        if start is None or place < start:
            return []
        called = (self.functions[name] for name in self.calls(node))
        return [(each.name, each.arguments[place - start]) for each in called if place - start < len(each.arguments)]


def _node_of(name: str) -> str:
    return name.removeprefix("^").partition(":")[0]


def _data_inputs(node: Any) -> list[str]:
    return [name for name in node.input if not name.startswith("^")]


def _tensor_names(info: Any) -> Iterator[str]:
    yield info.name
    sparse = info.coo_sparse
    yield from (sparse.values_tensor_name, sparse.indices_tensor_name, sparse.dense_shape_tensor_name)
    for component in info.composite_tensor.components:
        yield from _tensor_names(component)
