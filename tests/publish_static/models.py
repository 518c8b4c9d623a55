"""Copies of sample models, whole or with one thing wrong; neither TensorFlow nor numpy is needed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rehub.formats import schema
from rehub.publish.check import check

DATA = Path(__file__).parents[1] / "data"
CALLABLE = DATA / "models" / "half_plus_two"
MODULE = DATA / "tf1_hub" / "image"
GRAPHS = DATA / "saved_models" / "graphs"
CARD = """---
title: A model
description: Does something.
task: regression
license: mit
---
Text.
"""


def copy(source: Path, folder: Path, *, card: str = CARD) -> Path:
    """A copy with a card; without one if that is empty."""
    shutil.copytree(source, folder)
    if card:
        (folder / "card.md").write_text(card)
    return folder


def edit(folder: Path, change: Callable[[Any], object], *, every: bool = False) -> Path:
    """Changes the first graph of a model, a ``MetaGraphDef``; or all of them."""
    file = folder / "saved_model.pb"
    message = schema.parse("tensorflow.SavedModel", file.read_bytes())
    for graph in message.meta_graphs if every else message.meta_graphs[:1]:
        change(graph)
    file.write_bytes(message.SerializeToString())
    return folder


def codes(folder: Path, **options: Any) -> set[str]:
    """What a check finds by reading alone."""
    return {finding.code for finding in check(folder, run=False, **options).findings}


def body(graph: Any) -> Any:
    """The function behind ``__call__``, in the library."""
    objects = graph.object_graph_def.nodes
    place = next(child.node_id for child in objects[0].children if child.local_name == "__call__")
    (name,) = objects[place].function.concrete_functions
    return next(each for each in graph.graph_def.library.function if each.signature.name == name)


def number_constant(node: Any, number: float) -> None:
    """Makes a node the constant of a number."""
    node.op = "Const"
    node.attr["dtype"].type = 1
    node.attr["value"].tensor.dtype = 1
    node.attr["value"].tensor.tensor_shape.SetInParent()
    node.attr["value"].tensor.float_val.append(number)


def text_constant(node: Any, text: bytes) -> None:
    """Makes a node the constant of a text."""
    node.op = "Const"
    node.attr["dtype"].type = 7
    node.attr["value"].tensor.dtype = 7
    node.attr["value"].tensor.string_val.append(text)
