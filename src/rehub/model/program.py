"""A graph with its functions as one program: what calls what, and what runs when the model is used."""

from __future__ import annotations

import collections
import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from rehub.formats.saved_model import collection

_SAVE_OPS = frozenset({"Save", "SaveSlices", "SaveV2", "MergeV2Checkpoints"})

CHECKPOINT_OPS = _SAVE_OPS | {"Restore", "RestoreSlice", "RestoreV2"}
"""Ops that a SavedModel has to write and read its own variables."""

INIT_COLLECTIONS = ("saved_model_main_op", "legacy_init_op", "table_initializer")
"""Collections of nodes that are run when a graph is loaded."""

WRITES = (
    *("Assign", "ResourceApply", "ResourceCountUpTo"),
    *("ResourceScatter", "ResourceSparseApply", "ResourceStridedSliceAssign"),
)
"""What the types of ops that write into a variable begin with."""

_CALL_COLLECTIONS = ("update_ops", "regularization_losses")
"""Collections of nodes that an application runs when it imports a graph."""


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
        self.graph = graph
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
        """Returns the functions that a node calls, or passes on, each as often as it names them."""
        names = [node.op, *function_names(node, passed_on=True)]
        return [name for name in names if name in self.functions]

    def is_in_use(self, body: Body, node: Any) -> bool:
        """Tells whether a node runs when the model is loaded, called or trained.

        What only writes checkpoints, or reads them in place of the loader, does not.
        """
        reached = [self._used, self._restoring] if node.op in _SAVE_OPS else [self._used]
        return any(node.name in nodes if body is self.main else body.name in functions for nodes, functions in reached)

    @functools.cached_property
    def run_by_loader_alone(self) -> set[str]:
        """Nodes of the graph that run when it is initialized, which is when assets are fed, and at no other time."""
        others = [*self._call_roots(), self.graph.saver_def.restore_op_name]
        return self.upstream(self._init_roots()) - self.upstream(others)

    @functools.cached_property
    def gradients(self) -> list[str]:
        """The functions that give the gradients of others."""
        library = self.graph.graph_def.library
        names = (each.gradient_func for each in (*library.gradient, *library.registered_gradients))
        return [name for name in names if name in self.functions]

    @functools.cached_property
    def _used(self) -> tuple[set[str], set[str]]:
        objects = [name for name in self.graph.object_graph_def.concrete_functions if name in self.functions]
        return self._reached([*self._init_roots(), *self._call_roots()], [*self.gradients, *objects])

    @functools.cached_property
    def _restoring(self) -> tuple[set[str], set[str]]:
        return self._reached([self.graph.saver_def.restore_op_name], [])

    def _reached(self, roots: Iterable[str], functions: Iterable[str]) -> tuple[set[str], set[str]]:
        """The nodes of the graph, and the functions, that run with some nodes and some functions."""
        nodes = self.upstream(roots)
        waiting = [*functions, *(name for node in nodes for name in self.calls(self.main.nodes[node]))]
        found = set[str]()
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += (called for node in self.functions[name].nodes.values() for called in self.calls(node))
        return nodes, found

    def _init_roots(self) -> Iterator[str]:
        for name in INIT_COLLECTIONS:
            yield from collection(self.graph, name).node_list.value

    def _call_roots(self) -> Iterator[str]:
        for signature in self.graph.signature_def.values():
            for info in signature.outputs.values():
                yield from tensor_names(info)
        for name in _CALL_COLLECTIONS:
            yield from collection(self.graph, name).node_list.value
        if not self.graph.signature_def and not self.graph.HasField("object_graph_def"):
            aside = self.downstream(lambda node: node.op in CHECKPOINT_OPS) | self.upstream(self._init_roots())
            yield from (name for name in self.main.nodes if name not in aside)

    def upstream(self, names: Iterable[str]) -> set[str]:
        """Returns the nodes of the graph that some tensors or nodes depend on, with these."""
        found = set()
        waiting = [node_of(name) for name in names]
        while waiting:
            name = waiting.pop()
            if name not in found and name in self.main.nodes:
                found.add(name)
                waiting += map(node_of, self.main.nodes[name].input)
        return found

    def downstream(self, starts: Callable[[Any], bool]) -> set[str]:
        """Returns the nodes of the graph that satisfy a predicate, and all that depend on them."""
        users = collections.defaultdict(list)
        for node in self.main.nodes.values():
            for name in node.input:
                users[node_of(name)].append(node.name)
        found = set()
        waiting = [node.name for node in self.main.nodes.values() if starts(node)]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += users[name]
        return found


def canonical(name: str) -> str:
    """Returns a tensor's name with the number of the output; names of operations, such as ``^x``, stay."""
    return name if name.startswith("^") or ":" in name else f"{name}:0"


def control_inputs(node: Any) -> list[str]:
    """Returns the inputs of a node that carry no values, with names like ``^x``."""
    return [name for name in node.input if name.startswith("^")]


def node_of(name: str) -> str:
    """Returns the node, or the argument, that an input such as ``x:0`` or ``^x`` comes from."""
    return name.removeprefix("^").partition(":")[0]


def data_inputs(node: Any) -> list[str]:
    """Returns the inputs of a node that carry values."""
    return [name for name in node.input if not name.startswith("^")]


def tensor_names(info: Any) -> Iterator[str]:
    """Yields the tensors that a ``TensorInfo`` names; some may be empty."""
    yield info.name
    sparse = info.coo_sparse
    yield from (sparse.values_tensor_name, sparse.indices_tensor_name, sparse.dense_shape_tensor_name)
    for component in info.composite_tensor.components:
        yield from tensor_names(component)


def function_names(holder: Any, *, passed_on: bool = False) -> list[str]:
    """Returns the names in the attributes of a node.

    Args:
        holder: A ``NodeDef``, or another message with attributes.
        passed_on: Whether those count, too, that are passed to the functions of the attributes.
    """
    found = []
    for key, value in holder.attr.items():
        kind = value.WhichOneof("value")
        # What begins with "_" is a note of those who made the graph, no kernel reads it.
        if key.startswith("_") or kind not in ("func", "list"):
            continue
        for function in [value.func] if kind == "func" else value.list.func:
            found.append(function.name)
            if passed_on:
                found += function_names(function, passed_on=True)
    return found
