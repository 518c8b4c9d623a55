"""``rehub.publish.card.card``: a model card that says of a model what its files say, and asks for the rest."""

from __future__ import annotations

import os
from collections.abc import Iterator

from rehub.formats.card import Card
from rehub.model.functions import Function
from rehub.model.model_info import GraphInfo
from rehub.publish.card_snippet import snippet
from rehub.publish.check import examine
from rehub.publish.rules.cards import PLACEHOLDER, format_of_card
from rehub.publish.rules.rule import NAMES
from rehub.publish.rules.subject import Subject
from rehub.publish.rules.tasks import fitting_tasks
from rehub.resolvers.inspection import folder_of
from rehub.words import count, size

HANDLE = "https://HUB/PUBLISHER/MODEL/VERSION"
"""Stands for the handle where none is known yet."""

_SECTIONS = {
    "Training data": "what the model was trained on, how much of it, where it comes from, and under which licence.",
    "Limits": "what the model is not meant for, on which inputs it fails, and which groups of people it treats worse.",
    "Licence": "the name of the licence of the weights, and of anything in the assets that has another one.",
    "Citation": "how to cite the model: authors, title, year, address.",
}


def card(handle: str | os.PathLike[str], *, published_as: str = "") -> Card:
    """Writes a model card.

    The front matter says what the files tell. Interface and sizes are tables, the snippet runs as it is once the model
    is published, and what only its publisher knows is asked for; `rehub.publish.check.check` finds what is left of
    that.

    Args:
        handle: The model folder, or a URL that is resolved through the cache.
        published_as: The handle that users will load it by.

    Raises:
        FormatError: If there is no model, or a damaged one.
        HubError: What `rehub.resolve` raises, if the model cannot be had.
    """
    subject = examine(folder_of(handle))
    info = subject.info
    tasks = fitting_tasks(subject)
    trainable = any(variable.is_trainable for graph in info.meta_graphs for variable in graph.variables)
    is_called = subject.root is not None or info.format != "saved_model_2"
    return Card(
        title=_title(published_as) or f"{PLACEHOLDER} a name of a few words.",
        description=f"{PLACEHOLDER} what the model does, in one sentence.",
        tasks=(tasks[0] if len(tasks) == 1 else f"{PLACEHOLDER} such as text-embedding or image-classification.",),
        fine_tunable=trainable and is_called,
        format=format_of_card(info.format),
        license=f"{PLACEHOLDER} such as apache-2.0.",
        body="\n".join(_body(subject, published_as or HANDLE)),
    )


def _title(handle: str) -> str:
    parts = [part for part in handle.rstrip("/").split("/") if part]
    while parts and parts[-1].isdecimal():
        parts.pop()
    return parts[-1].replace("-", " ").replace("_", " ").capitalize() if parts else ""


def _body(subject: Subject, handle: str) -> Iterator[str]:
    info = subject.info
    yield from ("## How to use it", "", "```python", *snippet(subject, handle), "```", "")
    yield from ("## Interface", "")
    yield f"It is {NAMES[info.format]}."
    for graph in info.meta_graphs:
        yield from _interface(graph, len(info.meta_graphs) > 1)
    yield from ("", "## Size", "", "| what | size |", "| --- | ---: |")
    yield from (f"| {name} | {value} |" for name, value in _sizes(subject))
    for heading, question in _SECTIONS.items():
        yield from ("", f"## {heading}", "", f"*{PLACEHOLDER} {question}*")


def _interface(graph: GraphInfo, is_one_of_many: bool) -> Iterator[str]:
    rows = [(f"`{function}`", f"`{trace}`") for function in graph.functions for trace in _traces(function)]
    if is_one_of_many:
        yield from ("", f"### Tags: {', '.join(sorted(graph.tags)) or 'none'}")
    if rows:
        yield from ("", "| function | can be called with |", "| --- | --- |")
        yield from (f"| {_cell(name)} | {_cell(trace)} |" for name, trace in rows)
    if graph.signatures:
        yield from ("", "| signature | | tensor | type |", "| --- | --- | --- | --- |")
    for signature in graph.signatures:
        name = f"`{signature.name}`"
        for side, specs in (("input", signature.inputs), ("output", signature.outputs)):
            for spec in specs:
                yield f"| {_cell(name)} | {side} | {_cell(f'`{spec.name}`')} | `{spec}` |"
                name = ""


def _traces(function: Function) -> list[str]:
    return list(dict.fromkeys(map(str, function.traces)))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _sizes(subject: Subject) -> Iterator[tuple[str, str]]:
    yield "all files", size(subject.info.size_bytes)
    graph = subject.main_graph
    for name, variables in (
        ("variables", graph.variables),
        ("of these trainable", [variable for variable in graph.variables if variable.is_trainable]),
    ):
        total = sum(variable.size_bytes or 0 for variable in variables)
        yield name, f"{count(len(variables), 'variable')}, {size(total)}"
    if graph.assets:
        yield "assets", ", ".join(f"`{_cell(name)}`" for name in graph.assets)
