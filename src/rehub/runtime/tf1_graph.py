"""The graph of a TF1 module or SavedModel, ready to be imported in parts: its state once, then each use of it."""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from rehub.errors import ConversionError
from rehub.model.program import INIT_COLLECTIONS, canonical, data_inputs, node_of, tensor_names
from rehub.runtime import (
    function_calls,
    functional_ops,
    gradient_overrides,
    handle_data,
    reference_variables,
    sparse_products,
    tensor_lists,
    tf_private,
)
from rehub.runtime.tf_version import import_tensorflow

UNFED = frozenset({"Placeholder", "PlaceholderV2"})
_FRAMES = frozenset({"Enter", "RefEnter"})
_SAME_HANDLE = frozenset({"Enter", "Identity", "Switch"})
_imports = itertools.count()


@dataclasses.dataclass(frozen=True)
class VariablePart:
    """A variable of the graph, or one part of a partitioned one.

    Attributes:
        node: The node that makes it.
        dtype: Number of its dtype.
        shape: Its shape.
        is_trainable: Whether its publisher trained it.
        is_model_variable: Whether it is among the publisher's ``MODEL_VARIABLES``.
        initial_value: The tensor that it begins with, where no checkpoint tells; empty if there is none.
        full_name: The key of the checkpoint.
        full_shape: The shape of the whole variable, which differs for a part.
        offset: Where the part begins, on each axis; None for a whole variable.
    """

    node: str
    dtype: int
    shape: Any
    is_trainable: bool
    is_model_variable: bool
    initial_value: str
    full_name: str
    full_shape: tuple[int, ...] = ()
    offset: tuple[int, ...] | None = None


class Tf1Graph:
    """One graph of a model, in a form that can be imported into any other graph, and differentiated there.

    References have become resources, and calls of functions the nodes of these.

    Args:
        meta_graph: A ``tf.compat.v1.MetaGraphDef``. It stays as it is.
        functional: Whether it will be imported by `rehub.runtime.functional_import` alone, which makes its loops and
            conditions anew; their functions become nodes then, and arrays become lists.

    Attributes:
        nodes: By name.
        variables: Those of the collection ``variables``, in its order.
        parts: What its loops and conditions of TensorFlow 2 consist of; only if it is functional.
    """

    def __init__(self, meta_graph: Any, *, functional: bool = False) -> None:
        self._meta_graph = meta_graph
        definitions = tf_private.variable_definitions(meta_graph.collection_def, "variables")
        inlined = function_calls.inline(_without_devices(meta_graph.graph_def.node), meta_graph.graph_def.library)
        nodes = inlined.nodes
        self.parts: Mapping[str, functional_ops.Parts] = {}
        if functional:
            expanded = functional_ops.expand(nodes, meta_graph.graph_def.library)
            nodes, self.parts = expanded.nodes, expanded.parts
        rewritten = reference_variables.to_resources(nodes, self._fetches(definitions))
        self.nodes = {node.name: node for node in rewritten.nodes}
        if functional:
            self.nodes = sparse_products.to_vectors(tensor_lists.to_lists(self.nodes))
        gradient_overrides.apply(self.nodes.values())
        self._library = self._own_library()
        self._reads = rewritten.tensors
        self._refused = rewritten.refused
        self._inserted = collections.ChainMap(dict(rewritten.inserted), dict(inlined.inserted))
        messages = [] if functional else tf_private.control_flow_contexts(meta_graph.collection_def)
        self._contexts = [_Context(message, self._belonging) for message in messages]
        self._context_of = {name: context for context in self._contexts for name in context.inside}
        self._arguments = {
            argument: (loop, place)
            for loop, parts in self.parts.items()
            for place, argument in enumerate(parts.arguments)
        }
        self.variables = tuple(self._variable_parts(definitions))

    def collection(self, name: str) -> list[str]:
        """The names of the tensors and operations in a collection."""
        found = self._meta_graph.collection_def
        return list(found[name].node_list.value) if name in found else []

    @property
    def versions(self) -> Any:
        """The ``VersionDef`` of the graph."""
        return self._meta_graph.graph_def.versions

    def initializers(self) -> list[str]:
        """The nodes that are run when the graph is loaded: they fill its tables."""
        found = [name for collection in INIT_COLLECTIONS for name in self.collection(collection)]
        signature = self._meta_graph.signature_def.get("__saved_model_init_op")
        return found if signature is None else [*found, *(info.name for info in signature.outputs.values())]

    def check_ops(self, names: Collection[str]) -> None:
        """Refuses ops that TensorFlow does not have, and those on references that no resource offers.

        Args:
            names: The nodes to look at.

        Raises:
            tf.errors.NotFoundError: As TensorFlow raises it, for an op that it does not have.
            ConversionError: For the others.
        """
        known = {function.signature.name for function in self._library.function} | {functional_ops.ARGUMENT}
        nodes = [self.nodes[name] for name in names]
        library = function_calls.reachable_library(nodes, self._library)
        nodes += (node for function in library.function for node in function.node_def)
        for op in sorted({node.op for node in nodes} - known):
            tf_private.check_registered(op)
        for name in sorted(self._refused.intersection(names)):
            raise self._refusal(name)

    def _refusal(self, name: str) -> ConversionError:
        op = self.nodes[name].op
        return ConversionError(
            f"The node {name!r} is a {op!r}, which works on a reference variable of TensorFlow 1 in a way that no "
            "resource variable offers.",
            hint="Export the model again with resource variables (tf.compat.v1.enable_resource_variables()).",
            ops=(op,),
        )

    def state_nodes(self) -> list[str]:
        """The nodes that make what all uses of the graph share, but for the variables."""
        variables = {part.node for part in self.variables}
        assets = {node_of(name) for name in self.collection("asset_filepaths")}
        return [
            name
            for name, node in self.nodes.items()
            if name in assets or (name not in variables and tf_private.makes_shared_state(node))
        ]

    def resolve(self, name: str) -> str:
        """The tensor that gives what a tensor of the original graph gave."""
        return self._reads.get(name, name)

    def source(self, tensor: str) -> str:
        """Returns the node that makes the variable or table whose handle a tensor is."""
        name = node_of(tensor)
        while self.nodes[name].op in _SAME_HANDLE or name in self._arguments:
            loop, place = self._arguments.get(name, (name, 0))
            name = node_of(data_inputs(self.nodes[loop])[place])
        return name

    def closure(self, roots: Iterable[str], given: Collection[str] = ()) -> set[str]:
        """Returns the nodes that some tensors or operations depend on, with these.

        Args:
            roots: Names of tensors and operations.
            given: Names of tensors that come from elsewhere; what they depend on is not needed.
        """
        given_nodes = set(map(node_of, given))
        found: set[str] = set()
        contexts: set[int] = set()
        waiting = list(roots)
        while waiting:
            tensor = waiting.pop()
            name = node_of(tensor)
            if name in found or name not in self.nodes or (name in given_nodes and _is_given(tensor, given)):
                continue
            found.add(name)
            waiting += self.nodes[name].input
            context = self._context_of.get(name)
            if context is not None and id(context) not in contexts:  # a loop or a condition is of use as a whole only
                contexts.add(id(context))
                waiting += (f"^{each}" for each in context.all_nodes)
        return found

    def runnable(self, roots: Sequence[str], given: Collection[str] = ()) -> list[str]:
        """Returns those of some tensors and operations that wait for no value that nobody feeds.

        Args:
            roots: Their names.
            given: As for `closure`.
        """
        names = self.closure(roots, given)
        users = collections.defaultdict[str, list[str]](list)
        given_nodes = set(map(node_of, given))
        for name in names:
            for source in self.nodes[name].input:
                if node_of(source) not in given_nodes or not _is_given(source, given):
                    users[node_of(source)].append(name)
        for context in {id(context): context for context in map(self._context_of.get, names) if context}.values():
            one = next(iter(context.inside))  # a loop or a condition waits as a whole
            for each in context.all_nodes:
                users[each].append(one)
            users[one] += context.inside
        waiting = [name for name in names if self.nodes[name].op in UNFED]
        unfed = set[str]()
        while waiting:
            name = waiting.pop()
            if name not in unfed:
                unfed.add(name)
                waiting += users[name]
        return [root for root in roots if node_of(root) not in unfed]

    def import_nodes(
        self, names: Collection[str], given: Mapping[str, Any], scope: str, *, name_shared: bool = False
    ) -> None:
        """Adds nodes to the current graph.

        Args:
            names: The nodes; a `closure`.
            given: The tensors of the current graph that stand for those of this one, by name, such as ``w:0``.
            scope: The name scope that all names begin with, such as ``module/``.
            name_shared: Whether shared resources get a name that lasts beyond a call of the function being built.

        Raises:
            ConversionError: If a node works on a reference variable in a way that no resource variable offers.
        """
        if not names:
            return
        names = frozenset(names)
        for name in sorted(names & self._refused):
            raise self._refusal(name)
        tf = import_tensorflow()
        definition = tf.compat.v1.GraphDef(versions=self.versions)
        moved: dict[str, list[bytes]] = {}
        used: dict[str, Any] = {}
        by_node = {node_of(name): name for name in given}
        graph = tf.compat.v1.get_default_graph()

        def operation(node: str) -> Any:
            """The operation of the current graph that stands for a node whose tensors are given; None without one."""
            tensor: Any = given.get(by_node.get(node, ""))
            return tensor.op if getattr(tensor, "graph", None) is graph else None

        for name in sorted(names):
            node = definition.node.add()
            node.CopyFrom(self.nodes[name])
            self._fit_to_scope(node, scope, name_shared)
            self._detach(node, names, moved)
            sources = list(node.input)
            del node.input[:]
            for source in sources:
                full = canonical(source)
                if full in given and full not in used:
                    used[full] = tf_private.in_graph(graph, given[full])
                if source.startswith("^") and source[1:] not in names:
                    if operation(source[1:]) is None:
                        continue
                    used[source] = operation(source[1:]).outputs[0]
                node.input.append(source)
        definition.library.CopyFrom(function_calls.reachable_library(definition.node, self._library))
        # Functions of one name are one function in all of the process, also those that TensorFlow derives from them.
        number = next(_imports)
        function_calls.rename(definition.node, definition.library, lambda name: f"{name}_import_{number}")
        in_function = isinstance(graph, tf.__internal__.FuncGraph)
        if in_function:
            bodies = (node for function in definition.library.function for node in function.node_def)
            gradient_overrides.leave_to_tensorflow([*definition.node, *bodies])
            tf_private.register_functions(definition.library)
        tf.import_graph_def(definition, input_map=used, name=scope)
        if in_function:
            gradient_overrides.make_savable(graph.get_operation_by_name(scope + name) for name in names)

        def renamed(name: str) -> str:
            full = canonical(name)
            if full in used or (full in given and node_of(name) not in names):
                return str(tf_private.in_graph(graph, given[full]).name)
            return scope + name

        for name, places in moved.items():
            known = [scope.encode() + place for place in places if place.decode() in names]
            others = (operation(place.decode()) for place in places if place.decode() not in names)
            known += [other.name.encode() for other in others if other is not None]
            if known:
                colocated = [b"loc:@" + place for place in known]
                tf_private.set_colocation(graph.get_operation_by_name(scope + name), colocated)
        for context in self._contexts:
            if context.inside & names:
                tf_private.restore_control_flow(context.renamed(renamed, scope, names, given))

    def _fit_to_scope(self, node: Any, scope: str, name_shared: bool) -> None:
        """Keeps frames and shared resources of this import apart from those of all others."""
        if node.op in _FRAMES:
            node.attr["frame_name"].s = scope.encode() + node.attr["frame_name"].s
        name = node.attr["shared_name"].s if "shared_name" in node.attr else b""
        if not name and name_shared and tf_private.makes_shared_state(node):
            name = node.name.encode()
        if name:
            node.attr["shared_name"].s = scope.encode() + name

    def _detach(self, node: Any, names: Collection[str], moved: dict[str, list[bytes]]) -> None:
        """Takes the colocation with nodes that are not imported out of a node, and remembers it."""
        if "_class" not in node.attr:
            return
        places = [place.removeprefix(b"loc:@") for place in node.attr["_class"].list.s]
        if any(place.decode() not in names for place in places):
            moved[node.name] = places
            del node.attr["_class"]

    def _fetches(self, definitions: Sequence[Any]) -> Iterator[str]:
        for signature in self._meta_graph.signature_def.values():
            for info in signature.outputs.values():
                yield from tensor_names(info)
        yield from self.collection("regularization_losses")
        yield from (definition.initial_value_name for definition in definitions)

    def _own_library(self) -> Any:
        library = function_calls.reachable_library(self.nodes.values(), self._meta_graph.graph_def.library)
        function_calls.inline_library(library)
        library = function_calls.reachable_library(self.nodes.values(), library)
        gradient_overrides.apply(node for function in library.function for node in function.node_def)
        handle_data.add(self.nodes, library)
        return library

    def _belonging(self, name: str) -> Iterator[str]:
        """The nodes that were inserted for a node, and those for them."""
        for inserted in self._inserted.get(name, ()):
            yield inserted
            yield from self._belonging(inserted)

    def _variable_parts(self, definitions: Sequence[Any]) -> Iterator[VariablePart]:
        tf = import_tensorflow()
        trainable, model = (
            {each.variable_name for each in tf_private.variable_definitions(self._meta_graph.collection_def, name)}
            for name in ("trainable_variables", "model_variables")
        )
        for definition in definitions:
            name = node_of(definition.variable_name)
            node = self.nodes[name]
            part = VariablePart(
                node=name,
                dtype=node.attr["dtype"].type,
                shape=tf.TensorShape(node.attr["shape"].shape),
                is_trainable=definition.variable_name in trainable,
                is_model_variable=definition.variable_name in model,
                initial_value=self.resolve(definition.initial_value_name),
                full_name=name,
            )
            place = definition.save_slice_info_def
            if place.full_name:
                part = dataclasses.replace(
                    part,
                    full_name=place.full_name,
                    full_shape=tuple(place.full_shape),
                    offset=tuple(place.var_offset),
                )
            yield part


class _Context:
    """A condition or a loop of TensorFlow 1, with all that are nested in it.

    Attributes:
        inside: The nodes that are part of it.
        all_nodes: Those, and the ones around it that it names.
    """

    def __init__(self, message: Any, belonging: Callable[[str], Iterator[str]]) -> None:
        self.message = message
        for each in _nested(message):
            values = each.values_def
            outside = set(values.external_values)
            values.values.extend(
                inserted
                for value in list(values.values)
                if value not in outside
                for inserted in belonging(node_of(value))
            )
        self.inside = frozenset(
            node_of(value)
            for each in _nested(message)
            for value in set(each.values_def.values) - set(each.values_def.external_values)
        )
        self.all_nodes = self.inside | {
            node_of(value) for each in _nested(message) for _, field in _names(each) for value in field
        }

    def renamed(
        self, rename: Callable[[str], str], scope: str, names: Collection[str], given: Mapping[str, Any]
    ) -> Any:
        """The same with the names of another graph."""
        new = type(self.message)()
        new.CopyFrom(self.message)
        known = set(map(node_of, given)) | set(names)
        for context in _nested(new):
            context.context_name = scope + context.context_name
            values = context.values_def
            pairs = {
                rename(key): rename(value) for key, value in values.external_values.items() if node_of(value) in known
            }
            values.external_values.clear()
            values.external_values.update(pairs)
            values.values[:] = list(dict.fromkeys(rename(value) for value in values.values if node_of(value) in known))
            for name, field in _names(context):
                if isinstance(getattr(context, name), str):
                    setattr(context, name, rename(field[0]))
                else:
                    getattr(context, name)[:] = [rename(value) for value in field]
        return new


def _nested(message: Any) -> Iterator[Any]:
    yield message
    for child in message.nested_contexts:
        yield from _nested(child.cond_ctxt if child.HasField("cond_ctxt") else child.while_ctxt)


def _names(context: Any) -> Iterator[tuple[str, list[str]]]:
    """The fields of a context that name tensors, with what they hold."""
    for field in context.DESCRIPTOR.fields:
        if field.name.endswith("_name") and field.name != "context_name" and getattr(context, field.name):
            yield field.name, [getattr(context, field.name)]
        elif field.name.endswith("_names"):
            yield field.name, list(getattr(context, field.name))


def _without_devices(nodes: Iterable[Any]) -> Iterator[Any]:
    for node in nodes:
        if node.device:
            copied = type(node)()
            copied.CopyFrom(node)
            copied.device = ""
            yield copied
        else:
            yield node


def _is_given(name: str, given: Collection[str]) -> bool:
    """Whether what a node takes comes from elsewhere; to wait for a node whose tensors do is to wait for nothing."""
    return name.startswith("^") or canonical(name) in given
