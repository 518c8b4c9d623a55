"""Imports of parts of a TF1 graph into a function of TensorFlow 2.

Gradient tapes cannot differentiate loops and conditions of TensorFlow 1, so those become ``tf.while_loop`` and
``tf.cond``, whose functions import their parts of the graph in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from rehub.errors import ConversionError
from rehub.model.program import canonical, data_inputs, node_of
from rehub.runtime.tf1_control_flow import Carried, Condition, ControlFlow, Loop
from rehub.runtime.tf1_graph import Tf1Graph
from rehub.runtime.tf_version import import_tensorflow

_CONTROL_FLOW = frozenset({"Enter", "Exit", "LoopCond", "Merge", "NextIteration", "Switch"})
_OF_A_SESSION = re.compile(r"(Eager)?PyFunc|Stack|TensorArray|.*(Queue|Barrier|Reader|Iterator|Session)")
"""Beginnings of the types of ops whose state lasts as long as a session or a step of one, or is in its process."""


def check(nodes: Iterable[Any]) -> None:
    """Refuses ops that no function can hold.

    Raises:
        ConversionError: If there are any; it names them.
    """
    refused = [node for node in nodes if _OF_A_SESSION.match(node.op)]
    if refused:
        ops = tuple(sorted({node.op for node in refused}))
        raise ConversionError(
            f"The graph has {', '.join(ops)} ({refused[0].name!r}), which a function of TensorFlow 2 cannot hold.",
            hint="Use the model with hub.Module, which runs the graph as it is.",
            ops=ops,
        )


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
        if parts:  # they have imported some of the nodes
            plain, _ = self._plan(targets)
        self._import(plain)
        return [None if target.startswith("^") else self._values[canonical(target)] for target in targets]

    def check(self, targets: Iterable[str]) -> None:
        """Refuses ops of loops and conditions that belong to none, as `run` does, without importing anything.

        Raises:
            ConversionError: If the tensors depend on one; it names the op.
        """
        self._plan(targets)

    def _plan(self, targets: Iterable[str]) -> tuple[set[str], list[Loop | Condition]]:
        """The nodes to import as they are, and the loops and conditions that they depend on."""
        plain: set[str] = set()
        parts: dict[int, Loop | Condition] = {}
        for node in self._needed(targets):
            part = self._control_flow.loop_of.get(node.name) or self._control_flow.condition_of.get(node.name)
            if part is not None:
                parts[id(part)] = part
            elif node.op in _CONTROL_FLOW:
                raise ConversionError(
                    f"The node {node.name!r} is a {node.op!r} that belongs to no loop and no condition.",
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
        self.run(loop.controls)
        around = dict(self._values)
        varying = [each for each in loop.carried if each.following]
        starts = self.run(each.start for each in varying)
        for each in loop.carried:
            reads = [] if each.following else self._reads_alone(each.inside)
            if each.following or (reads and all(self._is_known(read.name) for read in reads)):
                continue
            (value,) = self.run([each.start])
            around.update(dict.fromkeys(each.inside, value))
            if each.end:
                self._values[each.end] = value
            if value.dtype == tf.resource:
                # TensorFlow cannot differentiate a loop that reads a variable, once it was saved and loaded.
                for read in reads:
                    dtype = tf.as_dtype(read.attr["dtype"].type)
                    around[f"{read.name}:0"] = tf.raw_ops.ReadVariableOp(resource=value, dtype=dtype)

        def inside(values: tuple[Any, ...]) -> FunctionalImport:
            own = dict(around)
            for each, value in zip(varying, values, strict=True):
                own.update(dict.fromkeys(each.inside, value))
            return FunctionalImport(self._graph, self._control_flow, own, self._scope)

        def goes_on(*values: Any) -> Any:
            return tf.reshape(inside(values).run([loop.condition])[0], [])

        shapes = [_shape(each, start) for each, start in zip(varying, starts, strict=True)]

        def body(*values: Any) -> tuple[Any, ...]:
            results = inside(values).run([*(each.following for each in varying), *loop.effects])
            results = results[: len(varying)]
            for result, shape in zip(results, shapes, strict=True):
                if result.dtype != tf.variant:
                    result.set_shape(shape)
            return tuple(results)

        ends = tf.while_loop(
            goes_on, body, starts, shape_invariants=shapes, parallel_iterations=loop.parallel_iterations
        )
        self._values.update({each.end: value for each, value in zip(varying, ends, strict=True) if each.end})

    def _reads_alone(self, tensors: Iterable[str]) -> list[Any]:
        """The nodes that read the variable whose handle some tensors are; none if others do something with it."""
        found: list[Any] = []
        waiting, seen = list(tensors), set[str]()
        while waiting:
            tensor = waiting.pop()
            if tensor in seen:
                continue
            seen.add(tensor)
            for user in self._control_flow.users(tensor):
                same = self._control_flow.passed_on(tensor, user)
                if same is not None:
                    waiting += same
                elif user.op == "ReadVariableOp":
                    found.append(user)
                else:
                    return []
        return found

    def _run_condition(self, condition: Condition) -> None:
        tf = import_tensorflow()
        around: list[str] = list(condition.controls)
        entries = [self._entries(condition, branch, around) for branch in (0, 1)]
        outside = list(dict.fromkeys(data for entry in entries for data in entry.values()))
        pred, *values = self.run([condition.pred, *outside, *around])
        known = dict(zip(outside, values, strict=False))

        def branch(number: int) -> list[Any]:
            own = {**self._values, **{name: known[data] for name, data in entries[number].items()}}
            inside = FunctionalImport(self._graph, self._control_flow, own, self._scope)
            results = inside.run([*(inputs[number] for inputs in condition.inputs), *condition.effects[number]])
            return results[: len(condition.inputs)]

        results = tf.cond(tf.cast(pred, tf.bool), lambda: branch(1), lambda: branch(0))
        for name, value, inputs in zip(condition.results, results, condition.inputs, strict=True):
            self._values[name] = value
            if condition.arguments is None and self._control_flow.users(f"{node_of(name)}:1"):
                places = list(map(data_inputs(self._graph.nodes[node_of(name)]).index, inputs))
                self._values[f"{node_of(name)}:1"] = tf.where(pred, places[1], places[0])

    def _entries(self, condition: Condition, branch: int, around: list[str]) -> dict[str, str]:
        """The tensors by which values enter a branch, and those that they are outside.

        Args:
            condition: The condition.
            branch: 0 for false, 1 for true.
            around: What the branch needs from outside as it is; grows.
        """
        found: dict[str, str] = {}
        waiting = [*(inputs[branch] for inputs in condition.inputs), *condition.effects[branch]]
        seen = set[str]()
        while waiting:
            tensor = waiting.pop()
            name = node_of(tensor)
            if tensor in seen or name not in self._graph.nodes or self._is_known(tensor):
                continue
            seen.add(tensor)
            node = self._graph.nodes[name]
            if condition.arguments is not None and canonical(tensor) in condition.arguments:
                found[canonical(tensor)] = tensor
            elif condition.arguments is None and self._control_flow.is_entry(node, condition.pred):
                found[f"{name}:{branch}"] = data_inputs(node)[0]
            elif tensor in condition.controls or not self._control_flow.is_within(tensor, condition):
                around.append(tensor)
            else:
                waiting += node.input
        return found


def _shape(carried: Carried, start: Any) -> Any:
    """The shape that a value keeps in all rounds, as the publisher's graph tells it."""
    tf = import_tensorflow()
    for message in carried.shapes:
        shape = tf.TensorShape(message)
        if shape.is_compatible_with(start.shape):
            return shape
    return start.shape if start.shape.rank == 0 else tf.TensorShape(None)
