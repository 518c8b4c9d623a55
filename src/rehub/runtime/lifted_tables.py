"""Lookup tables of a TF1 graph as objects that ``tf.saved_model.save`` writes."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from rehub.errors import ConversionError
from rehub.model.program import data_inputs
from rehub.runtime import tf_private
from rehub.runtime.tf1_graph import Tf1Graph

_TABLES = frozenset(
    {
        "HashTableV2",
        "MutableDenseHashTableV2",
        "MutableHashTableV2",
        "MutableHashTableOfTensorsV2",
    }
)
_FILLS = ("InitializeTable", "LookupTableImport", "LookupTableInsert")


class LiftedTable(tf.saved_model.experimental.TrackableResource):  # type: ignore[misc]
    """A table, filled as the graph's initializers fill it.

    Args:
        graph: The graph.
        node: The node that makes the table.
        assets: The ``tf.saved_model.Asset`` of each tensor that is the path of a file.

    Raises:
        ConversionError: If the node makes something else than a table, such as a local variable.
    """

    def __init__(self, graph: Tf1Graph, node: str, assets: Mapping[str, Any]) -> None:
        super().__init__()
        definition = graph.nodes[node]
        if definition.op == "VarHandleOp":
            raise ConversionError(
                f"The node {node!r} is a variable outside of the collection 'variables': no checkpoint has its value.",
                hint="Export the model again with the variable among tf.compat.v1.global_variables().",
                ops=(definition.op,),
            )
        if definition.op not in _TABLES:
            raise ConversionError(
                f"The node {node!r} is a {definition.op!r}, which is neither a variable nor a table.",
                hint="Use the model with hub.Module, which runs the graph as it is.",
                ops=(definition.op,),
            )
        object.__setattr__(self, "_graph", graph)  # what is tracked would have to be savable
        self._node, self._assets = node, dict(assets)
        self._shared_name = f"table_{uuid.uuid4().hex}"
        self.resource_handle  # noqa: B018 - makes it, which no function may do
        tf.function(self._initialize, autograph=False).get_concrete_function()()

    def _create_resource(self) -> Any:
        definition = tf.compat.v1.GraphDef(versions=self._graph.versions)
        names = self._graph.closure([self._node])
        for name in names:
            definition.node.add().CopyFrom(self._graph.nodes[name])
            if name == self._node:
                definition.node[-1].attr["shared_name"].s = self._shared_name.encode()

        def make() -> Any:
            (handle,) = tf.import_graph_def(definition, return_elements=[f"{self._node}:0"], name="table")
            return handle

        return tf.function(make, autograph=False).get_concrete_function()() if tf.executing_eagerly() else make()

    def _initialize(self) -> Any:
        graph = tf.compat.v1.get_default_graph()
        given = {f"{self._node}:0": tf_private.in_graph(graph, self.resource_handle)}
        given.update({name: tf_private.in_graph(graph, asset.asset_path) for name, asset in self._assets.items()})
        nodes = self._graph.closure(self._graph.initializers())
        fills = [f"^{name}" for name in sorted(nodes) if self._fills(self._graph.nodes[name])]
        with tf.name_scope("fill") as scope:
            self._graph.import_nodes(self._graph.closure(fills, given), given, scope)
        return tf.constant(True)  # as the initializers of TensorFlow's own tables

    def _fills(self, node: Any) -> bool:
        """Whether a node writes into this table."""
        if not node.op.startswith(_FILLS):
            return False
        return bool(self._graph.source(data_inputs(node)[0]) == self._node)

    def _destroy_resource(self) -> None:
        # Not in what is saved: TensorFlow copies a loaded table to save it again, and the copy would destroy the table.
        if tf.executing_eagerly():
            tf.raw_ops.DestroyResourceOp(resource=self.resource_handle, ignore_lookup_error=True)
