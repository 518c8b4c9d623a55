"""The loops and conditions of a graph, found among its nodes.

Those of TensorFlow 1 are no ops of their own: a loop is a frame of ``Enter``, ``Merge``, ``Switch``, ``NextIteration``
and ``Exit``, a condition is ``Switch`` and ``Merge``. Those of TensorFlow 2 are ops whose functions have been added to
the graph.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping
from typing import Any

from rehub.errors import ConversionError
from rehub.model.program import canonical, control_inputs, data_inputs, node_of
from rehub.model.tensor_arrays import PASSES_ON
from rehub.runtime.functional_ops import CONDITIONS, LOOPS, Parts
from rehub.runtime.gradient_overrides import ATTRIBUTE


@dataclasses.dataclass(frozen=True)
class Carried:
    """A value that a loop takes, by the tensors that stand for it.

    Attributes:
        start: Outside, before the loop.
        inside: In a round.
        following: The one that the next round begins with; empty if it stays the same.
        end: Outside, after the loop; empty if nothing takes it.
        shapes: The ``TensorShapeProto`` that it has in all rounds, if the publisher's graph tells it.
    """

    start: str
    inside: tuple[str, ...]
    following: str
    end: str
    shapes: tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Loop:
    """A loop.

    Attributes:
        carried: What it takes.
        controls: The operations that it waits for, with names like ``^x``.
        condition: The tensor that says whether it goes on.
        parallel_iterations: How many rounds may run at once.
        effects: The operations that each round runs besides.
    """

    carried: tuple[Carried, ...]
    controls: tuple[str, ...]
    condition: str
    parallel_iterations: int
    effects: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Condition:
    """A condition, with all results that can be computed at once.

    Attributes:
        pred: The tensor that decides.
        results: The tensors that stand for the results.
        inputs: For each of these, the tensor of the branch for false, and the one for true.
        arguments: What both branches may take from outside; None for a condition of TensorFlow 1, where it enters by
            ``Switch``.
        controls: The operations that it waits for, with names like ``^x``.
        effects: The operations that each branch runs besides.
    """

    pred: str
    results: tuple[str, ...]
    inputs: tuple[tuple[str, str], ...]
    arguments: tuple[str, ...] | None = None
    controls: tuple[str, ...] = ()
    effects: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())


class ControlFlow:
    """The loops and conditions of a graph.

    Args:
        nodes: The nodes of the graph, by name.
        parts: What the loops and conditions of TensorFlow 2 among them consist of.

    Attributes:
        loop_of: The loop that each of its ``Exit`` nodes, or the node itself, ends.
        condition_of: The condition that each ``Merge`` of one, or the node itself, ends.

    Raises:
        ConversionError: If the graph joins what no condition has parted.
    """

    def __init__(self, nodes: Mapping[str, Any], parts: Mapping[str, Parts]) -> None:
        self._nodes, self._parts = nodes, parts
        self._users = collections.defaultdict[str, list[Any]](list)
        for node in nodes.values():
            for name in data_inputs(node):
                self._users[canonical(name)].append(node)
        self._loop_conditions = {name for name, node in nodes.items() if node.op == "LoopCond"}
        self._loop_merges = {
            name: edge
            for name, node in nodes.items()
            if node.op == "Merge" and (edge := self._back_edge(node)) is not None
        }
        self.loop_of = {**self._find_loops(), **self._find_functional_loops()}
        self._order = self._in_order()
        self._branches = self._find_branches()
        self.condition_of = {**self._find_conditions(), **self._find_functional_conditions()}

    def is_entry(self, node: Any, pred: str) -> bool:
        """Whether a node passes its value on in one branch of a condition only."""
        return node.op == "Switch" and self._pred(node) == pred

    def is_within(self, tensor: str, condition: Condition) -> bool:
        """Whether a tensor has a value in one branch of a condition only; any may have, of those of TensorFlow 2."""
        given = _branches_of(tensor.removeprefix("^"), self._branches)
        return condition.arguments is not None or condition.pred in given

    def users(self, tensor: str) -> list[Any]:
        """The nodes that take a tensor."""
        return self._users.get(canonical(tensor), [])

    def passed_on(self, tensor: str, user: Any) -> list[str] | None:
        """The tensors that are the same as one which a node takes; None if the node does something with it."""
        places = [place for place, name in enumerate(data_inputs(user)) if canonical(name) == tensor]
        if user.op in LOOPS:
            return [f"{self._parts[user.name].arguments[place]}:0" for place in places]
        if user.op in CONDITIONS:  # the branches take it by themselves
            return []
        if user.op == "IdentityN" and ATTRIBUTE not in user.attr:  # the results of a function, which are taken directly
            return []
        return [f"{user.name}:0", f"{user.name}:1"] if user.op in PASSES_ON else None

    def _back_edge(self, node: Any) -> tuple[str, str] | None:
        """The ``Enter`` and the ``NextIteration`` of a loop variable; None for the ``Merge`` of a condition."""
        by_op = {self._nodes[node_of(name)].op: node_of(name) for name in data_inputs(node)[:2]}
        return (by_op["Enter"], by_op["NextIteration"]) if {"Enter", "NextIteration"} <= by_op.keys() else None

    def _find_loops(self) -> dict[str, Loop]:
        frames = collections.defaultdict[bytes, list[str]](list)
        for name, node in self._nodes.items():
            if node.op == "Enter":
                frames[node.attr["frame_name"].s].append(name)
        by_enter = {enter: (merge, following) for merge, (enter, following) in self._loop_merges.items()}
        found = {}
        for names in frames.values():
            carried, condition = [], ""
            for enter in names:
                start = data_inputs(self._nodes[enter])[0]
                if enter not in by_enter:
                    carried.append(Carried(start, (f"{enter}:0",), "", "", ()))
                    continue
                merge, following = by_enter[enter]
                switch = next(user for user in self.users(merge) if self._is_loop_switch(user))
                condition = node_of(data_inputs(switch)[1])
                ends = [f"{user.name}:0" for user in self.users(switch.name) if user.op == "Exit"]
                inside = (f"{enter}:0", f"{merge}:0", f"{switch.name}:1")
                next_value = data_inputs(self._nodes[following])[0]
                told = self._nodes[merge].attr
                shapes = told["_output_shapes"].list.shape[:1] if "_output_shapes" in told else ()
                carried.append(Carried(start, inside, next_value, ends[0] if ends else "", tuple(shapes)))
            if not condition:
                continue
            loop = Loop(
                tuple(carried),
                tuple(dict.fromkeys(control for enter in names for control in control_inputs(self._nodes[enter]))),
                data_inputs(self._nodes[condition])[0],
                int(self._nodes[names[0]].attr["parallel_iterations"].i) or 10,
            )
            found.update({node_of(value.end): loop for value in carried if value.end})
        return found

    def _find_functional_loops(self) -> dict[str, Loop]:
        found = {}
        for name, parts in self._parts.items():
            node = self._nodes[name]
            if node.op not in LOOPS:
                continue
            condition, body = parts.functions
            shapes = node.attr["output_shapes"].list.shape
            carried = []
            for place, (start, argument) in enumerate(zip(data_inputs(node), parts.arguments, strict=True)):
                following = body.results[place]
                carried.append(
                    Carried(
                        start,
                        (f"{argument}:0",),
                        "" if node_of(following) == argument else following,
                        f"{name}:{place}",
                        tuple(shapes[place : place + 1]),
                    )
                )
            rounds = int(node.attr["parallel_iterations"].i) or 10
            found[name] = Loop(tuple(carried), self._waits(node), condition.results[0], rounds, body.effects)
        return found

    def _waits(self, node: Any) -> tuple[str, ...]:
        """What a loop or condition of TensorFlow 2 waits for, but for its own functions."""
        own = tuple(f"^{node.name}/{name}" for name in ("cond", "body", "then_branch", "else_branch"))
        return tuple(name for name in control_inputs(node) if not name.startswith(own))

    def _find_functional_conditions(self) -> dict[str, Condition]:
        found = {}
        for name, parts in self._parts.items():
            node = self._nodes[name]
            if node.op in CONDITIONS:
                pred, *arguments = data_inputs(node)
                otherwise, then = parts.functions
                found[name] = Condition(
                    pred,
                    tuple(f"{name}:{place}" for place in range(len(then.results))),
                    tuple(zip(otherwise.results, then.results, strict=True)),
                    tuple(map(canonical, arguments)),
                    self._waits(node),
                    (otherwise.effects, then.effects),
                )
        return found

    def _is_loop_switch(self, node: Any) -> bool:
        return node.op == "Switch" and node_of(data_inputs(node)[1]) in self._loop_conditions

    def _pred(self, switch: Any) -> str:
        """The tensor that decides; each condition has names of its own for it."""
        name = canonical(data_inputs(switch)[1])
        while (node := self._nodes.get(node_of(name))) is not None and node.op == "Identity":
            name = canonical(data_inputs(node)[0])
        return name

    def _sources(self, node: Any) -> list[str]:
        """What a node depends on; back edges of loops do not count."""
        return [self._loop_merges[node.name][0]] if node.name in self._loop_merges else list(node.input)

    def _in_order(self) -> list[str]:
        """The nodes, each after those that it depends on."""
        done: dict[str, None] = {}
        for start in self._nodes:
            stack = [(start, False)]
            while stack:
                name, is_ready = stack.pop()
                if is_ready:
                    done[name] = None
                elif name not in done and name in self._nodes:
                    stack.append((name, True))
                    sources = map(node_of, self._sources(self._nodes[name]))
                    stack += [(source, False) for source in sources if source not in done]
        return list(done)

    def _find_branches(self) -> dict[str, Mapping[str, int]]:
        """For each tensor, the branches in which it has a value: preds, with 0 for false and 1 for true.

        All outputs of a node are in the same branches, but those of ``Switch``.
        """
        found: dict[str, Mapping[str, int]] = {}
        for name in self._order:
            node = self._nodes[name]
            if node.op == "Merge" and name not in self._loop_merges:
                first, second = (_branches_of(source, found) for source in data_inputs(node)[:2])
                given = {pred: branch for pred, branch in first.items() if second.get(pred) == branch}
            else:
                given = {}
                for source in self._sources(node):
                    given = {**given, **_branches_of(source.removeprefix("^"), found)}
            if node.op == "Switch" and not self._is_loop_switch(node):
                pred = self._pred(node)
                found[f"{name}:1"] = {**given, pred: 1}
                given = {**given, pred: 0}
            found[name] = given
        return found

    def _find_conditions(self) -> dict[str, Condition]:
        groups = collections.defaultdict[Any, list[tuple[str, tuple[str, str]]]](list)
        # How many conditions of each pred a node depends on: one that depends on another cannot be computed with it.
        depths: dict[str, dict[str, int]] = {}
        for name in self._order:
            node = self._nodes[name]
            depth = depths[name] = dict[str, int]()
            for source in self._sources(node):
                for pred, count in depths.get(node_of(source), {}).items():
                    depth[pred] = max(count, depth.get(pred, 0))
            if node.op != "Merge" or name in self._loop_merges:
                continue
            first, second, *more = data_inputs(node)
            one, other = _branches_of(first, self._branches), _branches_of(second, self._branches)
            decisive = next((pred for pred, branch in one.items() if other.get(pred) == 1 - branch), None)
            if decisive is None or more:
                raise ConversionError(
                    f"The node {name!r}, a 'Merge', joins what no condition of TensorFlow 1 has parted.",
                    hint="Use the model with hub.Module, which runs the graph as it is.",
                    ops=("Merge",),
                )
            depth[decisive] = depth.get(decisive, 0) + 1
            inputs = (first, second) if one[decisive] == 0 else (second, first)
            around = frozenset(_branches_of(name, self._branches).items())
            groups[decisive, around, depth[decisive]].append((name, inputs))
        found = {}
        for (pred, *_), members in groups.items():
            results = tuple(f"{name}:0" for name, _ in members)
            condition = Condition(pred, results, tuple(inputs for _, inputs in members))
            found.update(dict.fromkeys((name for name, _ in members), condition))
        return found


def _branches_of(tensor: str, found: Mapping[str, Mapping[str, int]]) -> Mapping[str, int]:
    own = found.get(canonical(tensor))
    return found.get(node_of(tensor), {}) if own is None else own
