"""Which values in a program are always the path of one of the model's own files: assets, and what only they flow into.

Whoever loads a graph feeds the paths of its assets when it initializes it, and at no other time. A signature that uses
the tensor of an asset gets what stands in the file: the path on the machine of the publisher, or any other.
"""

from __future__ import annotations

import collections
import functools
from collections.abc import Iterator
from typing import Any

from rehub.formats.saved_model import asset_messages
from rehub.model.program import Body, Program, data_inputs, function_names, node_of, tensor_names

_ARGUMENTS_FROM = {
    "PartitionedCall": 0,
    "StatefulPartitionedCall": 0,
    "If": 1,
    "StatelessIf": 1,
    "Case": 1,
    "StatelessCase": 1,
}
"""The first input of these ops that becomes an argument of the functions they call.

Loops are not among them: their second round gets what the first returns.
"""

_SAME_VALUE = frozenset({"Identity", "ReadVariableOp", "Enter", "Switch"})
_ONE_OUTPUT = frozenset({"Const", "Identity", "Placeholder", "PlaceholderV2", "PlaceholderWithDefault"})
_FED = frozenset({"Placeholder", "PlaceholderV2"})
_READS_OR_WRITES = frozenset({"AssignVariableOp", "ReadVariableOp", "VarIsInitializedOp"})

_NOWHERE = frozenset({b"", b"SAVEDMODEL-ASSET"})
"""Texts in place of a path that no publisher chose. Source: exports in the TF1 Hub format have the second one."""

Value = tuple[str, str]
"""A function, empty for the graph, and its node or argument."""


class OwnAssets:
    """The values of a program that are such paths.

    Attributes:
        program: The program.
    """

    def __init__(self, program: Program) -> None:
        self.program = program

    def lead_to(self, body: Body, node: Any, place: int) -> bool:
        """Tells whether an input of a node is always such a path.

        Args:
            body: Where the node is.
            node: The node.
            place: The number of the input.
        """
        inputs = data_inputs(node)
        is_anytime = not self._is_fed(body.name, node)
        return place < len(inputs) and (body.name, node_of(inputs[place]), is_anytime) in self._found

    @functools.cached_property
    def _found(self) -> set[tuple[str, str, bool]]:
        """All such values; each is told apart while the loader feeds assets (False), and at any time (True).

        Found when first asked for: most programs name no file.
        """
        users, sources = self._find_users()
        by_user = {
            node_of(tensor)
            for signature in self.program.graph.signature_def.values()
            for info in signature.inputs.values()
            for tensor in tensor_names(info)
        }
        found = set[tuple[str, str, bool]]()
        waiting = [*self._assets(), *self._captured_assets(sources)]
        while waiting:
            body, name, is_anytime = value = waiting.pop()
            if value in found or (is_anytime and not body and name in by_user):
                continue
            found.add(value)
            for node, place in users[body, name]:
                if self._op(node) in _SAME_VALUE and place == 0:
                    waiting.append((body, node.name, is_anytime))
                elif is_anytime != self._is_fed(body, node):
                    for target in self._targets(body, node, place):
                        sources[target] -= 1
                        if sources[target] <= 0:
                            waiting += [(*target, False), (*target, True)]
        return found

    def _is_fed(self, body: str, node: Any) -> bool:
        return not body and node.name in self.program.run_by_loader_alone

    def _assets(self) -> Iterator[tuple[str, str, bool]]:
        for message in asset_messages(self.program.graph):
            name = node_of(message.tensor_info.name)
            node = self.program.main.nodes.get(name)
            op = "" if node is None else self._op(node)
            if op in _ONE_OUTPUT:
                yield "", name, False
                if op in _FED or (op == "Const" and texts_of(node) <= _NOWHERE):
                    yield "", name, True

    def _captured_assets(self, sources: collections.Counter[Value]) -> list[tuple[str, str, bool]]:
        """Arguments that get an asset from the object graph, and from nowhere else; counts these sources."""
        objects, found = self.program.graph.object_graph_def, []
        for name, concrete in objects.concrete_functions.items():
            arguments = self.program.functions[name].arguments if name in self.program.functions else ()
            first = len(arguments) - len(concrete.bound_inputs)
            for place, argument in enumerate(arguments):
                bound = objects.nodes[concrete.bound_inputs[place - first]] if place >= max(first, 0) else None
                if bound is None or not bound.HasField("asset"):
                    sources[name, argument] += 1  # from the user: never an asset
                elif sources[name, argument] == 0:
                    found.append((name, argument, True))
        return found

    def _find_users(self) -> tuple[dict[Value, list[tuple[Any, int]]], collections.Counter[Value]]:
        """Who uses a value as which input; and how many places give one to an argument or a variable."""
        program = self.program
        users = collections.defaultdict[Value, list[tuple[Any, int]]](list)
        sources = collections.Counter[Value]()
        for body in program.bodies:
            for node in body.nodes.values():
                for place, name in enumerate(data_inputs(node)):
                    users[body.name, node_of(name)].append((node, place))
                for called in program.calls(node):
                    sources.update((called, argument) for argument in program.functions[called].arguments)
                if self._op(node) == "AssignVariableOp" and node.input:
                    sources[body.name, node_of(node.input[0])] += 1
        for name in program.gradients:
            sources.update((name, argument) for argument in program.functions[name].arguments)
        return users, sources

    @functools.cached_property
    def _variables(self) -> set[str]:
        """Variables of the graph that get their value from its nodes alone, neither from a checkpoint nor elsewhere."""
        graph, program = self.program.graph, self.program
        # Variables in collections are restored, even by a loader that finds no saver.
        if not graph.HasField("object_graph_def") or any(c.bytes_list.value for c in graph.collection_def.values()):
            return set()
        if any(node.op == "VarHandleOp" for body in program.functions.values() for node in body.nodes.values()):
            return set()
        shared = {
            node.name: node.attr["shared_name"].s if "shared_name" in node.attr else b""
            for node in program.main.nodes.values()
            if node.op == "VarHandleOp"
        }
        counts = collections.Counter(text or name.encode() for name, text in shared.items())
        escaped = {
            node_of(name)
            for node in program.main.nodes.values()
            for place, name in enumerate(data_inputs(node))
            if place > 0 or self._op(node) not in _READS_OR_WRITES
        }
        return {name for name, text in shared.items() if name not in escaped and counts[text or name.encode()] == 1}

    def _targets(self, body: str, node: Any, place: int) -> list[Value]:
        """The values into which an input of a node flows unchanged."""
        op, functions = self._op(node), self.program.functions
        if op == "AssignVariableOp" and place == 1:
            variable = node_of(node.input[0])
            return [(body, variable)] if not body and variable in self._variables else []
        if node.op in functions:
            called, start = [node.op], 0
        elif op in _ARGUMENTS_FROM:
            called, start = function_names(node), _ARGUMENTS_FROM[op]
        else:
            return []
        arguments = (
            (name, functions[name].arguments[place - start :])
            for name in called
            if name in functions and place >= start
        )
        return [(name, left[0]) for name, left in arguments if left]

    def _op(self, node: Any) -> str:
        """The type of a node; empty for a call of a function, which may be named like an op."""
        return "" if node.op in self.program.functions else node.op


def texts_of(constant: Any) -> set[bytes]:
    """Returns the texts of a ``Const``; one that is none, where the file holds them in another form."""
    value = constant.attr.get("value")
    if value is None or value.WhichOneof("value") != "tensor" or value.tensor.tensor_content:
        return {b"\0"}
    return set(value.tensor.string_val)
