"""A Reusable SavedModel of TensorFlow 2 as a module in the TF1 Hub format.

The graph of each variant is that of the functions of the model: calls replaced by what they call, on variables of
TensorFlow 1. In training, updates of variables are no part of the forward pass: they become ``UPDATE_OPS``.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rehub.conversion import entry_point, update_ops
from rehub.conversion.converted import Converted, Twin
from rehub.conversion.entry_point import DEFAULT, EntryPoint
from rehub.conversion.tf1_session import Tf1Session, placeholders
from rehub.errors import ConversionError
from rehub.model.program import data_inputs
from rehub.runtime import function_calls, handle_data, reusable, tf_private
from rehub.runtime.tf_version import import_tensorflow
from rehub.tf1.builder import add_signature, attach_message, create_module_spec

_TABLES = frozenset({"HashTableV2", "AnonymousHashTable"})
_imports = itertools.count()
_FILLS = ("InitializeTable", "LookupTableImport")


def write(obj: Any, default: EntryPoint, folder: Path, handle: str) -> Converted:
    """Writes the module.

    The variant without tags is for inference, the one tagged ``train`` for training, if the model tells them apart.

    Args:
        obj: The loaded model.
        default: What becomes the signature ``default``. The other signatures keep their names.
        folder: An empty folder.
        handle: The model's name for the reader.

    Raises:
        ConversionError: If the model has state that no module can have.
    """
    model = _Model(obj, default, handle)
    tags = [(set[str](), {"training": False}), ({"train"}, {"training": True})][: len(model.calls)]
    spec = create_module_spec(model.build, tags)
    spec.write(folder, model.values)
    inference, *training = [Tf1Session(folder, each, is_module=True) for each, _ in tags]
    twins = [Twin(model.calls[True], [each.entry(DEFAULT).call]) for each in training]
    for entry in model.signatures:
        twins.append(Twin(entry, [each.entry(entry.name).call for each in (inference, *training)]))
    return Converted(inference.entry(DEFAULT).call, twins=twins)


class _Model:
    """The functions of a model, traced, and the state that they use.

    Attributes:
        calls: What becomes the signature ``default`` in inference, and, if it has a graph of its own, in training.
        signatures: The other signatures.
        values: The value of each variable by the node that makes it; complete when a graph was built.
    """

    def __init__(self, obj: Any, default: EntryPoint, handle: str) -> None:
        self._handle = handle
        self.signatures = [
            entry_point.of_signature(obj, each) for each in reusable.signatures_of(obj) if each != DEFAULT
        ]
        self.calls = {False: default}
        if not default.is_signature and reusable.has_training_argument(obj.__call__):
            self.calls[True] = entry_point.of_call(obj, training=True, handle=handle)
        self._calls = {training: _trace(_as_default(entry), training) for training, entry in self.calls.items()}
        self._signatures = [_trace(entry) for entry in self.signatures]
        losses = reusable.regularization_losses_of(obj)
        self._losses = [_Traced("regularization_loss", {}, _concrete(loss)) for loss in losses]
        parts, tf = list(tf_private.reachable(obj)), import_tensorflow()
        resources = [part for part in parts if isinstance(part, tf.saved_model.experimental.TrackableResource)]
        self._tables = [_table(resource, handle) for resource in resources]
        self._files = {part.asset_path.numpy() for part in parts if isinstance(part, tf.saved_model.Asset)}
        self._messages = obj.attached_messages() if hasattr(obj, "attached_messages") else {}
        trainable, others = reusable.variables_of(obj)
        traced = [*self._calls.values(), *self._signatures, *self._losses]
        captured = (variable for each in traced for variable in each.function.variables)
        self._trainable = {id(variable) for variable in trainable}
        self._variables = reusable.unique([*trainable, *others, *captured])
        self._values = [variable.numpy() for variable in self._variables]
        self._by_handle = {id(variable.handle): variable for variable in self._variables}
        self.values: dict[str, Any] = {}

    def build(self, training: bool) -> None:
        """Builds the graph of a variant; a ``module_fn``."""
        tf = import_tensorflow()
        state: dict[int, Any] = {}
        for variable, value in zip(self._variables, self._values, strict=True):
            made = tf.compat.v1.Variable(
                functools.partial(tf.zeros, value.shape, variable.dtype),
                trainable=id(variable) in self._trainable,
                name=_node_name(variable.name.partition(":")[0]),
                shape=variable.shape,
                use_resource=True,
            )
            self.values[made.op.name] = value
            state[id(variable.handle)] = made.handle
        for table in self._tables:
            made = tf.raw_ops.HashTableV2(
                key_dtype=table.key_dtype, value_dtype=table.value_dtype, use_node_name_sharing=True, name="table"
            )
            state[id(table.handle)] = made
            scope = self._import(table.filling, {}, state)
            for operation in tf.compat.v1.get_default_graph().get_operations():
                if operation.name.startswith(scope) and operation.type.startswith(_FILLS):
                    tf.compat.v1.add_to_collection("table_initializer", operation)
        for traced in (self._calls[training], *self._signatures):
            inputs = {name: placeholders(_node_name(name), spec) for name, spec in traced.specs.items()}
            add_signature(traced.name, inputs, self._add(traced, inputs, state))
        for loss in self._losses:
            for output in self._add(loss, {}, state).values():
                tf.compat.v1.add_to_collection("regularization_losses", output)
        self._name_assets()
        for key, message in self._messages.items():
            attach_message(key, _Serialized(message.numpy()))

    def _add(self, traced: _Traced, inputs: Mapping[str, Any], state: Mapping[int, Any]) -> dict[str, Any]:
        """Adds a function to the current graph, and its updates to the collection; returns its outputs by name."""
        tf = import_tensorflow()
        scope = self._import(traced, inputs, state)
        graph = tf.compat.v1.get_default_graph()
        results = [graph.get_tensor_by_name(scope + tensor.name) for tensor in traced.function.outputs]
        structure = traced.function.structured_outputs
        for tensor, spec in zip(results, tf.nest.flatten(structure, expand_composites=True), strict=True):
            tensor.set_shape(spec.shape)
        packed = tf.nest.pack_sequence_as(structure, results, expand_composites=True)
        return packed if isinstance(packed, dict) else {DEFAULT: packed}

    def _import(self, traced: _Traced, inputs: Mapping[str, Any], state: Mapping[int, Any]) -> str:
        """Adds the nodes of a function to the current graph; returns their scope."""
        tf = import_tensorflow()
        function = traced.function
        definition = function.graph.as_graph_def()
        nodes = function_calls.inline(definition.node, definition.library).nodes
        function_calls.inline_library(definition.library)
        captures = {tensor.op.name: outside for outside, tensor in function.graph.captures}
        named = {node.name: node for node in nodes}
        handle_data.add({**named, **_as_variables(captures, self._by_handle)}, definition.library)
        outputs = [tensor.name for tensor in function.outputs]
        updates = update_ops.take_out(nodes, definition.library, outputs) if traced.is_training else []
        definition.library.CopyFrom(function_calls.reachable_library(nodes, definition.library))
        # The functions of an import are renamed: others may have the same names.
        number = next(_imports)
        function_calls.rename(nodes, definition.library, lambda name: f"{name}_{number}")
        fed = [tensor.op.name for tensor in function.inputs if tensor.op.name not in captures]
        given = dict(zip(fed, tf.nest.flatten(dict(inputs), expand_composites=True), strict=True))
        given.update((name, self._given(name, outside, state)) for name, outside in captures.items())
        trimmed = tf.compat.v1.GraphDef(versions=definition.versions, library=definition.library)
        trimmed.node.extend(node for node in nodes if node.name not in given)
        for node in trimmed.node:
            node.attr.pop("_class", None)  # often with an argument, which is no node any more
        graph = tf.compat.v1.get_default_graph()
        with graph.name_scope(traced.name) as scope:
            pass
        used = {name for node in trimmed.node for name in data_inputs(node)}
        tensors = {f"{name}:0": tensor for name, tensor in given.items() if name in used or f"{name}:0" in used}
        tf.import_graph_def(trimmed, input_map=tensors, name=scope)
        for name in updates:
            tf.compat.v1.add_to_collection("update_ops", graph.get_operation_by_name(scope + name))
        return str(scope)

    def _given(self, name: str, outside: Any, state: Mapping[int, Any]) -> Any:
        """What stands for a captured tensor in the graph."""
        tf = import_tensorflow()
        if id(outside) in state:
            return state[id(outside)]
        if outside.dtype in (tf.resource, tf.variant):
            raise _no_module(self._handle, f"what {name!r} stands for")
        return tf.constant(outside.numpy(), outside.dtype, name=_node_name(name))

    def _name_assets(self) -> None:
        """Tells which constants are paths of files."""
        tf = import_tensorflow()
        graph = tf.compat.v1.get_default_graph()
        for operation in graph.get_operations():
            is_text = operation.type == "Const" and operation.get_attr("dtype") == tf.string
            if is_text and list(operation.get_attr("value").string_val) in [[path] for path in self._files]:
                tf.compat.v1.add_to_collection("asset_filepaths", operation.outputs[0])


@dataclasses.dataclass(frozen=True)
class _Traced:
    name: str
    specs: Mapping[str, Any]
    function: Any
    is_training: bool = False


@dataclasses.dataclass(frozen=True)
class _Table:
    handle: Any
    key_dtype: Any
    value_dtype: Any
    filling: _Traced


@dataclasses.dataclass(frozen=True)
class _Serialized:
    """Stands in for a message of which only the bytes are known."""

    data: bytes

    def SerializeToString(self) -> bytes:  # noqa: N802 - as that of messages
        return self.data


def _as_default(entry: EntryPoint) -> EntryPoint:
    """The only output is the one that users of a module get without naming it."""

    def call(inputs: Mapping[str, Any]) -> dict[str, Any]:
        outputs = entry.call(inputs)
        return dict(zip([DEFAULT], outputs.values(), strict=True)) if len(outputs) == 1 else outputs

    return EntryPoint(DEFAULT, entry.specs, call)


def _trace(entry: EntryPoint, is_training: bool = False) -> _Traced:
    function = import_tensorflow().function(entry.call, autograph=False)
    return _Traced(entry.name, entry.specs, function.get_concrete_function(dict(entry.specs)), is_training)


def _concrete(function: Any) -> Any:
    return import_tensorflow().function(lambda: function(), autograph=False).get_concrete_function()


def _table(resource: Any, handle: str) -> _Table:
    tf = import_tensorflow()
    maker = _concrete(resource._create_resource).graph.as_graph_def()
    nodes = [*maker.node, *(node for function in maker.library.function for node in function.node_def)]
    found = next((node for node in nodes if node.op in _TABLES), None)
    if found is None:
        ops = sorted({node.op for node in nodes if tf_private.makes_shared_state(node)}) or [type(resource).__name__]
        raise _no_module(handle, ", ".join(ops), ops)
    keys, values = (tf.as_dtype(found.attr[name].type) for name in ("key_dtype", "value_dtype"))
    return _Table(resource.resource_handle, keys, values, _Traced("fill_table", {}, _concrete(resource._initialize)))


def _no_module(handle: str, what: str, ops: Iterable[str] = ()) -> ConversionError:
    return ConversionError(
        f"'{handle}' keeps state that no module in the TF1 Hub format can have: {what}.",
        hint="Modules have variables, and tables that are filled once. Use the model with hub.load or hub.KerasLayer.",
        ops=tuple(ops),
    )


def _as_variables(captures: Mapping[str, Any], variables: Mapping[int, Any]) -> dict[str, Any]:
    """Nodes that make variables, in place of the arguments that stand for these."""
    tf = import_tensorflow()
    found = {}
    for name, outside in captures.items():
        if id(outside) in variables:
            variable = variables[id(outside)]
            node = tf.compat.v1.NodeDef(name=name, op="VarHandleOp")
            node.attr["dtype"].type = variable.dtype.as_datatype_enum
            node.attr["shape"].shape.CopyFrom(variable.shape.as_proto())
            found[name] = node
    return found


def _node_name(name: str) -> str:
    return re.sub("^[^A-Za-z0-9.]", "v", re.sub("[^A-Za-z0-9_.\\\\/-]", "_", name))
