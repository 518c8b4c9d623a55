"""A model as tables for a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rehub.cli import output
from rehub.model.model_info import GraphInfo, ModelInfo
from rehub.model.op_policy import CustomOp
from rehub.signature import TensorSpec

_FORMATS = {
    "tf1_hub": "TF1 Hub format",
    "saved_model_1": "SavedModel of graphs (TensorFlow 1)",
    "saved_model_2": "SavedModel of objects (TensorFlow 2)",
}
_LISTED = 20
_COLOURS = {"missing": "red", "needs": "yellow", "reaches out": "yellow"}
_INSIDE = "to nothing: no op touches files, network, processes or Python"

Rows = list[tuple[str, ...]]


def write_model(model: ModelInfo, *, show_all: bool) -> None:
    """Prints a model.

    Args:
        model: The model.
        show_all: Whether long lists are printed to their end.
    """
    versions = sorted({_version(graph) for graph in model.meta_graphs} - {""})
    rows: Rows = [
        ("folder", str(model.folder)),
        ("format", _FORMATS[model.format]),
        ("written by", ", ".join([f"TensorFlow {version}" for version in versions] or ["unknown"])),
        ("Keras", model.keras),
        ("size", output.size(model.size_bytes)),
        ("missing", ", ".join(model.missing_files)),
    ]
    if len(model.meta_graphs) == 1:
        (graph,) = model.meta_graphs
        _write_facts([*rows, ("tags", ", ".join(sorted(graph.tags))), *_graph_facts(graph)])
        _write_sections(graph, show_all)
        return
    _write_facts(rows)
    for graph in model.meta_graphs:
        output.write("")
        output.write(output.printable(f"Graph {graph_title(graph)}"), bold=True)
        _write_facts(_graph_facts(graph))
        _write_sections(graph, show_all)


def graph_title(graph: GraphInfo) -> str:
    """Returns what tells a graph from the others."""
    return f"with the tags {', '.join(sorted(graph.tags))}" if graph.tags else "without tags"


def _write_sections(graph: GraphInfo, show_all: bool) -> None:
    _write_section(("SIGNATURE", "", "TENSOR", "TYPE"), list(_signature_rows(graph)))
    if not graph.signatures:
        _write_section(("GRAPH", "TENSOR", "TYPE"), list(_endpoint_rows(graph)))
    _write_functions(graph, show_all)
    variables: Rows = [
        (variable.name or variable.path, _shape(variable.dtype, variable.shape), _size(variable.size_bytes), mark)
        for variable in graph.variables
        for mark in ("trainable" if variable.is_trainable else "",)
    ]
    _write_section(("VARIABLE", "TYPE", "SIZE", ""), *_first(variables, show_all), right=(2,))
    if show_all:
        _write_section(("OP", "COUNT"), [(op, f"{count:,}") for op, count in graph.ops.items()], right=(1,))
    _write_section(
        ("REACHES OUT TO", "OP", "COUNT", "IN"),
        [
            (found.reach, found.op, f"{found.count:,}", found.function or f"the graph, at {found.node}")
            for found in graph.findings
        ],
        right=(2,),
        colour="yellow",
    )


def _graph_facts(graph: GraphInfo) -> Rows:
    trainable = sum(variable.is_trainable for variable in graph.variables)
    total = sum(variable.size_bytes or 0 for variable in graph.variables)
    spare = sum(variable.size_bytes or 0 for variable in graph.spare_variables)
    variables = (
        f"{len(graph.variables):,}, {trainable:,} trainable, {output.size(total)}" if graph.variables else "none"
    )
    besides = f"{len(graph.spare_variables):,} of an optimizer or export, {output.size(spare)}"
    attached = [
        f"{message.key} ({output.size(message.size_bytes)})"
        + (f": images of {message.image_size[0]} x {message.image_size[1]}" if message.image_size else "")
        for message in graph.attachments
    ]
    return [
        ("variables", variables),
        ("besides", besides if graph.spare_variables else ""),
        ("losses", f"{graph.regularization_losses:,} for regularization" if graph.regularization_losses else ""),
        ("assets", ", ".join(graph.assets)),
        ("attached", ", ".join(attached)),
        ("collections", ", ".join(f"{name} ({count:,})" for name, count in graph.collections.items())),
        ("ops", f"{sum(graph.ops.values()):,} of {output.count(len(graph.ops), 'type')}"),
        *(("needs", need) for need in _needs(graph.custom_ops)),
        ("reaches out", _reach(graph)),
    ]


def _reach(graph: GraphInfo) -> str:
    reaches = sorted({finding.reach for finding in graph.findings})
    return f"to {', '.join(reaches)}, by the ops that are listed at the end" if reaches else _INSIDE


def _needs(custom_ops: Sequence[CustomOp]) -> Iterator[str]:
    """One line for each package, and one for the ops of which nobody knows where they come from."""
    packages = dict.fromkeys(custom.package for custom in custom_ops)
    for package in packages:
        ops = ", ".join(custom.op for custom in custom_ops if custom.package == package)
        if package is None:
            yield f"an unknown package, for the ops {ops}"
        else:
            yield f"pip install {package.name}, then import {package.module}, for the ops {ops}"


def _signature_rows(graph: GraphInfo) -> Iterator[tuple[str, ...]]:
    for signature in graph.signatures:
        name = signature.name
        for side, specs in (("in", signature.inputs), ("out", signature.outputs)):
            for spec in specs:
                yield name, side, spec.name, str(spec)
                name = ""


def _endpoint_rows(graph: GraphInfo) -> Iterator[tuple[str, ...]]:
    for side, specs in (("in", graph.endpoints.inputs), ("out", graph.endpoints.outputs)):
        for spec in specs:
            yield side, spec.name, str(spec) if spec.dtype else "unknown"


def _write_functions(graph: GraphInfo, show_all: bool) -> None:
    """Each function on a line, and below it how it can be called."""
    shown = [function for function in graph.functions if show_all or "." not in function.path]
    if not graph.functions:
        return
    output.write("")
    output.write("FUNCTION, AND HOW IT CAN BE CALLED", bold=True)
    for function in shown:
        output.write_table([(str(function),)])
        traces, more = _first([("", trace) for trace in dict.fromkeys(map(str, function.traces))], show_all)
        output.write_table(traces)
        if more:
            output.write(more)
    if len(shown) < len(graph.functions):
        inner = output.count(len(graph.functions) - len(shown), "function")
        output.write(f"and {inner} of inner objects; --all lists them")


def _first(rows: Rows, show_all: bool) -> tuple[Rows, str]:
    """As many rows as one wants to see at once, and what to say about the others."""
    if show_all or len(rows) <= _LISTED:
        return rows, ""
    return rows[:_LISTED], f"and {len(rows) - _LISTED:,} more; --all lists them"


def _write_facts(rows: Rows) -> None:
    shown = [(name.ljust(len("reaches out")), value) for name, value in rows if value]
    colours = [None if value == _INSIDE else _COLOURS.get(name.rstrip()) for name, value in shown]
    output.write_table(shown, colours=colours)


def _write_section(
    headings: tuple[str, ...], rows: Rows, more: str = "", *, right: tuple[int, ...] = (), colour: str | None = None
) -> None:
    if rows:
        output.write("")
        output.write_table(rows, headings=headings, right=right, colours=[colour] * len(rows))
    if more:
        output.write(more)


def _version(graph: GraphInfo) -> str:
    git = f" ({graph.tensorflow_git_version})" if graph.tensorflow_git_version else ""
    return f"{graph.tensorflow_version}{git}" if graph.tensorflow_version else ""


def _shape(dtype: str, shape: tuple[int | None, ...] | None) -> str:
    return str(TensorSpec(dtype, shape)) if dtype else "unknown"


def _size(size_bytes: int | None) -> str:
    return "unknown" if size_bytes is None else output.size(size_bytes)
