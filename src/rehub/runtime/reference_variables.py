"""Graphs of TensorFlow 1 whose variables are references, rewritten to resource variables.

A reference is a tensor that others write into. It can neither be captured by a function nor seen by a tape, and what a
read of it gives depends on when the consumer runs. A resource variable is read by an op of its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from rehub.model.program import node_of
from rehub.runtime import tf_private
from rehub.runtime.tf_version import import_tensorflow

_VARIABLES = frozenset({"Variable", "VariableV2"})

_SAME_REFERENCE = {
    "RefEnter": "Enter",
    "RefExit": "Exit",
    "RefIdentity": "Identity",
    "RefMerge": "Merge",
    "RefNextIteration": "NextIteration",
    "RefSwitch": "Switch",
}
"""Ops that pass a reference on, and what passes a resource on in the same way."""

_WRITES = {
    "Assign": "AssignVariableOp",
    "AssignAdd": "AssignAddVariableOp",
    "AssignSub": "AssignSubVariableOp",
    **{
        f"Scatter{kind}": f"ResourceScatter{kind}"
        for kind in ("Add", "Div", "Max", "Min", "Mul", "Sub", "Update", "NdAdd", "NdMax", "NdMin", "NdSub", "NdUpdate")
    },
    "StridedSliceAssign": "ResourceStridedSliceAssign",
}
"""Ops that write into a reference and pass it on, and what writes into a resource."""

_TABLES = frozenset(
    {
        "HashTable",
        "InitializeTable",
        "InitializeTableFromTextFile",
        "LookupTableExport",
        "LookupTableFind",
        "LookupTableImport",
        "LookupTableInsert",
        "LookupTableSize",
        "MutableDenseHashTable",
        "MutableHashTable",
        "MutableHashTableOfTensors",
    }
)
"""Ops of tables that are references; those of tables that are resources end in ``V2``, and are the same otherwise."""

_READS = {"CountUpTo": "ResourceCountUpTo", "IsVariableInitialized": "VarIsInitializedOp"}
"""Other ops that take a reference and give a value."""


@dataclasses.dataclass(frozen=True)
class _Reference:
    """What a tensor that was a reference is now: the handle of a variable, read after some ops."""

    handle: str
    dtype: int
    after: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Rewritten:
    """A graph without references.

    Attributes:
        nodes: Its nodes; those that were there before keep their names.
        tensors: For each tensor of the old graph that was a reference and was asked for by name: the tensor that reads
            it.
        inserted: The nodes that were inserted to read variables, by the node that they read for.
        refused: The nodes that work on references in a way that no resource offers, and are as they were.
    """

    nodes: tuple[Any, ...]
    tensors: Mapping[str, str]
    inserted: Mapping[str, tuple[str, ...]]
    refused: frozenset[str]


def to_resources(nodes: Iterable[Any], fetches: Iterable[str]) -> Rewritten:
    """Rewrites the reference variables of a graph, and all that reads and writes them.

    Args:
        nodes: The ``NodeDef`` messages of a graph; they stay as they are.
        fetches: Names of tensors that will be read as values, such as ``w:0``.
    """
    rewriter = _Rewriter({node.name: node for node in nodes})
    return rewriter.run(fetches)


class _Rewriter:
    def __init__(self, nodes: Mapping[str, Any]) -> None:
        self._nodes = nodes
        self._references: dict[str, _Reference] = {}
        self._out: list[Any] = []
        self._inserted: dict[str, tuple[str, ...]] = {}
        self._refused: set[str] = set()

    def run(self, fetches: Iterable[str]) -> Rewritten:
        self._find_references()
        for node in self._nodes.values():
            self._out.append(self._rewritten(node))
        tensors = {}
        for fetch in fetches:
            reference = self._references.get(_short(fetch))
            if reference is not None and fetch not in tensors:
                tensors[fetch] = f"{self._read(node_of(fetch), reference, ())}:0"
        return Rewritten(tuple(self._out), tensors, self._inserted, frozenset(self._refused))

    def _find_references(self) -> None:
        waiting = [node for node in self._nodes.values() if node.op in _VARIABLES]
        for node in waiting:
            self._references[node.name] = _Reference(node.name, node.attr["dtype"].type, ())
        users: dict[str, list[Any]] = {}
        for node in self._nodes.values():
            if node.op in _SAME_REFERENCE or _writer(node.op):
                for name in node.input:
                    users.setdefault(node_of(name), []).append(node)
        while waiting:
            for user in users.get(waiting.pop().name, ()):
                source = next((r for name in user.input if (r := self._references.get(_short(name)))), None)
                outputs = [user.name, f"{user.name}:1"] if user.op == "RefSwitch" else [user.name]
                if source is None or outputs[0] in self._references:
                    continue
                for output in outputs:
                    if _writer(user.op):
                        reference = dataclasses.replace(source, after=(*source.after, user.name))
                    else:
                        reference = dataclasses.replace(source, handle=output)
                    self._references[output] = reference
                waiting.append(user)

    def _rewritten(self, node: Any) -> Any:
        new = type(node)()
        new.CopyFrom(node)
        if node.op in _VARIABLES:
            new.op = "VarHandleOp"
        elif node.op in _TABLES:
            new.op = f"{node.op}V2"
            new.attr.pop("_output_shapes", None)  # handles have another one
        elif node.op in _SAME_REFERENCE and node.name in self._references:
            new.op = _SAME_REFERENCE[node.op]
            new.attr["T"].type = import_tensorflow().resource.as_datatype_enum
        elif _writer(node.op) or node.op in _READS:
            new.op = _writer(node.op) or _READS[node.op]
            self._fit_attributes(new)
        elif node.op == "Identity" and _short(node.input[0]) in self._references:
            self._make_read(new, self._references[_short(node.input[0])])
            return new
        elif any(map(self._reference_of, node.input)) and tf_private.reference_inputs(node.op):
            self._refused.add(node.name)
            return new
        self._rewire(new, node)
        return new

    def _rewire(self, new: Any, node: Any) -> None:
        handles = tf_private.reference_inputs(node.op) if _writer(node.op) or node.op in _READS else frozenset[int]()
        del new.input[:]
        controls = tuple(name for name in node.input if name.startswith("^"))
        for place, name in enumerate(node.input):
            reference = self._reference_of(name)
            if reference is None:
                new.input.append(name)
            elif node.op in _SAME_REFERENCE or place in handles:
                new.input.append(reference.handle)
                controls += tuple(f"^{op}" for op in reference.after)
            else:
                new.input.append(self._read(node.name, reference, controls))
        if handles or node.op in _SAME_REFERENCE:
            new.input.extend(name for name in dict.fromkeys(controls) if name not in new.input)

    def _reference_of(self, name: str) -> _Reference | None:
        return None if name.startswith("^") else self._references.get(_short(name))

    def _read(self, reader: str, reference: _Reference, controls: tuple[str, ...]) -> str:
        """Inserts an op that reads a variable for a node, when that node would have read it."""
        known = self._inserted.get(reader, ())
        node = type(next(iter(self._nodes.values())))()
        node.name = next(
            name
            for n in range(len(self._nodes) + 1)
            if (name := f"{reader}/Read_{n}") not in self._nodes and name not in known
        )
        node.input.extend(controls)
        self._make_read(node, reference)
        self._out.append(node)
        self._inserted[reader] = (*known, node.name)
        return str(node.name)

    def _make_read(self, node: Any, reference: _Reference) -> None:
        controls = [name for name in node.input if name.startswith("^")]
        controls += [control for op in reference.after if (control := f"^{op}") not in controls]
        del node.input[:]
        node.op = "ReadVariableOp"
        node.input.extend([reference.handle, *controls])
        for key in [key for key in node.attr if not key.startswith("_")]:
            del node.attr[key]
        node.attr["dtype"].type = reference.dtype

    def _fit_attributes(self, node: Any) -> None:
        """Keeps the attributes that the op for resources has; the type of the value may be called otherwise there."""
        known = tf_private.attribute_names(node.op)
        if "dtype" in known and "dtype" not in node.attr:
            node.attr["dtype"].type = node.attr["T"].type
        for key in [key for key in node.attr if not key.startswith("_") and key not in known]:
            del node.attr[key]


def _writer(op: str) -> str:
    """What writes into a resource as an op writes into a reference; empty for other ops."""
    if op.startswith(("Apply", "SparseApply")) and tf_private.reference_inputs(op):  # the ops of optimizers
        return f"Resource{op}"
    return _WRITES.get(op, "")


def _short(name: str) -> str:
    return name.removesuffix(":0")
