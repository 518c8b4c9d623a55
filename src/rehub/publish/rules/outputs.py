"""Rules about what a model computes: its outputs, and the statistics of batch normalization."""

from __future__ import annotations

import collections
from collections.abc import Iterator
from typing import Any

from rehub.model.program import data_inputs, node_of
from rehub.publish.rules.flow import Flow, flows, scalar
from rehub.publish.rules.rule import Found, Rule
from rehub.publish.rules.subject import Subject
from rehub.words import count

_DECISIONS = {
    **dict.fromkeys(("Softmax", "LogSoftmax"), "probabilities of a softmax"),
    **dict.fromkeys(("ArgMax", "ArgMin"), "the index of the best class"),
    **dict.fromkeys(("TopK", "TopKV2"), "the best classes"),
}
_DIVIDES = frozenset({"RealDiv", "Div"})
_SCALES = frozenset({"Mul", *_DIVIDES, "Minimum", "Maximum", "ClipByValue"})
"""With constants as their other inputs, what was decided before them is not undone."""

_LARGEST_MOMENTUM = 0.991
"""Just above the default of Keras, with which statistics follow within some hundred steps."""

_SMALLEST_SHARE = 1 - _LARGEST_MOMENTUM
_SUBTRACTS = frozenset({"AssignSub", "AssignSubVariableOp"})
_ASSIGNS = frozenset({"Assign", "AssignVariableOp"})
_READS = frozenset({"Identity", "ReadVariableOp"})
_ADDS = frozenset({"Add", "AddV2"})


def _decided(subject: Subject) -> Iterator[Found]:
    told = set[tuple[str, str]]()
    for flow in flows(subject):
        found = {name: _decision(flow, tensor) for name, tensor in flow.outputs.items()}
        decided = {name: each for name, each in found.items() if each is not None}
        if flow.numbers - decided.keys():
            continue  # the logits are there, too
        for name, (what, node) in decided.items():
            if (flow.where, name) not in told:
                told.add((flow.where, name))
                yield Found(
                    flow.where,
                    f"its output '{name}' has {what} ({node.op}, at {node.name}), and none has logits",
                    "Return the logits: users train on them, and can compute the rest.",
                )


def _decision(flow: Flow, tensor: str) -> tuple[str, Any] | None:
    """What a tensor has in place of logits, and the node that makes it so; None if it may have logits."""
    for _ in range(len(flow.nodes) + 1):  # damaged graphs may run in circles
        node = flow.origin(tensor)
        if node is None:
            return None
        if node.op in _DECISIONS:
            return _DECISIONS[node.op], node
        inputs = data_inputs(node)
        if node.op in _DIVIDES and len(inputs) == 2 and _is_share(flow, *inputs):
            return _DECISIONS["Softmax"], node
        varied = [each for each in inputs if not _is_constant(flow.origin(each))]
        if node.op not in _SCALES or len(varied) != 1 or (node.op in _DIVIDES and varied != inputs[:1]):
            return None
        (tensor,) = varied
    return None


def _is_share(flow: Flow, part: str, total: str) -> bool:
    """Whether something is divided by its own sum, and is what ``exp`` returns, as in a softmax written by hand."""
    power, summed = flow.origin(part), flow.origin(total)
    terms = data_inputs(summed)[:1] if summed is not None and summed.op == "Sum" else []
    powers = [power, *map(flow.origin, terms)]  # the same one, or twice of the same
    is_power = len(powers) == 2 and all(each is not None and each.op == "Exp" for each in powers)
    return is_power and data_inputs(powers[0]) == data_inputs(powers[1])


def _is_constant(node: Any) -> bool:
    return node is not None and node.op == "Const"


def _momentum(subject: Subject) -> Iterator[Found]:
    places = collections.defaultdict[str, dict[str, None]](dict)
    for flow in flows(subject):
        for node in flow.nodes.values():
            momentum = _momentum_of(flow, node)
            if momentum is not None and momentum > _LARGEST_MOMENTUM:
                places[f"{momentum:.6g}"][node.name] = None
    for number, nodes in places.items():
        steps = round(1 / (1 - float(number)))
        yield Found(
            next(iter(nodes)),
            f"statistics of batch normalization are averaged with the momentum {number}, at "
            f"{count(len(nodes), 'place')}: they need some {steps:,} steps to follow new data",
            "Build the model with a momentum of 0.9 to 0.99 before exporting it; the values stay the same.",
        )


def _momentum_of(flow: Flow, node: Any) -> float | None:
    """The momentum of a moving average that a node updates; None if it updates none, or with an unknown one."""
    share: float | None = None
    if node.op.startswith("FusedBatchNorm") and "exponential_avg_factor" in node.attr:
        share = node.attr["exponential_avg_factor"].f
    elif node.op in _SUBTRACTS:
        share = _share_of_difference(flow, node)
    elif node.op in _ASSIGNS:
        return _kept_share(flow, node)
    return 1 - share if share is not None and 0 < share < 1 else None


def _share_of_difference(flow: Flow, node: Any) -> float | None:
    """``c`` of ``v -= (v - new) * c``."""
    variable, value = [*data_inputs(node), "", ""][:2]
    product = flow.origin(value)
    if product is None or product.op != "Mul":
        return None
    factors = [flow.origin(each) for each in data_inputs(product)]
    number = next((each for each in map(scalar, factors) if each is not None), None)
    difference = next((each for each in factors if each is not None and each.op == "Sub"), None)
    is_average = difference is not None and _reads(flow, data_inputs(difference)[0], variable)
    return number if is_average else None


def _kept_share(flow: Flow, node: Any) -> float | None:
    """``c`` of ``v = v * c + new * (1 - c)``."""
    variable, value = [*data_inputs(node), "", ""][:2]
    total = flow.origin(value)
    for term in data_inputs(total) if total is not None and total.op in _ADDS else ():
        product = flow.origin(term)
        if product is None or product.op != "Mul":
            continue
        factors = data_inputs(product)
        if any(_reads(flow, each, variable) for each in factors):
            numbers = (scalar(flow.origin(factor)) for factor in factors)
            return next((number for number in numbers if number is not None), None)
    return None


def _reads(flow: Flow, tensor: str, variable: str) -> bool:
    """Whether a tensor is the value of a variable."""
    for _ in range(len(flow.nodes) + 1):
        if node_of(tensor) == node_of(variable):
            return True
        node = flow.nodes.get(node_of(tensor))
        if node is None or node.op not in _READS | {"IdentityN", "Cast"} or not data_inputs(node):
            return False
        tensor = data_inputs(node)[0]
    return False


RULES = (
    Rule("W401", "Outputs are logits, not only probabilities or decisions.", _decided),
    Rule("W402", f"Batch normalization has a momentum of no more than {_LARGEST_MOMENTUM:.2g}.", _momentum),
)
