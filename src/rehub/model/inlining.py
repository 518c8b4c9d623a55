"""Calls of functions, replaced by the nodes of the functions. Neither TensorFlow nor a copy of the model is needed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from rehub.model.program import data_inputs, node_of

OutputCounts = Callable[[Any], list[tuple[str, int]]]
"""Tells the names of a node's outputs, and how many tensors each of them is."""

_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})


@dataclasses.dataclass(frozen=True)
class Inlined:
    """A graph without calls.

    Attributes:
        nodes: Its nodes. A call has become an ``IdentityN`` of the same name over the results, or a ``NoOp``.
        inserted: The nodes of the functions, by the call that they replace.
    """

    nodes: tuple[Any, ...]
    inserted: Mapping[str, tuple[str, ...]]


def inline(nodes: Iterable[Any], library: Any, output_counts: OutputCounts) -> Inlined:
    """Replaces the calls of functions in a graph by what they call, also the calls within these.

    Functions that bring a gradient of their own along, and those with open attributes, stay calls.

    Args:
        nodes: The ``NodeDef`` messages of the graph; they stay as they are.
        library: Its ``FunctionDefLibrary``.
        output_counts: What is known about the outputs of ops.
    """
    return _inline(nodes, _Callees(library), output_counts)


def inline_functions(functions: Iterable[Any], library: Any) -> list[tuple[Any, ...]]:
    """Returns the nodes of some functions of a library in which calls are replaced in the same way."""
    callees = _Callees(library)
    return [_inline(function.node_def, callees, None).nodes for function in functions]


def inline_library(library: Any) -> None:
    """Does the same in the functions of a library, in place: ops such as ``While`` call some of them."""
    callees = _Callees(library)
    for function in library.function:
        nodes = _inline(function.node_def, callees, None).nodes
        del function.node_def[:]
        function.node_def.extend(nodes)


class _Callees:
    """The functions of a library that can be inlined."""

    def __init__(self, library: Any) -> None:
        copied = type(library)()
        copied.CopyFrom(library)
        self.functions = {function.signature.name: function for function in copied.function}
        with_gradient = {gradient.function_name for gradient in library.gradient}
        self._kept = {
            name
            for name, function in self.functions.items()
            if name in with_gradient or any(_is_open(node) for node in function.node_def)
        }

    def of(self, node: Any, in_function: bool) -> Any:
        """The function that a node calls; None for other nodes, and for calls that stay."""
        if node.op in _CALLS and "f" in node.attr and not node.attr["f"].func.attr:
            name = node.attr["f"].func.name
        else:
            name = "" if in_function else node.op  # outputs of such a call have names there, not numbers
        return None if name in self._kept else self.functions.get(name)


def _inline(nodes: Iterable[Any], callees: _Callees, output_counts: OutputCounts | None) -> Inlined:
    """In functions, names of tensors hold the name of the output, and need no ``output_counts``."""
    out: list[Any] = []
    inserted: dict[str, tuple[str, ...]] = {}
    waiting = list(nodes)[::-1]
    taken = {scope for node in waiting for scope in _scopes(node.name)}
    calls: dict[str, str] = {}  # an inserted node -> the call of the graph that it comes from
    while waiting:
        node = waiting.pop()
        function = callees.of(node, output_counts is None)
        if function is None:
            out.append(node)
            continue
        *inner, end = _instantiate(node, function, _free_scope(node.name, taken), callees.functions, output_counts)
        taken.update(scope for each in inner for scope in _scopes(each.name))
        origin = calls.get(node.name, node.name)
        inserted[origin] = (*inserted.get(origin, ()), *(each.name for each in inner))
        calls.update((each.name, origin) for each in inner)
        out.append(end)
        waiting += inner[::-1]
    return Inlined(tuple(out), inserted)


def _is_open(node: Any) -> bool:
    return any(value.WhichOneof("value") == "placeholder" for value in node.attr.values())


def _free_scope(name: str, taken: set[str]) -> str:
    scope, count = f"{name}/", 0
    while scope in taken:
        count += 1
        scope = f"{name}/call_{count}/"
    return scope


def _scopes(name: str) -> Iterator[str]:
    """``a/b/c`` is in ``a/`` and ``a/b/``."""
    place = name.find("/")
    while place >= 0:
        yield name[: place + 1]
        place = name.find("/", place + 1)


def _instantiate(
    call: Any, function: Any, scope: str, functions: Mapping[str, Any], output_counts: OutputCounts | None
) -> list[Any]:
    """The nodes of a function as those of its caller, and last what stands for the call itself."""
    arguments = {
        argument.name: tensor for argument, tensor in zip(function.signature.input_arg, data_inputs(call), strict=True)
    }
    offsets: dict[str, Mapping[str, int]] = {}
    if output_counts is not None:
        offsets = {node.name: _output_offsets(node, functions, output_counts) for node in function.node_def}
    controls = [name for name in call.input if name.startswith("^")]

    def tensor(name: str) -> str:
        if name in arguments:
            return arguments[name]
        node, output, index = name.split(":")
        if output_counts is None:
            return scope + name
        return f"{scope}{node}:{offsets[node][output] + int(index)}"

    found = []
    for node in function.node_def:
        new = type(node)()
        new.CopyFrom(node)
        new.name = scope + node.name
        del new.input[:]
        for name in node.input:
            if not name.startswith("^"):
                new.input.append(tensor(name))
            elif node_of(name) not in arguments:
                new.input.append(f"^{scope}{node_of(name)}")
            else:
                new.input.append(f"^{node_of(arguments[node_of(name)])}")
        new.input.extend(name for name in controls if name not in new.input)
        if "_class" in new.attr:
            places = [place.replace(b"loc:@", b"loc:@" + scope.encode(), 1) for place in new.attr["_class"].list.s]
            new.attr["_class"].list.s[:] = places
        found.append(new)

    end = type(call)()
    end.name = call.name
    end.device = call.device
    results = [tensor(function.ret[output.name]) for output in function.signature.output_arg]
    end.op = "IdentityN" if results else "NoOp"
    if results:
        end.attr["T"].list.type.extend(output.type for output in function.signature.output_arg)
        if "_output_shapes" in call.attr:
            end.attr["_output_shapes"].CopyFrom(call.attr["_output_shapes"])
    effects = [f"^{scope}{function.control_ret[name]}" for name in function.signature.control_output]
    end.input.extend([*results, *dict.fromkeys([*effects, *controls])])
    return [*found, end]


def _output_offsets(node: Any, functions: Mapping[str, Any], output_counts: OutputCounts) -> dict[str, int]:
    """Where the outputs of each name begin among all outputs of a node."""
    if node.op in functions:
        return {output.name: place for place, output in enumerate(functions[node.op].signature.output_arg)}
    offsets, place = {}, 0
    for name, count in output_counts(node):
        offsets[name] = place
        place += count
    return offsets
