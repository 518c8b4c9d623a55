"""Arrays of TensorFlow 1 (``TensorArrayV3`` and its kin) in a graph.

A number called flow passes from each op of an array to the next to order them; it means nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rehub.model.program import data_inputs

ARRAY = "TensorArrayV3"
GIVES_FLOW = frozenset({"TensorArrayScatterV3", "TensorArraySplitV3", "TensorArrayWriteV3"})
"""Ops of arrays whose only output is a flow; the second one of ``TensorArrayV3`` is one, too."""
PASSES_ON = frozenset({"Enter", "Exit", "Identity", "Merge", "NextIteration", "Switch"})
"""Ops that give what they take."""


def flows(nodes: Mapping[str, Any]) -> set[str]:
    """Returns the nodes through which a flow passes, without those of arrays.

    Args:
        nodes: The nodes of a graph, by name.
    """
    users: dict[str, list[str]] = {}
    for name, node in nodes.items():
        if node.op in PASSES_ON:
            for source in data_inputs(node)[: 2 if node.op == "Merge" else 1]:
                users.setdefault(source if ":" in source else f"{source}:0", []).append(name)
    waiting = [f"{name}:1" for name, node in nodes.items() if node.op == ARRAY]
    waiting += [f"{name}:0" for name, node in nodes.items() if node.op in GIVES_FLOW]
    found: set[str] = set()
    while waiting:
        for user in users.get(waiting.pop(), ()):
            if user not in found:
                found.add(user)
                waiting += [f"{user}:0", f"{user}:1"] if nodes[user].op == "Switch" else [f"{user}:0"]
    return found
