"""The tensors inside of a model as tables for a person."""

from __future__ import annotations

from collections.abc import Sequence

from rehub.cli import output
from rehub.model.activations import Activation
from rehub.model.model_info import ModelInfo
from rehub.signature import TensorSpec


def write_endpoints(model: ModelInfo) -> None:
    """Prints the names of inner tensors, by the function that computes them, each in the order of its graph."""
    tables: dict[str, Sequence[Activation]] = {}
    for graph in model.meta_graphs:
        variant = f" in the graph {', '.join(sorted(graph.tags)) or 'without tags'}" * (len(model.meta_graphs) > 1)
        for function, found in graph.activations.items():
            tables[(function if function == "__call__" else f"the signature {function}") + variant] = found
    if not tables:
        output.tell("No endpoints: the model has no functions that can be looked into.")
    shown: dict[str, Sequence[Activation]] = {}
    for title, activations in tables.items():
        same = next((other for other, known in shown.items() if known == activations), None)
        if shown:
            output.write("")
        if same is not None:
            output.write(output.printable(f"Endpoints of {title}: those of {same}"), bold=True)
            continue
        output.write(output.printable(f"Endpoints of {title}"), bold=True)
        rows = [(each.name, str(TensorSpec(each.dtype, each.shape)), each.op) for each in activations]
        output.write_table(rows, headings=("NAME", "TYPE", "OP"))
        shown[title] = activations
