"""A part of a TF2 SavedModel: some attributes of its root object, and all that they need."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rehub.errors import SignatureError

REUSABLE = ("__call__", "variables", "trainable_variables", "regularization_losses", "signatures")
"""What a Keras layer uses of a model. Source: the Reusable SavedModel interface."""

_PLAIN = "_generic_user_object"
_CONTAINERS = frozenset(
    {"trackable_list_wrapper", "trackable_tuple_wrapper", "trackable_dict_wrapper", "signature_map"}
)
_INSIDE_OF_KERAS = ("_", "keras_api", "layer-", "layer_with_weights-", "call_and_return_")
_FUNCTION_KINDS = frozenset({"function", "bare_concrete_function"})
_STATELESS_KINDS = _FUNCTION_KINDS | {"asset", "constant", "captured_tensor"}
_INTERCHANGEABLE = "api_implements"
"""TensorFlow may call another function with the same value of this attribute, for instance one for GPUs."""


@dataclasses.dataclass(frozen=True)
class Excerpt:
    """A part of a graph.

    Attributes:
        message: The ``MetaGraphDef``, whose objects are numbered anew.
        places: For each of its objects, the place in the object graph of the whole.
        is_whole: Whether it has all objects of the whole; it may lack functions that none of them uses.
    """

    message: Any = dataclasses.field(repr=False)
    places: tuple[int, ...] = dataclasses.field(repr=False)
    is_whole: bool


def attributes(graph: Any) -> tuple[str, ...]:
    """Returns the attributes of the root object of a ``MetaGraphDef``; none for one of TensorFlow 1."""
    nodes = graph.object_graph_def.nodes
    return tuple(child.local_name for child in nodes[0].children) if nodes else ()


def public_names(names: Iterable[str]) -> list[str]:
    """Returns those names of attributes that their publisher chose, and ``__call__``."""
    return [name for name in names if name == "__call__" or not name.startswith(_INSIDE_OF_KERAS)]


def check(graph: Any, only: str | Sequence[str], handle: str) -> tuple[str, ...]:
    """Returns the chosen attributes of a model.

    Args:
        graph: A ``MetaGraphDef`` with an object graph; None for a model of TensorFlow 1.
        only: One of them, or several.
        handle: The model's name, for errors.

    Raises:
        SignatureError: If the model lacks one of them, or none is chosen; it lists those that there are.
    """
    only = (only,) if isinstance(only, str) else tuple(only)
    if graph is None:
        raise SignatureError(
            f"'{handle}' has no attributes to choose from: it comes from TensorFlow 1.",
            hint="Load it whole; its signatures are in .signatures.",
            handle=handle,
        )
    available = attributes(graph)
    shown = public_names(available)
    missing = [path for path in only if way_to(graph, path) is None]
    if missing or not only:
        raise SignatureError(
            f"'{handle}' has no {', '.join(map(repr, missing))}." if missing else "The list of attributes is empty.",
            hint=f"Choose from {', '.join(shown) or 'no attributes'}; or make no choice.",
            handle=handle,
            available=available,
        )
    return only


def way_to(graph: Any, path: str) -> tuple[int, ...] | None:
    """Returns the places of the objects on the way to an attribute, from the root on; None if there is none.

    Args:
        graph: A ``MetaGraphDef`` with an object graph.
        path: The attribute of the root, or of an object below it, such as ``encoder.__call__``.
    """
    places = [0]
    for name in path.split("."):
        children = graph.object_graph_def.nodes[places[-1]].children
        found = next((child.node_id for child in children if child.local_name == name), None)
        if found is None:
            return None
        places.append(found)
    return tuple(places)


def excerpt(graph: Any, only: Iterable[str], *, with_graph: bool) -> Excerpt | None:
    """Cuts the part out that some attributes need.

    Objects keep the names by which a checkpoint knows them. An object that is only on the way to a variable loses its
    class and its other attributes.

    Args:
        graph: A ``MetaGraphDef`` whose references lead somewhere. It is not changed.
        only: Attributes of the root object, or of objects below it, such as ``encoder.__call__``. Those that it lacks
            are left out.
        with_graph: Whether the graph itself stays, with all that it needs. Programs in other languages, and TensorFlow
            Serving, run it; ``tf.saved_model.load`` in TensorFlow 2 does not.

    Returns:
        The part; None if the graph has no objects, or is built as no TensorFlow builds it, so that it is better loaded
        whole.
    """
    nodes = graph.object_graph_def.nodes
    if not nodes or not _has_attributes(nodes[0]):
        return None
    needs = _Needs(graph)
    try:
        needs.add_objects(nodes[0].dependencies)
        for path in only:
            if (way := way_to(graph, path)) is not None:
                needs.add_way(way)
        if with_graph:
            needs.add_functions(needs.called_by(graph.graph_def.node))
        needs.connect()
    except _StrangeError:
        return None
    places = tuple(sorted(needs.objects | needs.passed))
    return Excerpt(_cut(graph, needs, places, with_graph=with_graph), places, len(places) == len(nodes))


def _has_attributes(node: Any) -> bool:
    """Whether attributes are all that an object has, so that it can do without some; a list could not."""
    identifier: str = node.user_object.identifier
    return identifier == _PLAIN or identifier.startswith("_tf_keras_")


class _StrangeError(Exception):
    """The graph has something that is not foreseen here."""


class _Needs:
    """What a part of a graph needs.

    Attributes:
        objects: Places of those that are needed with all their attributes.
        passed: Places of those that are only on the way to others; the root is always among them.
        functions: Names in the library.
    """

    def __init__(self, graph: Any) -> None:
        self.objects: set[int] = set()
        self.passed = {0}
        self.functions: set[str] = set()
        self._nodes = graph.object_graph_def.nodes
        self._concrete = graph.object_graph_def.concrete_functions
        library = graph.graph_def.library
        self._library = {function.signature.name: function for function in library.function}
        self._gradients = {
            each.registered_op_type.encode(): each.gradient_func for each in library.registered_gradients
        }
        self._function_gradients = {each.function_name: each.gradient_func for each in library.gradient}
        self._interchangeable = collections.defaultdict(list)
        for name, function in self._library.items():
            if _INTERCHANGEABLE in function.attr:
                self._interchangeable[function.attr[_INTERCHANGEABLE].s].append(name)

    def add_way(self, way: Sequence[int]) -> None:
        """Adds the last object of a way from the root."""
        for place in way[:-1]:
            self._pass(place)
        self._add([way[-1]], [])

    def add_objects(self, references: Iterable[Any]) -> None:
        """Adds the objects that some references lead to."""
        self._add([reference.node_id for reference in references], [])

    def add_functions(self, names: Iterable[str]) -> None:
        """Adds functions of the library."""
        self._add([], names)

    def connect(self) -> None:
        """Adds the objects by which a checkpoint finds the values of those that are needed.

        Raises:
            _StrangeError: If none lead there.
        """
        parents = self._ways()
        while lost := self._unreached():
            for place in lost:
                while place != 0:
                    if place not in parents:
                        raise _StrangeError
                    place = parents[place]
                    if place not in self.objects:
                        self._pass(place)

    def _pass(self, place: int) -> None:
        node = self._nodes[place]
        is_plain = node.WhichOneof("kind") == "user_object" and node.user_object.identifier not in _CONTAINERS
        if place == 0 or is_plain:
            self.passed.add(place)
        else:
            self._add([place], [])

    def _add(self, objects: Iterable[int], functions: Iterable[str]) -> None:
        waiting: list[int | str] = [*objects, *functions]
        while waiting:
            need = waiting.pop()
            if isinstance(need, str):
                if need in self._library and need not in self.functions:
                    self.functions.add(need)
                    waiting.extend(self._needs_of_function(self._library[need]))
            elif not 0 < need < len(self._nodes):
                raise _StrangeError  # also the root itself: then nothing can be left out
            elif need not in self.objects:
                self.objects.add(need)
                waiting.extend(self._needs_of_object(self._nodes[need]))

    def _needs_of_object(self, node: Any) -> Iterator[int | str]:
        for reference in (*node.children, *node.dependencies):
            yield reference.node_id
        for saveable in node.saveable_objects.values():
            yield from (saveable.save_function, saveable.restore_function)
        for slot in node.slot_variables:
            yield from (slot.original_variable_node_id, slot.slot_variable_node_id)
        yield from node.function.concrete_functions
        yield node.bare_concrete_function.concrete_function_name
        yield node.captured_tensor.concrete_function

    def _needs_of_function(self, function: Any) -> Iterator[int | str]:
        name = function.signature.name
        if name in self._concrete:
            yield from self._concrete[name].bound_inputs
        yield from self.called_by(function.node_def)
        yield from _named(function)
        yield self._function_gradients.get(name, "")
        if _INTERCHANGEABLE in function.attr:
            yield from self._interchangeable[function.attr[_INTERCHANGEABLE].s]

    def called_by(self, nodes: Iterable[Any]) -> Iterator[str]:
        """Yields what the nodes of a graph call, pass on, or have as gradient; not all are functions."""
        for node in nodes:
            yield node.op
            yield from _named(node)
            if "_gradient_op_type" in node.attr:
                yield self._gradients.get(node.attr["_gradient_op_type"].s, "")

    def _unreached(self) -> list[int]:
        """The objects that may have values, and that no attributes lead to."""
        kept = self.objects | self.passed
        reached, waiting = {0}, [0]
        while waiting:
            for child in self._nodes[waiting.pop()].children:
                place = child.node_id
                if place in kept and place not in reached and self._kind(place) not in _FUNCTION_KINDS:
                    reached.add(place)
                    waiting.append(place)
        return [place for place in kept - reached if self._kind(place) not in _STATELESS_KINDS]

    def _ways(self) -> dict[int, int]:
        """For each object another that has it as attribute, on the shortest way from the root around containers."""
        parents = {0: 0}
        near, far = collections.deque([0]), collections.deque[tuple[int, int]]()
        while near or far:
            if near:
                place = near.popleft()
            else:
                place, container = far.popleft()
                if place in parents:
                    continue
                parents[place] = container
            node = self._nodes[place]
            for child in () if self._kind(place) in _FUNCTION_KINDS else node.children:
                if child.node_id in parents:
                    continue
                if node.user_object.identifier in _CONTAINERS:
                    far.append((child.node_id, place))
                else:
                    parents[child.node_id] = place
                    near.append(child.node_id)
        return parents

    def _kind(self, place: int) -> str | None:
        kind: str | None = self._nodes[place].WhichOneof("kind")
        return kind


def _named(holder: Any) -> Iterator[str]:
    """The functions in the attributes of a node or a function, also in their own attributes."""
    for value in holder.attr.values():
        kind = value.WhichOneof("value")
        if kind == "func" or kind == "list":
            for function in [value.func] if kind == "func" else value.list.func:
                yield function.name
                yield from _named(function)


def _cut(graph: Any, needs: _Needs, places: Sequence[int], *, with_graph: bool) -> Any:
    message = type(graph)()
    message.CopyFrom(graph)
    objects = message.object_graph_def
    _cut_objects(graph.object_graph_def, objects, needs, places)
    if not with_graph:
        constants = {node.constant.operation for node in objects.nodes if node.WhichOneof("kind") == "constant"}
        _replace(message.graph_def, "node", [node for node in graph.graph_def.node if node.name in constants])
    kept, library = needs.functions, graph.graph_def.library
    target = message.graph_def.library
    _replace(target, "function", [each for each in library.function if each.signature.name in kept])
    _replace(target, "gradient", [each for each in library.gradient if each.function_name in kept])
    _replace(
        target, "registered_gradients", [each for each in library.registered_gradients if each.gradient_func in kept]
    )
    for aliases in (message.meta_info_def.function_aliases, objects.concrete_functions):
        for name in set(aliases) - kept:
            del aliases[name]
    return message


def _cut_objects(whole: Any, target: Any, needs: _Needs, places: Sequence[int]) -> None:
    numbers = {place: number for number, place in enumerate(places)}
    _replace(target, "nodes", [_cut_object(whole.nodes[place], place, needs, numbers) for place in places])
    for name in needs.functions & set(target.concrete_functions):
        bound = target.concrete_functions[name].bound_inputs
        bound[:] = [numbers[place] for place in bound]


def _cut_object(node: Any, place: int, needs: _Needs, numbers: dict[int, int]) -> Any:
    copy = type(node)()
    if place in needs.objects or place == 0:
        copy.CopyFrom(node)
    else:
        copy.children.extend(node.children)
        copy.user_object.identifier = _PLAIN
        copy.user_object.version.producer = copy.user_object.version.min_consumer = 1
    _replace(copy, "children", [child for child in copy.children if child.node_id in numbers])
    if place == 0:
        copy.ClearField("slot_variables")
    for reference in (*copy.children, *copy.dependencies):
        reference.node_id = numbers[reference.node_id]
    for saveable in copy.saveable_objects.values():
        saveable.save_function = numbers[saveable.save_function]
        saveable.restore_function = numbers[saveable.restore_function]
    for slot in copy.slot_variables:
        slot.original_variable_node_id = numbers[slot.original_variable_node_id]
        slot.slot_variable_node_id = numbers[slot.slot_variable_node_id]
    return copy


def _replace(message: Any, field: str, values: Sequence[Any]) -> None:
    message.ClearField(field)
    getattr(message, field).extend(values)
