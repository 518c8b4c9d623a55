"""Where a graph of TensorFlow 1 can be fed and fetched: for those who have to do without signatures."""

from __future__ import annotations

import dataclasses
from typing import Any

from rehub.formats import dtype
from rehub.formats.structured_value import shape
from rehub.model.op_packages import core_ops
from rehub.model.program import CHECKPOINT_OPS, Program
from rehub.signature import TensorSpec

_FED = frozenset({"Placeholder", "PlaceholderV2", "PlaceholderWithDefault"})
_IN_PLACE = frozenset({"Assert", "Assign", "AssignAdd", "AssignSub", "AssignVariableOp", "NoOp"})
_LISTED = {"IdentityN": "T", "PartitionedCall": "Tout", "StatefulPartitionedCall": "Tout"}
"""The attributes that list the dtypes of all outputs, for ops whose outputs may differ."""
_OPAQUE = frozenset({"resource", "variant"})


@dataclasses.dataclass(frozen=True)
class Endpoints:
    """The ends of a graph.

    Attributes:
        inputs: Placeholders.
        outputs: What depends on an input and is used by no other node; the dtype is empty, and the shape None, where
            the file does not tell.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def endpoints(graph: Any, program: Program) -> Endpoints:
    """Returns the ends of a graph, in the order of the file, by names such as ``x:0``.

    What belongs to its checkpoints is left out; so is everything in a graph with objects, which has functions.

    Args:
        graph: A ``MetaGraphDef``.
        program: The same.
    """
    if graph.HasField("object_graph_def"):
        return Endpoints((), ())
    nodes = program.main.nodes.values()
    used = {name.removeprefix("^").partition(":")[0] for node in nodes for name in node.input}
    checkpoint = program.downstream(lambda node: node.op in CHECKPOINT_OPS)
    fed = program.downstream(lambda node: node.op in _FED)
    file_names = program.upstream(node.input[0] for node in nodes if node.op in CHECKPOINT_OPS and node.input)
    inputs, outputs = [], []
    for node in nodes:
        if node.op in _FED:
            if node.name not in file_names:
                inputs.append(_spec(node))
        elif node.name in fed and node.name not in used and node.name not in checkpoint and not _is_aside(node.op):
            outputs.append(_spec(node))
    return Endpoints(tuple(inputs), tuple(spec for spec in outputs if spec.dtype not in _OPAQUE))


def _is_aside(op: str) -> bool:
    return op in _IN_PLACE or op.endswith("Summary")


def _spec(node: Any) -> TensorSpec:
    static = first_shape(node)
    if static is None and "shape" in node.attr:
        static = shape(node.attr["shape"].shape)
    return TensorSpec(first_dtype(node), static, f"{node.name}:0")


def first_shape(node: Any) -> tuple[int | None, ...] | None:
    """The shape of a node's first output; None where the file does not tell."""
    shapes = node.attr["_output_shapes"].list.shape if "_output_shapes" in node.attr else ()
    return shape(shapes[0]) if shapes else None


def first_dtype(node: Any) -> str:
    """The dtype of a node's first output; empty where the file does not tell, or without one."""
    if node.op in _LISTED and _LISTED[node.op] in node.attr:
        dtypes = node.attr[_LISTED[node.op]].list.type
        return dtype.name(dtypes[0]) if dtypes else ""
    word, _, default = core_ops().get(node.op, "").partition(" ")
    if word.isdigit():
        return dtype.name(int(word))
    if word in node.attr:
        return dtype.name(node.attr[word].type)
    return dtype.name(int(default)) if default else ""
