"""Private TensorFlow symbols, each with the reason why nothing public does."""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any


def is_watched(tensors: Sequence[Any]) -> bool:
    """Whether an active tape or forward accumulator may want gradients through these tensors or variable handles.

    No public function tells this: ``tape.watched_variables()`` needs the tape, and knows no tensors.
    """
    from tensorflow.python.ops import gradients_util

    return bool(gradients_util.PossibleTapeGradientTypes(list(tensors)))


def may_record() -> bool:
    """Whether any tape is active in this thread. Nothing public tells."""
    from tensorflow.python.eager import record

    return bool(record.could_possibly_record())


def stop_recording() -> AbstractContextManager[None]:
    """Hides what happens inside from all tapes; ``GradientTape.stop_recording`` needs the tape object."""
    from tensorflow.python.eager import record

    context: AbstractContextManager[None] = record.stop_recording()
    return context


@contextlib.contextmanager
def stop_recording_of_function() -> Iterator[None]:
    """Hides what happens inside from all tapes, also from those around later calls of the function that is traced.

    A function tells the tapes around its calls all the variables that it read; nothing public keeps it from that.
    """
    import tensorflow as tf

    graphs, graph = [], tf.compat.v1.get_default_graph()
    while hasattr(graph, "_watched_variables"):
        graphs.append((graph, list(graph._watched_variables)))
        graph = graph.outer_graph
    with stop_recording():
        yield
    for graph, before in graphs:
        known = {id(variable) for variable in before}
        for variable in list(graph._watched_variables):
            if id(variable) not in known:
                graph._watched_variables.discard(variable)


@contextlib.contextmanager
def unpartitioned(strategy: Any) -> Iterator[None]:
    """Lets a ``ParameterServerStrategy`` keep each variable that is made inside on one server, in one piece.

    Nothing public takes its ``variable_partitioner`` away from some variables. Functions of a SavedModel cannot read
    those that are in pieces.
    """
    extended = strategy.extended
    partitioner = getattr(extended, "_variable_partitioner", None)
    if partitioner is None:
        yield
        return
    extended._variable_partitioner = None
    try:
        yield
    finally:
        extended._variable_partitioner = partitioner


def has_xla_kernel(op_type: str) -> bool:
    """Whether XLA can compile ops of this type on the CPU. The public way to find out is to crash."""
    from tensorflow.python.framework import kernels

    return any(k.device_type == "XLA_CPU_JIT" for k in kernels.get_registered_kernels_for_op(op_type).kernel)


def trackable_children(obj: Any) -> dict[str, Any]:
    """The objects that a SavedModel of ``obj`` would hold under their names. ``tf.train`` has no listing of them."""
    listing = getattr(obj, "_trackable_children", None)
    return dict(listing()) if listing is not None else {}


def reachable_variables(obj: Any) -> Iterator[Any]:
    """All ``tf.Variable`` objects that hang on a trackable, each once, in an order that its structure alone decides."""
    import tensorflow as tf

    return (node for node in reachable(obj) if isinstance(node, tf.Variable))


def reachable(obj: Any) -> Iterator[Any]:
    """All objects that a SavedModel of a trackable would hold, each once, in an order that its structure decides."""
    seen: set[int] = set()
    waiting = [obj]
    while waiting:
        node = waiting.pop()
        if id(node) not in seen:
            seen.add(id(node))
            yield node
            children = trackable_children(node)
            waiting.extend(children[name] for name in sorted(children, reverse=True))


def leave_resources_to_session(obj: Any) -> None:
    """Keeps the lookup tables of an object that was loaded in a ``tf.Graph`` from adding an op there when they die.

    They die when Python collects garbage, perhaps while the same graph makes an op; then its lock stops the program.
    The session frees what is in its tables. Nothing public tells a table not to free itself.
    """
    import tensorflow as tf

    for node in reachable(obj):
        if isinstance(node, tf.saved_model.experimental.TrackableResource):
            node._destruction_context = _refuse_destruction


def _refuse_destruction() -> AbstractContextManager[None]:
    raise RuntimeError("The session frees its tables.")  # the resource's __del__ ignores it


def is_no_matching_trace(error: Exception) -> bool:
    """Whether a restored function says that no trace fits the call; TensorFlow has no exception class for it."""
    return "Could not find matching concrete function" in str(error) or "Binding inputs to tf.function" in str(error)


def is_cross_replica_call(error: Exception) -> bool:
    """Whether an eager call ran a function that was traced outside of all replicas; there is no class for it."""
    return "a placeholder that is not supposed to be executed" in str(error)


def rename_variable(variable: Any, name: str) -> None:
    """Gives a variable another name. HDF5 files key by names, and loaded variables may all be called the same."""
    variable._handle_name = name


def reference_inputs(op_type: str) -> frozenset[int]:
    """The inputs by which ops of this type take a reference variable. Op definitions are public in C++ alone."""
    definition = _op_definition(op_type)
    arguments = () if definition is None else definition.input_arg
    return frozenset(place for place, argument in enumerate(arguments) if argument.is_ref)


def attribute_names(op_type: str) -> frozenset[str]:
    """The attributes that ops of this type have; none for a type that TensorFlow does not know."""
    definition = _op_definition(op_type)
    return frozenset() if definition is None else frozenset(attribute.name for attribute in definition.attr)


def check_registered(op_type: str) -> None:
    """Raises the error with which TensorFlow itself meets an op that it does not have."""
    import tensorflow as tf

    if _op_definition(op_type) is None:
        raise tf.errors.NotFoundError(None, None, f"Op type not registered '{op_type}'")


def _op_definition(op_type: str) -> Any:
    from tensorflow.python.framework import op_def_registry

    return op_def_registry.get(op_type)


def output_counts(node: Any) -> list[tuple[str, int]]:
    """The names of a node's outputs, and how many tensors each of them is."""
    counts = []
    check_registered(node.op)
    for output in _op_definition(node.op).output_arg:
        if output.number_attr:
            counts.append((output.name, int(node.attr[output.number_attr].i)))
        elif output.type_list_attr:
            counts.append((output.name, len(node.attr[output.type_list_attr].list.type)))
        else:
            counts.append((output.name, 1))
    return counts


def makes_shared_state(node: Any) -> bool:
    """Whether a node gives the handle of something that all runs share by its name: a variable, a table, a queue."""
    import tensorflow as tf

    definition = _op_definition(node.op)
    if definition is None or not any(attribute.name == "shared_name" for attribute in definition.attr):
        return False
    handles = (output.is_ref or output.type == tf.resource.as_datatype_enum for output in definition.output_arg)
    return any(handles)


def control_flow_contexts(collections: Any) -> list[Any]:
    """The conditions and loops of TensorFlow 1 in the collections of a ``MetaGraphDef``, outer ones only.

    Nothing public parses these messages, whose classes are ``CondContextDef`` and ``WhileContextDef``.
    """
    from tensorflow.core.protobuf import control_flow_pb2

    kinds = {"cond_context": control_flow_pb2.CondContextDef, "while_context": control_flow_pb2.WhileContextDef}
    return [
        kind.FromString(data)
        for name, kind in kinds.items()
        if name in collections
        for data in collections[name].bytes_list.value
    ]


def restore_control_flow(context: Any) -> None:
    """Tells the current graph that some of its nodes are a condition or a loop; gradients need to know.

    ``tf.compat.v1.train.import_meta_graph`` does so, too, but only for a graph that it imports whole.

    Args:
        context: What `control_flow_contexts` returns, with the names of the current graph.
    """
    import tensorflow as tf
    from tensorflow.core.protobuf import control_flow_pb2
    from tensorflow.python.ops import control_flow_ops

    is_loop = isinstance(context, control_flow_pb2.WhileContextDef)
    kind = control_flow_ops.WhileContext if is_loop else control_flow_ops.CondContext
    name = "while_context" if is_loop else "cond_context"
    tf.compat.v1.add_to_collection(name, kind.from_proto(context))


def set_colocation(operation: Any, places: Sequence[bytes]) -> None:
    """Sets with which others an operation is placed; an import can only name operations that it brings along."""
    import tensorflow as tf

    operation._set_attr("_class", tf.compat.v1.AttrValue(list=tf.compat.v1.AttrValue.ListValue(s=places)))


def in_graph(graph: Any, tensor: Any) -> Any:
    """The tensor itself, or, in the graph of a function, what captures it there; no op may copy a handle instead."""
    return tensor if getattr(tensor, "graph", None) is graph else graph.capture(tensor)


def is_control_flow_branch(graph: Any) -> bool:
    """Whether a graph is the body of a condition or a loop."""
    from tensorflow.python.ops import control_flow_v2_func_graphs as branches

    kinds = (branches.CondBranchFuncGraph, branches.WhileBodyFuncGraph, branches.WhileCondFuncGraph)
    return isinstance(graph, kinds)


def is_wrapped_function(graph: Any) -> bool:
    """Whether a graph is being built by ``tf.compat.v1.wrap_function``, which makes variables as TensorFlow 1 did."""
    from tensorflow.python.eager.wrap_function import VariableHolder

    makers = (getattr(maker, "__self__", None) for _, maker in graph._variable_creator_stack)
    return any(isinstance(maker, VariableHolder) for maker in makers)


def set_slice(variable: Any, full_name: str, full_shape: Sequence[int], offset: Sequence[int]) -> None:
    """Makes a variable a part of a bigger one, as savers see it. Partitioners do so; nothing else public does."""
    import tensorflow as tf

    info = tf.compat.v1.Variable.SaveSliceInfo(full_name, list(full_shape), list(offset), variable.shape.as_list())
    variable._set_save_slice_info(info)


def slice_of(variable: Any) -> Any:
    """The place of a variable in the bigger one that it is a part of; None if it is none."""
    return getattr(variable, "_save_slice_info", None)


def type_spec_of(message: Any) -> Any:
    """The ``tf.TypeSpec`` in the ``TensorInfo`` of a composite tensor. Publicly, only loaded signatures have it."""
    from tensorflow.core.protobuf import struct_pb2
    from tensorflow.python.saved_model import nested_structure_coder

    return nested_structure_coder.decode_proto(struct_pb2.StructuredValue(type_spec_value=message))


def variable_definitions(collections: Any, name: str) -> list[Any]:
    """The ``VariableDef`` messages in a collection of a ``MetaGraphDef``; only whole variables can be had publicly."""
    from tensorflow.core.framework import variable_pb2

    elements = collections[name].bytes_list.value if name in collections else ()
    return [variable_pb2.VariableDef.FromString(element) for element in elements]


def is_in_control_flow() -> bool:
    """Whether ops that are made now belong to a condition or a loop, of TensorFlow 1 or 2."""
    import tensorflow as tf

    graph = tf.compat.v1.get_default_graph()
    return is_control_flow_branch(graph) or graph._get_control_flow_context() is not None


def registered_gradient(name: str) -> Any:
    """The Python function under a name of ``_gradient_op_type``, which takes an operation and the gradients."""
    from tensorflow.python.framework import ops

    return ops.gradient_registry.lookup(name)


def dense_column_classes() -> tuple[type, type]:
    """The classes that dense feature columns are of: for ``input_layer``, and for all that came later."""
    import tensorflow as tf
    from tensorflow.python.feature_column import feature_column

    return feature_column._DenseColumn, tf.__internal__.feature_column.DenseColumn


def tensor_info(value: Any) -> Any:
    """The ``TensorInfo`` message of a tensor, also a sparse or ragged one; the public function is deprecated."""
    from tensorflow.python.saved_model import utils_impl

    return utils_impl.build_tensor_info_internal(value)


def watch(graph: Any, variable: Any) -> None:
    """Tells the graph of a function that it uses a variable whose handle it captured; other graphs need not know."""
    if hasattr(graph, "watch_variable"):
        graph.watch_variable(variable)


def function_graph(graph: Any, name: str) -> Any:
    """The graph of a function that a graph calls; the public way is by the Python object that was called."""
    return graph._get_function(name).graph


def keep_loop_graphs(operation: Any) -> None:
    """Keeps the graphs of a ``While`` that comes from a file with it, as those of loops that were built here are."""
    from tensorflow.python.ops import while_v2

    for attribute, name in (("cond", "_cond_graph"), ("body", "_body_graph")):
        setattr(operation, name, while_v2._get_graph(operation, attribute, name))


def set_gradient(operation: Any, name: str) -> None:
    """Lets an operation have a registered gradient; publicly, that is decided before it is made."""
    import tensorflow as tf

    operation._set_attr("_gradient_op_type", tf.compat.v1.AttrValue(s=name.encode()))


def names_in_control_flow(collections: Any) -> list[str]:
    """The tensors that the conditions and loops of TensorFlow 1 in a ``MetaGraphDef`` consist of, or take."""
    names: list[str] = []
    waiting = control_flow_contexts(collections)
    while waiting:
        context = waiting.pop()
        names += [*context.values_def.values, *context.values_def.external_values, context.pivot_name]
        names += context.values_def.external_values.values()
        for child in context.nested_contexts:
            waiting.append(child.cond_ctxt if child.HasField("cond_ctxt") else child.while_ctxt)
    return names


@contextlib.contextmanager
def variables_of_one_device() -> Iterator[None]:
    """Keeps a ``tf.distribute`` strategy, in whose scope the caller is, from making a copy for each of its devices.

    Such copies have no handle that a graph could use. Strategies offer no way around it.
    """
    import tensorflow as tf

    graph = tf.compat.v1.get_default_graph()
    if not (tf.distribute.has_strategy() and tf.distribute.in_cross_replica_context()):
        yield
        return
    creators = graph._variable_creator_stack
    graph._variable_creator_stack = []
    try:
        yield
    finally:
        graph._variable_creator_stack = creators


def load_objects(graph: bytes, path: str, options: Any, known: Mapping[int, Any]) -> list[Any]:
    """Makes the objects of a SavedModel, in the order of its object graph; the first is the root.

    ``tf.saved_model.load`` takes a folder and no message, makes all of its objects, and all of them anew. The folder's
    checkpoint may have values of objects that the message lacks.

    Args:
        graph: A ``MetaGraphDef`` with an object graph, serialized.
        path: The folder of the SavedModel, from which values and assets are read.
        options: A ``tf.saved_model.LoadOptions`` or None.
        known: Objects that are there already, by their place in the object graph.
    """
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2
    from tensorflow.python.saved_model import load

    class Loader(load.Loader):  # type: ignore[misc]
        def _recreate(self, proto: Any, node_id: int, nodes: Any) -> Any:
            return (known[node_id], setattr) if node_id in known else super()._recreate(proto, node_id, nodes)

        def _restore_checkpoint(self) -> None:
            if not tf.compat.v1.executing_eagerly_outside_functions():
                super()._restore_checkpoint()
                return
            prefix = os.path.join(path, "variables", "variables")  # noqa: PTH118 - may be gs://
            status = tf.train.Checkpoint(self.get(0)).read(prefix, checkpoint_options).expect_partial()
            if not options.allow_partial_checkpoint:
                status.assert_existing_objects_matched()

    model = saved_model_pb2.SavedModel()
    message = model.meta_graphs.add()
    message.ParseFromString(graph)
    options = options or tf.saved_model.LoadOptions()
    checkpoint_options = tf.train.CheckpointOptions(experimental_io_device=options.experimental_io_device)
    with tf.init_scope():
        loader = Loader(message.object_graph_def, model, path, checkpoint_options, options, None)
    root = loader.get(0)
    root.tensorflow_version = message.meta_info_def.tensorflow_version
    root.tensorflow_git_version = message.meta_info_def.tensorflow_git_version
    return [loader.get(place) for place in range(len(message.object_graph_def.nodes))]


def register_functions(library: Any) -> None:
    """Makes the functions of a ``FunctionDefLibrary`` known to the process.

    An import adds them to the graph alone. A call of a function whose graph calls another one that was imported into
    does not find them, and may end the process. Publicly, only functions with a Python object are made known.
    """
    from tensorflow.python.eager import context

    for function in library.function:
        context.context().add_function_def(function)


def methods_of(obj: Any) -> dict[str, Any]:
    """The attributes of a trackable that are functions of TensorFlow; a SavedModel of it would hold them.

    Nothing public lists them, nor tells functions from other callables.
    """
    import tensorflow as tf

    kinds = (tf.types.experimental.PolymorphicFunction, tf.types.experimental.ConcreteFunction)
    children = obj._trackable_children("savedmodel")
    return {name: child for name, child in children.items() if isinstance(child, kinds)}


def traces_of(function: Any) -> list[Any]:
    """The concrete functions that a SavedModel would hold of a function; publicly, they can be had by example only."""
    listing = getattr(function, "_list_all_concrete_functions_for_serialization", None)
    return [function] if listing is None else list(listing())


def written_captures(function: Any) -> list[Any]:
    """The handles that a concrete function captures to write to, in itself or in functions that it calls.

    TensorFlow knows which inputs of a function are only read, for the order of its ops; nothing public tells.
    """
    import tensorflow as tf
    from tensorflow.python.framework import auto_control_deps_utils

    captures = list(function.captured_inputs)
    first = len(function.graph.inputs) - len(captures)
    read = set(auto_control_deps_utils.get_read_only_resource_input_indices_graph(function.graph))
    return [
        captured
        for place, captured in enumerate(captures, start=first)
        if captured.dtype == tf.resource and place not in read
    ]


@contextlib.contextmanager
def saved_as(variables: Sequence[Any], names: Sequence[str | None], averaged: Sequence[bool]) -> Iterator[None]:
    """Decides what a SavedModel that is written meanwhile says about variables, which themselves stay as they are.

    Variables have names and ways to aggregate from when they are made, and publicly for good.

    Args:
        variables: Any number.
        names: One for each; None for its own.
        averaged: For each, whether replicas keep copies of their own, of which the mean is read.
    """
    import tensorflow as tf

    def patch(variable: Any, name: str | None, mean: bool) -> None:
        write = variable._write_object_proto

        def write_other(proto: Any, options: Any) -> None:
            write(proto, options)
            if name is not None:
                proto.variable.name = name
            if mean:
                proto.variable.synchronization = tf.VariableSynchronization.ON_READ.value
                proto.variable.aggregation = tf.VariableAggregation.MEAN.value

        variable._write_object_proto = write_other

    try:
        for variable, name, mean in zip(variables, names, averaged, strict=True):
            patch(variable, name, mean)
        yield
    finally:
        for variable in variables:
            vars(variable).pop("_write_object_proto", None)


def loaded_gradient(name: str) -> Any:
    """The function of a ``tf.custom_gradient`` that came with a loaded model; None for other gradients.

    TensorFlow registers a closure over it, and nothing public leads from there to the tensors that it captures.
    """
    from tensorflow.python.eager.polymorphic_function.concrete_function import ConcreteFunction

    try:
        gradient = registered_gradient(name)
    except LookupError:
        return None
    function = inspect.getclosurevars(gradient).nonlocals.get("func") if inspect.isfunction(gradient) else None
    return function if isinstance(function, ConcreteFunction) else None


def call_with_captures(function: Any, arguments: Sequence[Any], captures: Sequence[Any]) -> Any:
    """Calls a concrete function with other tensors than those that it captured. Publicly, they cannot be replaced."""
    return function._call_flat(list(arguments), list(captures))
