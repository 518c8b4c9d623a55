"""Which variables a function of TensorFlow may assign, by itself or through the functions that it calls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rehub.model.program import data_inputs, function_names, node_of

_READS = frozenset({"ReadVariableOp", "ResourceGather", "ResourceGatherNd", "VarIsInitializedOp", "VariableShape"})


def written_handles(functions: Iterable[Any]) -> list[Any]:
    """The handles of variables, and other tensors, that concrete functions capture and do more with than read."""
    found: list[Any] = []
    for function in functions:
        definition = function.graph.as_graph_def()
        library = _Library(definition.library.function)
        places = library.written([tensor.op.name for tensor in function.inputs], definition.node)
        captured = function.captured_inputs
        own = len(function.inputs) - len(captured)
        found += [captured[place - own] for place in places if place >= own]
    return found


class _Library:
    """Functions, with the places of those arguments that they do more with than read."""

    def __init__(self, functions: Iterable[Any]) -> None:
        self._functions = {function.signature.name: function for function in functions}
        self._written: dict[str, set[int]] = {}

    def written(self, arguments: Sequence[str], nodes: Iterable[Any]) -> set[int]:
        """The places of the arguments that some nodes, or what these call, do more with than read."""
        by_name = {node.name: node for node in nodes}
        places = {name: place for place, name in enumerate(arguments)}
        found = set[int]()
        for node in by_name.values():
            for tensor in self._written_inputs(node):
                source = node_of(tensor)
                while source not in places and source in by_name and by_name[source].op == "Identity":
                    source = node_of(by_name[source].input[0])
                if source in places:
                    found.add(places[source])
        return found

    def _written_inputs(self, node: Any) -> list[str]:
        if node.op in _READS or node.op == "Identity":
            return []
        inputs = data_inputs(node)
        called = [name for name in (node.op, *function_names(node)) if name in self._functions]
        if not called:
            return inputs
        found: list[str] = []
        for name in called:
            # What comes before the arguments of a function chooses it: the condition of If, the branch of Case.
            before = len(inputs) - len(self._functions[name].signature.input_arg)
            found += [inputs[before + place] for place in self._written_arguments(name)]
        return found

    def _written_arguments(self, name: str) -> set[int]:
        if name not in self._written:
            self._written[name] = set()  # a function that calls itself ends here
            function = self._functions[name]
            arguments = [argument.name for argument in function.signature.input_arg]
            self._written[name] = self.written(arguments, function.node_def)
        return self._written[name]
