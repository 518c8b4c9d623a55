"""``rehub inspect`` as a process, and at a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rehub.formats import schema

DATA = Path(__file__).parents[1] / "data"
ROOT = Path(__file__).parents[2]
MODULE = DATA / "saved_models/module"
SHARD = "variables/variables.data-00000-of-00001"


def run(*arguments: str | Path) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "rehub", "inspect", *arguments], capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


def at_terminal(columns: int, *arguments: str | Path) -> str:
    main, child = pty.openpty()
    code = f"import termios; termios.tcsetwinsize(1, (50, {columns})); from rehub.cli.main import main; main()"
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    with subprocess.Popen(
        [sys.executable, "-c", code, "inspect", *arguments],
        stdout=child,
        env={**environment, "TERM": "xterm-256color"},
    ) as process:
        os.close(child)
        shown = b""
        while True:
            try:
                part = os.read(main, 65536)
            except OSError:
                break
            if not part:
                break
            shown += part
        assert process.wait(timeout=60) == 0
    os.close(main)
    return shown.decode().replace("\r\n", "\n")


def test_inspect_shows_what_is_in_a_model() -> None:
    code, out, err = run(MODULE)
    assert (code, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    for line in (
        f"folder {MODULE}",
        "format SavedModel of objects (TensorFlow 2)",
        "tags serve",
        "variables 2, 1 trainable, 36 B",
        "assets words.txt",
        "reaches out to nothing: no op touches files, network, processes or Python",
        "SIGNATURE TENSOR TYPE",
        "serving_default in words string[?]",
        "__call__(words)",
        "(words: string[?]) -> float32[?, 2]",
        "embedding float32[4, 2] 32 B trainable",
    ):
        assert line in lines
    assert "\x1b" not in out


def test_inspect_shows_each_graph_of_a_model_that_has_several() -> None:
    _, out, _ = run(DATA / "tf1_hub/image")
    assert "Graph with the tags train\n" in out
    assert "Graph without tags\n" in out
    assert out.count("image_module_info (6 B): images of 8 x 8") == 2


def test_inspect_shows_what_each_graph_of_a_module_collects() -> None:
    _, out, _ = run(DATA / "tf1_hub/text_vocab")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    kept = "regularization_losses (3), saved_model_assets (1), table_initializer (1), trainable_variables (3), "
    assert lines.count(f"collections asset_filepaths (1), {kept}variables (3)") == 2
    assert lines.count("assets tokens.txt") == 2
    _, out, _ = run("--json", DATA / "tf1_hub/image")
    train, plain = json.loads(out)["meta_graphs"]
    assert (train["collections"]["update_ops"], train["collections"]["variables"]) == (2, 7)
    assert "update_ops" not in plain["collections"]


def test_inspect_shows_the_ends_of_a_graph_without_signatures(tmp_path: Path) -> None:
    model = schema.parse("tensorflow.SavedModel", (DATA / "saved_models/graphs/saved_model.pb").read_bytes())
    for graph in model.meta_graphs:
        graph.signature_def.clear()
    (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
    _, out, _ = run(tmp_path)
    assert ["out", "MatMul:0", "float32[?, 1]"] in [line.split(maxsplit=2) for line in out.splitlines()]


def test_inspect_names_packages_that_bring_ops(tmp_path: Path) -> None:
    model = schema.parse("tensorflow.SavedModel", (MODULE / "saved_model.pb").read_bytes())
    for op in ("TFText>FastSentencepieceTokenize", "TFText>FastSentencepieceDetokenize", "Homemade"):
        model.meta_graphs[0].graph_def.node.add(name=op, op=op)
    (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
    _, out, _ = run(tmp_path)
    assert (
        "pip install tensorflow-text, then import tensorflow_text, for the ops "
        "TFText>FastSentencepieceDetokenize, TFText>FastSentencepieceTokenize\n" in out
    )
    assert "an unknown package, for the ops Homemade\n" in out


def test_inspect_shows_where_an_op_reaches_out(tmp_path: Path) -> None:
    model = schema.parse("tensorflow.SavedModel", (MODULE / "saved_model.pb").read_bytes())
    model.meta_graphs[0].graph_def.library.function[1].node_def.add(name="spy", op="WriteFile")
    model.meta_graphs[0].graph_def.node.add(name="call", op="PyFunc")
    (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
    _, out, _ = run(tmp_path)
    rows = [line.split(maxsplit=3) for line in out.splitlines()]
    name = model.meta_graphs[0].graph_def.library.function[1].signature.name
    assert ["files", "WriteFile", "1", name] in rows
    assert ["python", "PyFunc", "1", "the graph, at call"] in rows
    assert "to nothing" not in out


def test_inspect_cuts_long_lists_and_says_so(tmp_path: Path) -> None:
    model = schema.parse("tensorflow.SavedModel", (MODULE / "saved_model.pb").read_bytes())
    objects = model.meta_graphs[0].object_graph_def
    for number in range(30):
        objects.nodes[0].children.add(node_id=len(objects.nodes), local_name=f"extra{number}")
        objects.nodes.add().variable.name = f"extra{number}"
    (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
    _, out, _ = run(tmp_path)
    assert "and 12 more; --all lists them" in out
    assert "extra29" not in out
    _, out, _ = run(tmp_path, "--all")
    assert "extra29" in out
    assert ["ReadVariableOp", "9"] in [line.split() for line in out.splitlines()]


def test_inspect_prints_json_when_asked() -> None:
    code, out, err = run("--json", MODULE)
    value = json.loads(out)
    assert (code, err) == (0, "")
    assert value["handle"] == str(MODULE)
    assert value["format"] == "saved_model_2"
    assert value["meta_graphs"][0]["functions"][0]["path"] == "__call__"
    assert "damages" not in value


def test_endpoints_show_the_tensors_inside_of_each_function() -> None:
    code, out, err = run("--endpoints", DATA / "saved_models/keras2")
    assert (code, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    start = lines.index("Endpoints of __call__")
    assert lines[start + 1 : start + 4] == [
        "NAME TYPE OP",
        "dense/StatefulPartitionedCall float32[?, 2] IdentityN",
        "dense/StatefulPartitionedCall/MatMul float32[?, 2] MatMul",
    ]
    signature = lines[lines.index("Endpoints of the signature serving_default") :]
    assert "sequential/bn/batchnorm/add_1 float32[?, 2] AddV2" in signature
    assert not any("ReadVariableOp" in line for line in lines)


def test_endpoints_of_functions_that_are_alike_are_shown_once() -> None:
    _, out, _ = run("--endpoints", ROOT / "src/rehub/demo/hub/rehub/face-features/1")
    assert out.splitlines()[-1] == "Endpoints of the signature serving_default: those of __call__"


def test_endpoints_are_printed_as_json_when_asked() -> None:
    _, out, _ = run("--endpoints", "--json", DATA / "saved_models/keras2")
    (graph,) = json.loads(out)["meta_graphs"]
    assert list(graph["activations"]) == ["__call__", "serving_default"]
    assert graph["activations"]["serving_default"][0] == {
        "name": "sequential/dense/MatMul",
        "dtype": "float32",
        "shape": [None, 2],
        "op": "MatMul",
    }
    _, out, _ = run("--json", DATA / "saved_models/keras2")
    assert json.loads(out)["meta_graphs"][0]["activations"] == {}


def test_model_without_functions_has_no_endpoints() -> None:
    code, out, err = run("--endpoints", DATA / "tf1_hub/assets")
    assert (code, out) == (0, "")
    assert "No endpoints" in err


def test_tree_and_endpoints_together_are_refused() -> None:
    code, _, err = run("--tree", "--endpoints", MODULE)
    assert code == 2
    assert "choose one" in err


def test_inspect_draws_a_tree_when_asked() -> None:
    _, out, _ = run("--tree", MODULE)
    assert out.splitlines()[1:] == [
        "├─ table  resource tf.StaticHashTable",
        "│  └─ _initializer  object",
        "│     └─ _filename  asset words.txt",
        "├─ embedding  variable embedding float32[4, 2], trainable",
        "├─ scale  variable scale float32[]",
        "├─ __call__  function (words), 1 trace",
        "├─ both  function (left, right), 1 trace",
        "├─ ragged  function (x), 1 trace",
        "└─ signatures  signatures",
        "   ├─ serving_default  function",
        "   ├─ both  function",
        "   └─ ragged  function",
    ]


def test_inspect_draws_lists_of_known_objects_as_one_line() -> None:
    _, out, _ = run("--tree", DATA / "saved_models/keras2")
    assert "├─ layer-0  = layer_with_weights-0\n" in out
    assert "├─ trainable_variables  list of 4\n" in out
    assert "keras_api" not in out


def test_inspect_draws_what_a_graph_without_objects_has() -> None:
    _, out, _ = run("--tree", DATA / "tf1_hub/half_plus_two")
    assert out.splitlines()[1:] == [
        "├─ signature default(default: float32[?]) -> (default: float32[?])",
        "├─ variable a float32[]",
        "└─ variable b float32[]",
    ]


def test_verify_says_that_all_is_whole() -> None:
    code, out, err = run("--verify", MODULE)
    assert (code, err) == (0, "Verified: all files are whole.\n")
    assert "embedding" in out


@pytest.mark.parametrize("as_json", [False, True])
def test_verify_names_what_is_damaged(tmp_path: Path, as_json: bool) -> None:
    folder = Path(shutil.copytree(MODULE, tmp_path / "model"))
    data = bytearray((folder / SHARD).read_bytes())
    data[0] ^= 1
    (folder / SHARD).write_bytes(data)
    code, out, err = run("--verify", folder, *(["--json"] if as_json else []))
    assert code == 1
    assert f"{SHARD}: variable 'embedding' has the checksum" in err
    assert "hint: " in err
    if as_json:
        (damage,) = json.loads(out)["damages"]
        assert damage["file"] == SHARD


def test_inspect_tells_what_a_folder_is_instead(tmp_path: Path) -> None:
    shutil.copytree(MODULE, tmp_path / "3")
    code, out, err = run(tmp_path)
    assert (code, out) == (1, "")
    assert err == (
        f"error: '{tmp_path}' is not a model folder: it is a folder of models (3).\n"
        f"hint: Pass one of them, such as {tmp_path / '3'}\n"
        "more: docs/troubleshooting.md#formaterror\n"
    )


def test_inspect_shows_no_control_characters_of_a_model(tmp_path: Path) -> None:
    data = (MODULE / "saved_model.pb").read_bytes()
    (tmp_path / "saved_model.pb").write_bytes(data.replace(b"embedding", b"e\x1b[31mdng"))
    for arguments in ((), ("--tree",)):
        _, out, _ = run(tmp_path, *arguments)
        assert "e\\x1b[31mdng" in out
        assert "\x1b" not in out


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("model", ["saved_models/keras2_compiled", "saved_models/estimator", "tf1_hub/rich"])
def test_inspect_fits_the_terminal_and_cuts_nothing(columns: int, model: str) -> None:
    shown = re.sub(r"\x1b\[[0-9;]*m", "", at_terminal(columns, DATA / model))
    assert max(map(len, shown.splitlines())) <= columns
    _, plain, _ = run(DATA / model)
    assert sorted("".join(shown.split())) == sorted("".join(plain.split()))


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("model", ["saved_models/keras2_compiled", "saved_models/estimator", "tf1_hub/rich"])
def test_tree_fits_the_terminal_and_cuts_nothing(columns: int, model: str) -> None:
    shown = re.sub(r"\x1b\[[0-9;]*m", "", at_terminal(columns, "--tree", DATA / model)).splitlines()
    _, plain, _ = run("--tree", DATA / model)
    assert max(map(len, shown)) <= columns < max(map(len, plain.splitlines()))
    for letter in "├└":
        assert "".join(shown).count(letter) == plain.count(letter)
    drawing = str.maketrans("", "", "│ \n")
    assert "".join(shown).translate(drawing) == plain.translate(drawing)


def test_tree_stays_whole_where_a_line_is_too_long_for_the_terminal() -> None:
    shown = at_terminal(30, "--tree", MODULE).splitlines()
    start = shown.index("├─ table  resource")
    assert shown[start:][:9] == [
        "├─ table  resource",
        "│  │  tf.StaticHashTable",
        "│  └─ _initializer  object",
        "│     └─ _filename  asset",
        "│           words.txt",
        "├─ embedding  variable",
        "│     embedding float32[4, 2],",
        "│     trainable",
        "├─ scale  variable scale",
    ]


def test_inspect_refuses_a_tree_as_json() -> None:
    code, out, err = run("--tree", "--json", MODULE)
    assert (code, out) == (2, "")
    assert "leave out --tree" in err


def test_inspect_prints_numbers_that_json_lacks_as_text(tmp_path: Path) -> None:
    model = schema.parse("tensorflow.SavedModel", (MODULE / "saved_model.pb").read_bytes())
    objects = model.meta_graphs[0].object_graph_def
    (node,) = {child.node_id for child in objects.nodes[0].children if child.local_name == "__call__"}
    spec = {
        pair.key: pair.value for pair in objects.nodes[node].function.function_spec.fullargspec.named_tuple_value.values
    }
    spec["defaults"].tuple_value.values.add().float64_value = float("-inf")
    (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
    code, out, _ = run("--json", tmp_path)
    value = json.loads(out, parse_constant=pytest.fail)
    assert code == 0
    assert value["meta_graphs"][0]["functions"][0]["parameters"][-1]["default"] == "-inf"


def test_inspect_uses_colours_at_a_terminal_only() -> None:
    assert "\x1b[1m" in at_terminal(80, MODULE)
