"""A tensor inside of a model's functions as the result of a call.

The graph of a call is made as TensorFlow makes it, its inner calls are replaced by what they call, and the part that
the tensor depends on is imported into a function of its own. It captures the same variables.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from rehub.errors import SignatureError
from rehub.model.activations import Trace, activations, entered
from rehub.model.program import data_inputs, node_of
from rehub.runtime import function_calls, loaded_gradients, reusable, tf_private
from rehub.runtime.tf_version import import_tensorflow

_SHOWN = 5
_imports = itertools.count()


def find(obj: Any, call: Callable[..., Any], functions: Sequence[Any], name: str | None) -> Endpoint | None:
    """Returns how to compute the tensor inside of a model that a user asks for; None where there is none to look for.

    Args:
        obj: The model.
        call: What would be called. It may list its own tensors by ``activations()``, and ``inner(name)`` returns one.
        functions: The concrete functions that this may run; none for what Python alone knows.
        name: The output that the user asks for; a node, maybe with ``:0``, or the key of an output.

    Raises:
        SignatureError: If there is neither such an output nor such a tensor.
    """
    outputs = [function.structured_outputs for function in functions]
    if not name or not outputs or any(isinstance(each, Mapping) and name in each for each in outputs):
        return None
    node = name.removesuffix(":0")
    lists_its_own = callable(getattr(type(call), "activations", None))
    if lists_its_own:
        names = call.activations()  # type: ignore[attr-defined]
    else:
        names = () if reusable.is_graph_of_tf1(obj) else tuple(_activations(functions))
    if node in names:
        found: Endpoint = call.inner(node) if lists_its_own else Endpoint(call, functions, node)  # type: ignore[attr-defined]
        return found
    keys = tuple(map(str, outputs[0])) if isinstance(outputs[0], Mapping) else ()
    problem = f"output_key is {name!r}, but the output is no dict, and no tensor inside has this name."
    if keys:
        problem = f"KerasLayer output does not contain the output key {name} (available: {', '.join(keys)})."
    reason = getattr(obj, "_lifting_error", None)
    if reason is not None:
        problem += f" No tensor inside can be had: the model cannot be made an object of TensorFlow 2. {reason}"
    close = difflib.get_close_matches(node, names, _SHOWN, cutoff=0.5)
    close = close or [each for each in names if node in each][:_SHOWN]
    raise SignatureError(
        problem,
        hint=("Use one of those as output_key" if keys else "Leave output_key out")
        + (f", or a tensor inside, of which 'rehub inspect --endpoints' lists {len(names)}" if names else "")
        + (f", such as {', '.join(close)}." if close else "."),
        available=keys,
        tensors=names,
    ) from reason


class Endpoint:
    """Computes one tensor of those that a function computes on its way; see `rehub.model.activations`.

    When the model trains, the variables that the tensor depends on in any trace are updated as in the whole model.

    Args:
        call: What is called: a restored function, or a signature.
        functions: The concrete functions that it may run.
        name: The node.

    Attributes:
        variables: Those that it depends on.
    """

    def __init__(self, call: Callable[..., Any], functions: Sequence[Any], name: str) -> None:
        tf = import_tensorflow()
        self._name = name
        used = set[int]().union(*(_used_captures(function, name) for function in functions))
        known = reusable.function_variables(functions)
        self.variables = [variable for variable in known if used & _keys(variable)]
        self._states = frozenset[int]().union(*map(_keys, self.variables))
        self._call = call
        self._function = tf.function(self._compute, autograph=False, reduce_retracing=True)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the tensor from the arguments of the function."""
        return self._function(*args, **kwargs)

    def _compute(self, *args: Any, **kwargs: Any) -> Any:
        tf = import_tensorflow()
        scratch = tf.__internal__.FuncGraph("endpoint")
        given: dict[str, Any] = {}

        def stand_in(value: Any) -> Any:
            if not tf.is_tensor(value):
                return value
            placeholder = tf.compat.v1.placeholder(value.dtype, value.shape)
            given[placeholder.op.name] = value
            return placeholder

        with tf_private.stop_recording_of_function(), scratch.as_default():
            stand_ins = tf.nest.map_structure(stand_in, (args, kwargs), expand_composites=True)
            tf.function(self._call, autograph=False)(*stand_ins[0], **stand_ins[1])
        captured = {placeholder.op.name: source for source, placeholder in scratch.captures}
        part = _Part(scratch.as_graph_def(), self._name)
        states = {name for name, source in captured.items() if id(source) in self._states}
        graph = tf.compat.v1.get_default_graph()
        for name in part.inputs(states) & captured.keys():
            given[name] = tf_private.in_graph(graph, captured[name])
        for variable in self.variables:
            tf_private.watch(graph, variable)
        return part.add_to_graph(states, given)


class _Part:
    """What a tensor of a graph depends on.

    Args:
        definition: The ``GraphDef`` of a call.
        name: The node of the tensor, without what the calls around all of the graph put before it.
    """

    def __init__(self, definition: Any, name: str) -> None:
        functions = {function.signature.name: function for function in definition.library.function}
        self._end = entered(definition.node, functions) + name
        self._definition = definition
        inlined = function_calls.inline(definition.node, definition.library).nodes
        self._nodes = {node.name: node for node in inlined}

    def inputs(self, states: Collection[str] = ()) -> set[str]:
        """The placeholders that it depends on, also by the updates of some placeholders that stand for variables."""
        return {name for name in self._needed(states) if self._nodes[name].op == "Placeholder"}

    def add_to_graph(self, states: Collection[str], given: Mapping[str, Any]) -> Any:
        """Adds it to the current graph, with the updates of ``states``, and returns the tensor.

        Args:
            states: Placeholders that stand for variables.
            given: What the placeholders stand for.
        """
        tf = import_tensorflow()
        needed = self._needed(states)
        definition = tf.compat.v1.GraphDef(versions=self._definition.versions)
        names = [name for name in self._nodes if name in needed and name not in given]
        definition.node.extend(self._nodes[name] for name in names)
        for node in definition.node:
            _forget_missing(node, needed, given)
        library = tf.compat.v1.GraphDef(library=self._definition.library).library
        function_calls.inline_library(library)
        definition.library.CopyFrom(function_calls.reachable_library(definition.node, library))
        # Functions of one name are one function in all of the process, also those that TensorFlow derives from them.
        number = next(_imports)
        function_calls.rename(definition.node, definition.library, lambda name: f"{name}_endpoint_{number}")
        used = {node_of(source) for node in definition.node for source in data_inputs(node)}
        input_map = {f"{name}:0": tensor for name, tensor in given.items() if name in used}
        graph = tf.compat.v1.get_default_graph()
        with tf.name_scope("endpoint") as scope:
            tf.graph_util.import_graph_def(definition, input_map=input_map, name=scope)

        def copied(tensor: str) -> Any:
            name, _, place = tensor.partition(":")
            return given[name] if name in given else graph.get_operation_by_name(scope + name).outputs[int(place or 0)]

        for name in names:
            loaded_gradients.give_copy(self._nodes[name], graph.get_operation_by_name(scope + name), copied)
        return copied(self._end)

    def _needed(self, states: Collection[str]) -> set[str]:
        needed = self._upstream([self._end])
        users = {node_of(source) for node in self._nodes.values() for source in data_inputs(node)}
        updates = (
            node.name
            for node in self._nodes.values()
            if node.name not in users and any(node_of(source) in states for source in data_inputs(node))
        )
        return self._upstream([*needed, *updates])

    def _upstream(self, names: Iterable[str]) -> set[str]:
        found, waiting = set[str](), list(names)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += map(node_of, self._nodes[name].input)
                waiting += map(node_of, loaded_gradients.captured_by(self._nodes[name]))
        return found


def _forget_missing(node: Any, needed: Collection[str], given: Mapping[str, Any]) -> None:
    """Takes out what refers to nodes that are not imported: waiting for arguments, and colocation."""
    sources = [source for source in node.input if not (source.startswith("^") and source[1:] in given)]
    del node.input[:]
    node.input.extend(sources)
    if "_class" in node.attr:
        places = node.attr["_class"].list.s
        if any(place.decode().removeprefix("loc:@") not in needed for place in places):
            del node.attr["_class"]


def _activations(functions: Sequence[Any]) -> Mapping[str, Any]:
    tf = import_tensorflow()
    library = tf.compat.v1.GraphDef().library
    bodies: dict[str, Any] = {}
    for function in functions:
        for body in function.graph.as_graph_def().library.function:
            bodies.setdefault(body.signature.name, body)
    library.function.extend(bodies.values())
    traces = [Trace(function.function_def, len(function.captured_inputs)) for function in functions]
    return activations(traces, library)


def _used_captures(function: Any, name: str) -> set[int]:
    """The identities of what a concrete function captures and a tensor of it depends on."""
    captured = function.captured_inputs
    placeholders = function.inputs[len(function.inputs) - len(captured) :]
    inputs = _Part(function.graph.as_graph_def(), name).inputs()
    pairs = zip(placeholders, captured, strict=True)
    return {id(source) for placeholder, source in pairs if placeholder.op.name in inputs}


def _keys(variable: Any) -> frozenset[int]:
    """The identities of what functions capture of a variable: its handle, or itself if each replica has a copy."""
    copies = getattr(variable, "values", None)
    return frozenset([id(variable), *(id(each.handle) for each in copies or [variable])])
