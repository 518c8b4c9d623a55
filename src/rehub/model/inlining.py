"""Calls of functions, replaced by the nodes of the functions. Neither TensorFlow nor a copy of the model is needed."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from rehub.errors import FormatError
from rehub.model.program import data_inputs, node_of

OutputCounts = Callable[[Any], list[tuple[str, int]]]
"""Tells the names of a node's outputs, and how many tensors each of them is."""

_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
_MAX_NODES = 1 << 18
"""Bound for what calls are replaced by, far above any real model; in a crafted file each function may call the next one
twice, and so on."""
_CALL_NODES = 20
"""As how many nodes a call counts, by its time."""


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

    Functions that bring a gradient of their own along, those with open attributes, and what would call itself without
    end, stay calls.

    Args:
        nodes: The ``NodeDef`` messages of the graph; they stay as they are.
        library: Its ``FunctionDefLibrary``.
        output_counts: What is known about the outputs of ops.

    Raises:
        FormatError: If a call does not fit its function, or there is no end to them.
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
        self._kept |= self._recursive()

    def of(self, node: Any, in_function: bool) -> Any:
        """The function that a node calls; None for other nodes, and for calls that stay."""
        if node.op in _CALLS and "f" in node.attr and not node.attr["f"].func.attr:
            name = node.attr["f"].func.name
        else:
            name = "" if in_function else node.op  # outputs of such a call have names there, not numbers
        return None if name in self._kept else self.functions.get(name)

    def _recursive(self) -> set[str]:
        """Functions without which none would call itself, at however many removes."""
        found, done = set[str](), set[str]()
        for start in self.functions:
            path, waiting = dict[str, None](), [(start, True)]
            while waiting:
                name, is_entered = waiting.pop()
                if not is_entered:
                    del path[name]
                    done.add(name)
                elif name in path:
                    found.add(name)
                elif name not in done:
                    path[name] = None
                    waiting.append((name, False))
                    called = (self.of(node, in_function=True) for node in self.functions[name].node_def)
                    waiting += [(function.signature.name, True) for function in called if function is not None]
        return found


def _inline(nodes: Iterable[Any], callees: _Callees, output_counts: OutputCounts | None) -> Inlined:
    """In functions, names of tensors hold the name of the output, and need no ``output_counts``."""
    out: list[Any] = []
    inserted = collections.defaultdict[str, list[str]](list)
    waiting = list(nodes)[::-1]
    taken = {scope for node in waiting for scope in _scopes(node.name)}
    count = 0
    calls: dict[str, str] = {}  # an inserted node -> the call of the graph that it comes from
    while waiting:
        node = waiting.pop()
        function = callees.of(node, output_counts is None)
        if function is None:
            out.append(node)
            continue
        count += len(function.node_def) + _CALL_NODES
        if count > _MAX_NODES:
            raise FormatError(
                f"the functions of the model call one another too often: their calls are more than {_MAX_NODES} nodes.",
                hint="If a real model has so many, report it.",
            )
        *inner, end = _instantiate(node, function, _free_scope(node.name, taken), callees.functions, output_counts)
        taken.update(scope for each in inner for scope in _scopes(each.name))
        origin = calls.get(node.name, node.name)
        inserted[origin] += (each.name for each in inner)
        calls.update((each.name, origin) for each in inner)
        out.append(end)
        waiting += inner[::-1]
    return Inlined(tuple(out), {call: tuple(names) for call, names in inserted.items()})


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
    signature, inputs = function.signature, data_inputs(call)
    if len(inputs) != len(signature.input_arg):
        raise _unfit(call, f"gives {len(inputs)} values to {signature.name!r}, which takes {len(signature.input_arg)}")
    arguments = {argument.name: tensor for argument, tensor in zip(signature.input_arg, inputs, strict=True)}
    offsets: dict[str, Mapping[str, int]] = {}
    if output_counts is not None:
        offsets = {node.name: _output_offsets(node, functions, output_counts) for node in function.node_def}
    controls = [name for name in call.input if name.startswith("^")]

    def tensor(name: str) -> str:
        if name in arguments:
            return arguments[name]
        node, _, place = name.partition(":")
        output, _, index = place.partition(":")
        if output_counts is None:
            return scope + name
        if output not in offsets.get(node, ()) or not (index.isdecimal() and len(index) < 10):
            raise _unfit(call, f"calls {signature.name!r}, in which {name!r} is the output of no node")
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


def _unfit(call: Any, what: str) -> FormatError:
    return FormatError(
        f"the node {call.name!r} {what}.", hint="Fetch the model again, or ask its publisher for another export."
    )


def _output_offsets(node: Any, functions: Mapping[str, Any], output_counts: OutputCounts) -> dict[str, int]:
    """Where the outputs of each name begin among all outputs of a node."""
    if node.op in functions:
        return {output.name: place for place, output in enumerate(functions[node.op].signature.output_arg)}
    offsets, place = {}, 0
    for name, count in output_counts(node):
        offsets[name] = place
        place += count
    return offsets
