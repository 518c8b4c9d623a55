"""The objects of a model as a tree for a person."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from rehub.cli import output
from rehub.cli.columns import folded
from rehub.cli.inspect_table import graph_title
from rehub.model.model_info import GraphInfo, ModelInfo
from rehub.model.objects import ModelObject
from rehub.signature import TensorSpec

_CONTAINERS = frozenset({"list", "tuple", "dict"})
_NARROWEST = 10


@dataclasses.dataclass(frozen=True)
class _Branch:
    """One object in the drawing: what is drawn to its left, and what stands there."""

    indent: str
    text: str
    is_last: bool
    has_children: bool


def write_tree(model: ModelInfo) -> None:
    """Prints the objects of a model; of graphs without objects, what takes their place."""
    for graph in model.meta_graphs:
        output.write_table([], headings=(output.printable(f"{model.folder} {graph_title(graph)}"),))
        for branch in _branches(graph) if graph.objects else _flat_branches(graph):
            _write_branch(branch)


def _write_branch(branch: _Branch) -> None:
    """Prints a line, or several that hang together where the terminal is too narrow for it."""
    first = f"{branch.indent}{'└' if branch.is_last else '├'}─ "
    others = f"{branch.indent}{' ' if branch.is_last else '│'}  {'│' if branch.has_children else ' '}  "
    text, width = output.printable(branch.text), output.width()
    fits = width is None or len(first + text) <= width
    lines = [text] if fits or width is None else folded(text, max(width - len(others), _NARROWEST))
    for number, line in enumerate(lines):
        output.write((others if number else first) + line)


def _branches(graph: GraphInfo) -> Iterator[_Branch]:
    described = _descriptions(graph)
    shown = _shown(graph.objects)
    is_last = _is_last(shown)
    open_levels: list[bool] = []  # whether more follows on each level above
    depths = [*(entry.depth for entry, _ in shown[1:]), 0]  # of the next line
    for (entry, hidden), last, next_depth in zip(shown, is_last, depths, strict=True):
        if entry.depth == 0:
            continue
        del open_levels[entry.depth - 1 :]
        indent = "".join("│  " if is_open else "   " for is_open in open_levels)
        open_levels.append(not last)
        text = f"{entry.name}  {_label(entry, hidden, described)}"
        yield _Branch(indent, text, is_last=last, has_children=next_depth > entry.depth)


def _label(entry: ModelObject, hidden: int, described: dict[str, str]) -> str:
    if entry.same_as is not None:
        return f"= {entry.same_as or 'the model'}"
    if entry.path in described:
        return described[entry.path]
    label = f"{entry.kind} {entry.detail}".rstrip()
    return f"{label} of {hidden}" if entry.kind in _CONTAINERS and hidden else label


def _descriptions(graph: GraphInfo) -> dict[str, str]:
    """What is known of variables and functions, by path."""
    found = {}
    for variable in (*graph.variables, *graph.spare_variables):
        mark = ", trainable" if variable.is_trainable else ""
        found[variable.path] = f"variable {variable.name} {TensorSpec(variable.dtype, variable.shape)}{mark}"
    for function in graph.functions:
        arguments = str(function)[len(function.path) :]
        found[function.path] = f"function {arguments}, {output.count(len(function.traces), 'trace')}"
    return found


def _shown(objects: Sequence[ModelObject]) -> list[tuple[ModelObject, int]]:
    """Entries worth a line, each with the number of children that are not.

    Left out are what lists of known objects hold, and private objects in which nothing is.
    """
    keep: list[tuple[ModelObject, int]] = []
    hidden = [0] * (max(entry.depth for entry in objects) + 2)
    has_kept = [False] * len(hidden)
    for entry in reversed(objects):
        own_hidden, own_kept = hidden[entry.depth + 1], has_kept[entry.depth + 1]
        hidden[entry.depth + 1], has_kept[entry.depth + 1] = 0, False
        if own_kept or _is_worth_a_line(entry):
            keep.append((entry, own_hidden))
            has_kept[entry.depth] = True
        else:
            hidden[entry.depth] += 1
    return keep[::-1]


def _is_worth_a_line(entry: ModelObject) -> bool:
    if entry.same_as is not None:
        return entry.is_public and not entry.name.isdigit()
    return entry.is_public or entry.kind in ("variable", "asset")


def _is_last(shown: Sequence[tuple[ModelObject, int]]) -> list[bool]:
    """Whether each entry is the last child of its parent."""
    found, open_depths = [], set[int]()
    for entry, _ in reversed(shown):
        found.append(entry.depth not in open_depths)
        open_depths = {depth for depth in open_depths if depth <= entry.depth} | {entry.depth}
        open_depths.discard(entry.depth + 1)
    return found[::-1]


def _flat_branches(graph: GraphInfo) -> Iterator[_Branch]:
    lines = [f"signature {signature}" for signature in graph.signatures]
    lines += [f"variable {variable.name} {TensorSpec(variable.dtype, variable.shape)}" for variable in graph.variables]
    lines += [f"asset {name}" for name in graph.assets]
    for number, line in enumerate(lines):
        yield _Branch("", line, is_last=number == len(lines) - 1, has_children=False)
