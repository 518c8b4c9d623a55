"""Rules about the program of a model, and about graphs of TensorFlow 1."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rehub.formats import schema
from rehub.publish.check import check
from tests.publish_static import models


def node(op: str) -> Callable[[Any], None]:
    return lambda graph: models.body(graph).node_def.add(name="added", op=op)


def read_file(graph: Any) -> None:
    body = models.body(graph).node_def
    models.text_constant(body.add(name="path"), b"/home/me/words.txt")
    body.add(name="read", op="ReadFile", input=["path:output:0"])


def read_argument(graph: Any) -> None:
    body = models.body(graph)
    body.node_def.add(name="read", op="ReadFile", input=[body.signature.input_arg[0].name])


def end_with(op: str) -> Callable[[Any], None]:
    def change(graph: Any) -> None:
        body = models.body(graph)
        ((name, tensor),) = body.ret.items()
        body.node_def.add(name="decided", op=op, input=[tensor])
        body.node_def.add(name="shaped", op="Reshape", input=[f"decided:{op.lower()}:0", tensor])
        body.ret[name] = "shaped:output:0"

    return change


def end_with_chain(*ops: str) -> Callable[[Any], None]:
    """Has the model end with a softmax, and behind it with these ops, each with a constant as its other input."""

    def change(graph: Any) -> None:
        body = models.body(graph)
        ((name, tensor),) = body.ret.items()
        models.number_constant(body.node_def.add(name="number"), 0.5)
        body.node_def.add(name="softmax", op="Softmax", input=[tensor])
        tensor = "softmax:softmax:0"
        for place, op in enumerate(ops):
            op, _, is_first = op.partition(" ")
            inputs = ["number:output:0", tensor] if is_first else [tensor, "number:output:0"]
            body.node_def.add(name=f"op{place}", op=op, input=inputs)
            tensor = f"op{place}:z:0"
        body.ret[name] = tensor

    return change


def written_by_hand(graph: Any) -> None:
    body = models.body(graph)
    ((name, tensor),) = body.ret.items()
    models.number_constant(body.node_def.add(name="number"), 0.5)
    body.node_def.add(name="exp", op="Exp", input=[tensor])
    body.node_def.add(name="sum", op="Sum", input=["exp:y:0", "number:output:0"])
    body.node_def.add(name="divide", op="RealDiv", input=["exp:y:0", "sum:output:0"])
    body.ret[name] = "divide:z:0"


def unused_functions(graph: Any) -> None:
    for number in range(5):
        graph.graph_def.library.function.add().signature.name = f"unused_{number}"


def fixed_batch(graph: Any) -> None:
    graph.signature_def["serving_default"].inputs["x"].tensor_shape.dim[0].size = 2


def without(*names: str) -> Callable[[Any], None]:
    """Removes attributes of the object."""

    def change(graph: Any) -> None:
        root = graph.object_graph_def.nodes[0]
        kept = [child for child in root.children if child.local_name not in names]
        del root.children[:]
        root.children.extend(kept)
        if "signatures" in names:
            graph.signature_def.clear()

    return change


@pytest.mark.parametrize(
    ("found", "change"),
    [
        ({"W201"}, without("__call__")),
        ({"E202"}, without("__call__", "signatures")),
        ({"W301"}, without("signatures")),
        ({"W305"}, fixed_batch),
        ({"W401"}, end_with("Softmax")),
        ({"W401"}, end_with("ArgMax")),
        ({"W401"}, end_with("TopKV2")),
        ({"W401"}, end_with_chain("Identity", "Cast", "Reshape")),
        ({"W401"}, end_with_chain("Mul")),
        ({"W401"}, end_with_chain("Mul first", "Identity")),
        ({"W401"}, end_with_chain("RealDiv")),
        ({"W401"}, end_with_chain("Minimum", "Maximum")),
        ({"W401"}, end_with_chain("ClipByValue", "Cast")),
        ({"W401"}, written_by_hand),
        (set(), end_with_chain("RealDiv first")),
        (set(), end_with_chain("MatMul")),
        (set(), end_with("Relu")),
        ({"E403"}, node("EagerPyFunc")),
        ({"W404"}, node("RpcCall")),
        ({"W404"}, read_argument),
        ({"W404", "E405"}, read_file),
        ({"W406"}, node("TFText>WhitespaceTokenizeWithOffsetsV2")),
        ({"E407"}, node("MyOwnOp")),
        ({"W408"}, unused_functions),
    ],
)
def test_check_finds_what_is_wrong_with_a_program(
    found: set[str], change: Callable[[Any], None], tmp_path: Path
) -> None:
    folder = models.edit(models.copy(models.CALLABLE, tmp_path / "model"), change)
    assert models.codes(folder) == found


def test_check_names_the_path_that_no_other_machine_has(tmp_path: Path) -> None:
    report = check(models.edit(models.copy(models.CALLABLE, tmp_path / "model"), read_file), run=False)
    assert any("'/home/me/words.txt', and ReadFile may read it" in finding.what for finding in report.findings)


def without_default(graph: Any) -> None:
    graph.signature_def["other"].CopyFrom(graph.signature_def["default"])
    del graph.signature_def["default"]


def other_output(graph: Any) -> None:
    outputs = graph.signature_def["default"].outputs
    outputs["other"].CopyFrom(outputs["default"])
    del outputs["default"]


def fewer_variables(graph: Any) -> None:
    for name in ("variables", "trainable_variables"):
        del graph.collection_def[name].bytes_list.value[0]


def more_signatures(graph: Any) -> None:
    graph.signature_def["more"].CopyFrom(graph.signature_def["default"])


def optimizer_state(graph: Any) -> None:
    """Gives a variable the name of one that an optimizer makes, and the node that holds it."""
    packed = graph.collection_def["variables"].bytes_list.value
    variable = schema.parse("tensorflow.VariableDef", packed[0])
    variable.variable_name = "kernel/Adam_1:0"
    packed.append(variable.SerializeToString())


@pytest.mark.parametrize(
    ("source", "found", "change"),
    [
        ("half_plus_two", {"E302"}, without_default),
        ("half_plus_two", {"E302"}, other_output),
        ("dropout", {"E303"}, fewer_variables),
        ("dropout", {"E303"}, more_signatures),
        ("half_plus_two", {"E304"}, lambda graph: graph.meta_info_def.tags.append("train")),
        ("half_plus_two", {"W211"}, optimizer_state),
    ],
)
def test_check_finds_what_is_wrong_with_a_module(
    source: str, found: set[str], change: Callable[[Any], None], tmp_path: Path
) -> None:
    folder = models.copy(models.DATA / "tf1_hub" / source, tmp_path / "model")
    assert models.codes(folder) == set()
    assert models.codes(models.edit(folder, change)) == found


def test_check_says_that_a_model_of_tensorflow_1_has_no_objects_to_look_at() -> None:
    skipped = {each.code: each.reason for each in check(models.MODULE, run=False).skipped}
    assert skipped["E205"] == "it does not concern a module in the TF1 Hub format"
    assert skipped["E504"] == "the model was not run"


def test_check_finds_the_optimizer_of_a_real_export() -> None:
    report = check(models.DATA / "saved_models" / "keras2_compiled", run=False)
    (finding,) = (each for each in report.findings if each.code == "W211")
    assert "optimizer._learning_rate" in finding.what
    assert "include_optimizer=False" in finding.fix
