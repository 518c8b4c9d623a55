"""Imports of parts of a TF1 graph into a function of TensorFlow 2.

Gradient tapes cannot differentiate loops and conditions of TensorFlow 1, so those become ``tf.while_loop`` and
``tf.cond``, whose functions import their parts of the graph in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from rehub.errors import ConversionError
from rehub.model.program import data_inputs, node_of
from rehub.runtime.tf1_control_flow import Condition, ControlFlow, Loop, LoopVariable, canonical
from rehub.runtime.tf1_graph import Tf1Graph
from rehub.runtime.tf_version import import_tensorflow

_CONTROL_FLOW = frozenset({"Enter", "Exit", "LoopCond", "Merge", "NextIteration", "Switch"})
_SAME_VALUE = frozenset({"Enter", "Exit", "Identity", "Merge", "NextIteration", "Switch"})
_OF_A_SESSION = re.compile(r"(Eager)?PyFunc|Stack|TensorArray|.*(Queue|Barrier|Reader|Iterator|Session)")
"""Beginnings of the ops whose state lasts as long as a session or a step of one, or is in its process."""


class FunctionalImport:
    """Adds parts of a graph to the function that is being traced.

    Args:
        graph: The graph, made with ``functional=True``.
        control_flow: Its loops and conditions.
        values: The tensors that stand for those of the graph, by name, such as ``w:0``.
        scope: The name scope to import into.
    """

    def __init__(self, graph: Tf1Graph, control_flow: ControlFlow, values: dict[str, Any], scope: str) -> None:
        self._graph, self._control_flow, self._values, self._scope = graph, control_flow, dict(values), scope

    def run(self, targets: Iterable[str]) -> list[Any]:
        """Returns the tensors that stand for some of the graph; None for operations, whose names are like ``^x``.

        Raises:
            ConversionError: If they depend on an op that cannot be in a function; it names the op.
        """
        targets = list(targets)
        plain, parts = self._plan(targets)
        for part in parts:
            self._run_loop(part) if isinstance(part, Loop) else self._run_condition(part)
        self._import(plain)
        return [None if target.startswith("^") else self._values[canonical(target)] for target in targets]

    def _plan(self, targets: Iterable[str]) -> tuple[set[str], list[Loop | Condition]]:
        """The nodes to import as they are, and the loops and conditions that they depend on."""
        plain: set[str] = set()
        parts: dict[int, Loop | Condition] = {}
        for node in self._needed(targets):
            part = self._control_flow.loop_of.get(node.name) or self._control_flow.condition_of.get(node.name)
            if part is not None:
                parts[id(part)] = part
            elif node.op in _CONTROL_FLOW or _OF_A_SESSION.match(node.op):
                raise ConversionError(
                    f"The node {node.name!r} is a {node.op!r}, which a function of TensorFlow 2 cannot hold"
                    f"{' outside of a loop or a condition' * (node.op in _CONTROL_FLOW)}.",
                    hint="Use the model with hub.Module, which runs the graph as it is.",
                    ops=(node.op,),
                )
            else:
                plain.add(node.name)
        return plain, list(parts.values())

    def _needed(self, targets: Iterable[str]) -> Iterator[Any]:
        """The nodes that some tensors depend on, as far as they are not known yet; of loops and conditions the ends."""
        waiting, seen = list(targets), set[str]()
        while waiting:
            tensor = waiting.pop()
            name = node_of(tensor)
            if name in seen or name not in self._graph.nodes or self._is_known(tensor):
                continue
            seen.add(name)
            node = self._graph.nodes[name]
            yield node
            if name not in self._control_flow.loop_of and name not in self._control_flow.condition_of:
                waiting += node.input

    def _is_known(self, tensor: str) -> bool:
        return (f"{tensor[1:]}:0" if tensor.startswith("^") else canonical(tensor)) in self._values

    def _import(self, names: set[str]) -> None:
        tf = import_tensorflow()
        if not names:
            return
        with tf.name_scope(self._scope) as scope:
            self._graph.import_nodes(names, self._values, scope)
        graph = tf.compat.v1.get_default_graph()
        for name in names:
            operation = graph.get_operation_by_name(scope + name)
            self._values.update({f"{name}:{place}": tensor for place, tensor in enumerate(operation.outputs)})
            self._values.setdefault(f"{name}:0", None)  # it is there, and has no outputs

    def _run_loop(self, loop: Loop) -> None:
        tf = import_tensorflow()
        starts = self.run(self._input(variable.enter) for variable in loop.variables)
        around = dict(self._values)
        reads = {name: self._reads_alone(name) for name in loop.invariants}
        entering = [
            name for name, found in reads.items() if not found or not all(self._is_known(r.name) for r in found)
        ]
        for name, value in zip(entering, self.run(map(self._input, entering)), strict=True):
            around[f"{name}:0"] = value
            # TensorFlow cannot differentiate a loop that reads a variable, once it was saved and loaded.
            for read in reads[name]:
                dtype = tf.as_dtype(read.attr["dtype"].type)
                around[f"{read.name}:0"] = tf.raw_ops.ReadVariableOp(resource=value, dtype=dtype)

        def inside(values: tuple[Any, ...]) -> FunctionalImport:
            own = dict(around)
            for variable, value in zip(loop.variables, values, strict=True):
                own[f"{variable.enter}:0"] = own[f"{variable.merge}:0"] = own[f"{variable.switch}:1"] = value
            return FunctionalImport(self._graph, self._control_flow, own, self._scope)

        def goes_on(*values: Any) -> Any:
            return inside(values).run([loop.condition])[0]

        shapes = [self._shape(variable, start) for variable, start in zip(loop.variables, starts, strict=True)]

        def body(*values: Any) -> tuple[Any, ...]:
            results = inside(values).run([variable.next_value for variable in loop.variables])
            for result, shape in zip(results, shapes, strict=True):
                if result.dtype != tf.variant:
                    result.set_shape(shape)
            return tuple(results)

        ends = tf.while_loop(
            goes_on, body, starts, shape_invariants=shapes, parallel_iterations=loop.parallel_iterations
        )
        for variable, value in zip(loop.variables, ends, strict=True):
            if variable.exit:
                self._values[f"{variable.exit}:0"] = value

    def _reads_alone(self, name: str) -> list[Any]:
        """The nodes that read the variable whose handle a node passes on; none if it is no handle, or others write."""
        found: list[Any] = []
        if self._graph.nodes[name].attr["T"].type != import_tensorflow().resource.as_datatype_enum:
            return found
        waiting = [f"{name}:0"]
        while waiting:
            for user in self._control_flow.users(waiting.pop()):
                if user.op in _SAME_VALUE:
                    waiting += [f"{user.name}:0", f"{user.name}:1"]
                else:
                    found.append(user)
        return found if all(user.op == "ReadVariableOp" for user in found) else []

    def _shape(self, variable: LoopVariable, start: Any) -> Any:
        """The shape that a variable keeps in all rounds, as the publisher's graph tells it."""
        tf = import_tensorflow()
        told = self._graph.nodes[variable.merge].attr
        if "_output_shapes" in told:
            shape = tf.TensorShape(told["_output_shapes"].list.shape[0])
            if shape.is_compatible_with(start.shape):
                return shape
        return start.shape if start.shape.rank == 0 else tf.TensorShape(None)

    def _run_condition(self, condition: Condition) -> None:
        tf = import_tensorflow()
        entries = [self._entries(condition, branch) for branch in (0, 1)]
        outside = list(dict.fromkeys(data for entry in entries for data in entry.values()))
        pred, *values = self.run([condition.pred, *outside])
        known = dict(zip(outside, values, strict=True))

        def branch(number: int) -> list[Any]:
            own = {**self._values, **{f"{switch}:{number}": known[data] for switch, data in entries[number].items()}}
            inside = FunctionalImport(self._graph, self._control_flow, own, self._scope)
            return inside.run(inputs[number] for inputs in condition.inputs)

        results = tf.cond(pred, lambda: branch(1), lambda: branch(0))
        for name, value, inputs in zip(condition.merges, results, condition.inputs, strict=True):
            self._values[f"{name}:0"] = value
            if self._control_flow.users(f"{name}:1"):
                places = list(map(data_inputs(self._graph.nodes[name]).index, inputs))
                self._values[f"{name}:1"] = tf.where(pred, places[1], places[0])

    def _entries(self, condition: Condition, branch: int) -> dict[str, str]:
        """The nodes by which values enter a branch, and the tensors that they take."""
        found: dict[str, str] = {}
        waiting, seen = [inputs[branch] for inputs in condition.inputs], set[str]()
        while waiting:
            tensor = waiting.pop()
            name = node_of(tensor)
            if name in seen or name not in self._graph.nodes or self._is_known(tensor):
                continue
            seen.add(name)
            node = self._graph.nodes[name]
            if self._control_flow.is_entry(node, condition.pred):
                found[name] = data_inputs(node)[0]
            else:
                waiting += node.input
        return found

    def _input(self, name: str) -> str:
        return data_inputs(self._graph.nodes[name])[0]
