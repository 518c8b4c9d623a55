"""Functions that call one another without end, or so often that it would take years."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rehub.errors import FormatError
from rehub.formats import schema
from rehub.model.model_info import ModelInfo, describe


def model(calls: Mapping[str, list[str]]) -> Any:
    """A model whose ``__call__`` is the function ``f0``; each function calls others, one after the other."""
    message = schema.message("tensorflow.SavedModel")()
    graph = message.meta_graphs.add()
    root, call = graph.object_graph_def.nodes.add(), graph.object_graph_def.nodes.add()
    root.children.add(node_id=1, local_name="__call__")
    call.function.concrete_functions.append("f0")
    graph.object_graph_def.concrete_functions["f0"].SetInParent()
    for name, others in calls.items():
        function, last = graph.graph_def.library.function.add(), "x"
        function.signature.name = name
        function.signature.input_arg.add(name="x", type=1)
        function.signature.output_arg.add(name="y", type=1)
        for place, other in enumerate(others):
            node = function.node_def.add(name=f"call{place}", op="PartitionedCall", input=[last])
            node.attr["f"].func.name = other
            node.attr["Tout"].list.type.append(1)
            last = f"call{place}:output:0"
        function.ret["y"] = last
    return message


def described(folder: Path, message: Any) -> ModelInfo:
    (folder / "saved_model.pb").write_bytes(message.SerializeToString())
    return describe(folder, activations=True)


@pytest.mark.parametrize(
    "calls",
    [{"f0": ["f0"]}, {"f0": ["f1"], "f1": ["f0"]}, {"f0": ["f1", "f2"], "f1": ["f2", "f1"], "f2": ["f0", "f1"]}],
)
def test_describe_comes_to_an_end_when_functions_call_themselves(tmp_path: Path, calls: dict[str, list[str]]) -> None:
    (graph,) = described(tmp_path, model(calls)).meta_graphs
    assert [function.path for function in graph.functions] == ["__call__"]


def test_describe_refuses_functions_that_call_one_another_too_often(tmp_path: Path) -> None:
    often = {f"f{place}": [f"f{place + 1}"] * 100 for place in range(9)}
    with pytest.raises(FormatError, match="call one another too often"):
        described(tmp_path, model(often))


def test_describe_refuses_a_call_that_does_not_fit_its_function(tmp_path: Path) -> None:
    message = model({"f0": ["f1"], "f1": []})
    message.meta_graphs[0].graph_def.library.function[0].node_def[0].input.append("x")
    with pytest.raises(FormatError, match="gives 2 values to 'f1', which takes 1"):
        described(tmp_path, message)
