"""The model that is checked, as its rules see it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any

from rehub.errors import FormatError
from rehub.formats.card import Card
from rehub.formats.saved_model import MetaGraph
from rehub.model.functions import Function
from rehub.model.model_info import GraphInfo, ModelInfo
from rehub.publish.probe_facts import Facts

LISTS = ("variables", "trainable_variables", "regularization_losses")
_CALL = "__call__"


@dataclasses.dataclass(frozen=True)
class Part:
    """An object that can be called: the loaded one, or a named one directly below it.

    Attributes:
        path: The attribute that leads there; empty for the loaded object.
        call: Its ``__call__``.
        used: Places of the variables that its traces use.
        lists: Places of what is in those of its lists that it has.
    """

    path: str
    call: Function
    used: frozenset[int]
    lists: Mapping[str, tuple[int, ...]]

    def where(self, name: str = _CALL) -> str:
        """Returns how users write an attribute of it."""
        return f"{self.path}.{name}" if self.path else name


@dataclasses.dataclass(frozen=True)
class Subject:
    """A model.

    Attributes:
        info: What its files say.
        graphs: The same as messages.
        card: Its card; None without one, and for one that cannot be read.
        card_problem: Why that cannot be read.
        facts: What came of running it; None if it was not run.
    """

    info: ModelInfo
    graphs: tuple[MetaGraph, ...]
    card: Card | None
    card_problem: FormatError | None
    facts: Facts | None

    @property
    def main_graph(self) -> GraphInfo:
        """The graph that users load: of several the one without tags, as modules have it, or the one that is served."""
        graphs = {graph.tags: graph for graph in self.info.meta_graphs}
        return graphs.get(frozenset()) or graphs.get(frozenset({"serve"})) or self.info.meta_graphs[0]

    @property
    def message(self) -> Any:
        """The ``MetaGraphDef`` of a SavedModel of TensorFlow 2."""
        return self.graphs[0].message

    @property
    def nodes(self) -> Any:
        """The objects of a SavedModel of TensorFlow 2, by place."""
        return self.message.object_graph_def.nodes

    @functools.cached_property
    def parts(self) -> tuple[Part, ...]:
        """What can be called; none in graphs without objects.

        Layers that Keras tracks are left out: nobody is meant to call them.
        """
        return tuple(self._parts()) if self.info.format == "saved_model_2" else ()

    @functools.cached_property
    def root(self) -> Part | None:
        """The loaded object, if it can be called."""
        return next((part for part in self.parts if not part.path), None)

    def children(self, place: int) -> dict[str, int]:
        """Returns the places of the attributes of an object."""
        return {child.local_name: child.node_id for child in self.nodes[place].children}

    def traces_of(self, place: int) -> list[str]:
        """Returns the concrete functions of a function."""
        node = self.nodes[place]
        if node.WhichOneof("kind") == "bare_concrete_function":
            return [node.bare_concrete_function.concrete_function_name]
        return list(node.function.concrete_functions)

    def captured(self, place: int) -> Iterator[int]:
        """Yields the places of the variables that the traces of a function use."""
        concrete = self.message.object_graph_def.concrete_functions
        for name in self.traces_of(place):
            for bound in concrete[name].bound_inputs if name in concrete else ():
                if self.nodes[bound].WhichOneof("kind") == "variable":
                    yield bound

    def function_at(self, place: int) -> Function | None:
        """Returns the function at a place of the object graph; None for what is none, or for a private one."""
        return self._functions.get(place)

    @functools.cached_property
    def _functions(self) -> dict[int, Function]:
        (graph,) = self.info.meta_graphs
        places = {entry.path: entry.node for entry in graph.objects if entry.same_as is None}
        return {places[function.path]: function for function in graph.functions}

    def _parts(self) -> Iterator[Part]:
        (graph,) = self.info.meta_graphs
        below = {entry.name: entry.node for entry in graph.objects if entry.depth == 1 and _is_meant(entry)}
        for path, place in {"": 0, **below}.items():
            children = self.children(place)
            call = self.function_at(children.get(_CALL, -1))
            if call is not None and (place or not path):
                used = frozenset(self.captured(children[_CALL]))
                lists = {name: tuple(self.children(children[name]).values()) for name in LISTS if name in children}
                yield Part(path, call, used, lists)


def _is_meant(entry: Any) -> bool:
    return bool(entry.is_public and entry.kind == "object" and entry.node)
