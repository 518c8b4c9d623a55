"""The variables of a graph: what they are called, what they hold, and which a fine-tuning trains."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

from rehub.formats import dtype, saved_model
from rehub.formats.checkpoint_index import CheckpointIndex
from rehub.formats.structured_value import shape
from rehub.model.objects import ModelObject

_MAX_RANK = 254
"""Of TensorFlow; the product of more sizes than any tensor has is not worth its time."""

_OPS = frozenset({"VarHandleOp", "VariableV2", "Variable", "AutoReloadVariable"})


@dataclasses.dataclass(frozen=True)
class Variable:
    """One variable.

    Attributes:
        name: Its name, without ``:0``; several may bear the same one.
        path: The attributes that lead to it; empty in a graph without objects.
        dtype: TensorFlow's name of the dtype; empty if no file tells it.
        shape: Its shape, None for a size that is not known; None if the rank is not.
        size_bytes: How many bytes its values take; None if no file tells it.
        is_trainable: Whether it is among those to train.
    """

    name: str
    path: str
    dtype: str
    shape: tuple[int | None, ...] | None
    size_bytes: int | None
    is_trainable: bool


def variables(
    graph: Any, objects: Iterable[ModelObject], checkpoint: CheckpointIndex | None
) -> tuple[tuple[Variable, ...], tuple[Variable, ...]]:
    """Returns the variables of the model, and those beside it: state of an optimizer, copies that an export made.

    A model is what its publisher listed in ``variables`` and ``trainable_variables``; all there is, without a list.

    Args:
        graph: A ``MetaGraphDef`` whose references lead somewhere.
        objects: Its objects.
        checkpoint: The index of its variables, if there is one.

    Raises:
        saved_model.DamagedError: If a variable in its collections is no valid message.
    """
    stored = {} if checkpoint is None else {entry.name: entry for entry in checkpoint.entries if not entry.is_slice}
    if not graph.HasField("object_graph_def"):
        return tuple(_of_graph(graph, stored)), ()
    nodes = graph.object_graph_def.nodes
    lists = {child.local_name: nodes[child.node_id] for child in nodes[0].children} if nodes else {}
    listed = {name: _members(lists, name) for name in ("variables", "trainable_variables") if name in lists}
    everything = [entry for entry in objects if entry.kind == "variable" and entry.same_as is None]
    chosen = set().union(*listed.values()) if listed else {entry.node for entry in everything}
    trainable = listed.get("trainable_variables", set())
    own: list[Variable] = []
    others: list[Variable] = []
    for entry in everything:
        message = nodes[entry.node].variable
        is_trainable = entry.node in trainable if listed else message.trainable
        variable = _variable(
            message.name, entry.path, dtype.name(message.dtype), shape(message.shape), is_trainable, stored
        )
        (own if entry.node in chosen else others).append(variable)
    return tuple(own), tuple(others)


def regularization_losses(graph: Any) -> int:
    """Returns how many regularization losses a ``MetaGraphDef`` holds."""
    nodes = graph.object_graph_def.nodes
    if not nodes:
        return len(saved_model.collection(graph, "regularization_losses").node_list.value)
    return sum(
        len(nodes[child.node_id].children) for child in nodes[0].children if child.local_name == "regularization_losses"
    )


def _members(lists: Mapping[str, Any], name: str) -> set[int]:
    return {child.node_id for child in lists[name].children}


def _of_graph(graph: Any, stored: Mapping[str, Any]) -> Iterable[Variable]:
    nodes = {node.name: node for node in graph.graph_def.node if node.op in _OPS}
    trainable = {message.variable_name for message in saved_model.variable_messages(graph, "trainable_variables")}
    names = [message.variable_name for message in saved_model.variable_messages(graph)]
    for full in dict.fromkeys(names):
        name = full.removesuffix(":0")
        attributes = nodes[name].attr if name in nodes else {}
        kind = dtype.name(attributes["dtype"].type) if "dtype" in attributes else ""
        static = shape(attributes["shape"].shape) if "shape" in attributes else None
        yield _variable(name, "", kind, static, full in trainable, stored)


def _variable(
    name: str,
    path: str,
    dtype_name: str,
    static: tuple[int | None, ...] | None,
    is_trainable: bool,
    stored: Mapping[str, Any],
) -> Variable:
    """Adds what only the checkpoint tells: a shape that the graph leaves open, the length of strings."""
    key = f"{path.replace('.', '/')}/.ATTRIBUTES/VARIABLE_VALUE" if path else name
    entry = stored.get(key)
    if entry is not None and (static is None or None in static):
        static = entry.shape
    item = dtype.item_bytes(dtype_name)
    size = None
    if item is not None and static is not None and None not in static and len(static) <= _MAX_RANK:
        size = item * math.prod(size for size in static if size is not None)
    elif entry is not None:
        size = entry.size_bytes
    return Variable(name, path, dtype_name, static, size, is_trainable)
