"""Ops that reach out are found wherever they hide; what every SavedModel does raises no alarm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from rehub.formats import schema
from rehub.model import model_info
from rehub.model.op_policy import Finding, count_ops, custom_ops, findings
from rehub.model.program import Program

DATA = Path(__file__).parent.parent / "data"
MODELS = sorted(path.parent for room in ("*", "demo") for path in DATA.glob(f"{room}/*/saved_model.pb"))


def program(text: str) -> Program:
    graph = schema.message("tensorflow.MetaGraphDef")()
    text_format.Parse(text, graph, descriptor_pool=schema.pool())
    return Program(graph)


def node(name: str, op: str, *inputs: str, attr: str = "") -> str:
    return f'node {{ name: "{name}" op: "{op}" {" ".join(f"input: {i!r}" for i in inputs)} {attr} }} '


def calling(name: str) -> str:
    return f'attr {{ key: "f" value {{ func {{ name: "{name}" }} }} }}'


def function(name: str, arguments: str, *nodes: str) -> str:
    inputs = "".join(f'input_arg {{ name: "{argument}" }} ' for argument in arguments.split())
    body = "".join(nodes).replace("node {", "node_def {")
    return f'function {{ signature {{ name: "{name}" {inputs} }} {body} }} '


def found(text: str) -> list[tuple[str, str, str]]:
    return [(f.op, f.reach, f.function) for f in findings(program(text))]


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_findings_raise_no_false_alarm_for_real_exports(folder: Path) -> None:
    for graph in model_info.describe(folder).meta_graphs:
        assert graph.findings == ()
        assert graph.custom_ops == ()
        assert graph.ops


@pytest.mark.parametrize(
    ("op", "reach"),
    [
        ("ReadFile", "files"),
        ("WriteFile", "files"),
        ("MatchingFiles", "files"),
        ("TextLineDataset", "files"),
        ("CreateSummaryFileWriter", "files"),
        ("SnapshotDatasetV2", "files"),
        ("CacheDatasetV2", "files"),
        ("ImmutableConst", "files"),
        ("PyFunc", "python"),
        ("EagerPyFunc", "python"),
        ("PyFuncStateless", "python"),
        ("DataServiceDatasetV4", "network"),
        ("RpcCall", "network"),
        ("RemoteCall", "network"),
        ("Abort", "processes"),
        ("IO>FileRead", "files"),
        ("IO>KafkaDataset", "network"),
        ("IO>ArrowStreamDataset", "network"),
        ("BigtableDataset", "network"),
        ("TFRA>CuckooHashTableSaveToFileSystem", "files"),
    ],
)
def test_findings_name_an_op_that_reaches_out(op: str, reach: str) -> None:
    bad = node("bad", op)
    assert found(f"graph_def {{ {bad} }}") == [(op, reach, "")]
    assert found(f"graph_def {{ library {{ {function('hidden', '', bad)} }} }}") == [(op, reach, "hidden")]


@pytest.mark.parametrize(
    "op", ["IO>DecodeWebP", "TFText>FastSentencepieceTokenize", "MatMul", "Print", "LookupTableFindV2"]
)
def test_findings_leave_out_ops_that_stay_inside(op: str) -> None:
    assert found(f"graph_def {{ {node('good', op)} }}") == []


def test_findings_count_ops_of_one_type_in_one_function() -> None:
    text = f"graph_def {{ {node('a', 'ReadFile')} {node('b', 'ReadFile')} }}"
    assert findings(program(text)) == (Finding("ReadFile", "files", "", "a", 2),)


@pytest.mark.parametrize(
    ("op", "attribute", "value", "expected"),
    [
        ("PrintV2", "output_stream", 's: "file:///tmp/log"', ["files"]),
        ("PrintV2", "output_stream", 's: "stderr"', []),
        ("DebugIdentityV3", "debug_urls", 'list { s: "file:///tmp" }', ["files"]),
        ("DebugIdentityV3", "debug_urls", 'list { s: "grpc://host:1" }', ["network"]),
        ("DebugIdentityV3", "debug_urls", "list {}", []),
    ],
)
def test_findings_depend_on_where_an_op_prints(op: str, attribute: str, value: str, expected: list[str]) -> None:
    attr = f'attr {{ key: "{attribute}" value {{ {value} }} }}'
    assert [reach for _, reach, _ in found(f"graph_def {{ {node('n', op, attr=attr)} }}")] == expected


@pytest.mark.parametrize(
    ("op", "attribute", "value", "reach"),
    [
        ("FixedUnigramCandidateSampler", "vocab_file", 's: "/etc/passwd"', "files"),
        ("Skipgram", "filename", 's: "/etc/passwd"', "files"),
        ("CalibrationStatisticsSaver", "output_file_path", 's: "/tmp/out"', "files"),
        ("DecodeProtoV2", "descriptor_source", 's: "/etc/passwd"', "files"),
        ("EncodeProto", "descriptor_source", 's: "/etc/passwd"', "files"),
        ("FixedUnigramCandidateSampler", "vocab_file", 's: ""', None),
        ("FixedUnigramCandidateSampler", "other", 's: "text"', None),
        ("DecodeProtoV2", "descriptor_source", 's: "local://"', None),
        ("EncodeProto", "descriptor_source", 's: "bytes://abc"', None),
        # A function may leave the value to those who call it.
        ("FixedUnigramCandidateSampler", "vocab_file", 'placeholder: "file"', "files"),
        ("PrintV2", "output_stream", 'placeholder: "stream"', "files"),
        ("DebugIdentityV3", "debug_urls", 'placeholder: "urls"', "network"),
    ],
)
def test_findings_look_at_attributes_that_name_files(op: str, attribute: str, value: str, reach: str | None) -> None:
    attr = f'attr {{ key: "{attribute}" value {{ {value} }} }}'
    expected = [] if reach is None else [(op, reach, "f")]
    assert found(f"graph_def {{ library {{ {function('f', '', node('n', op, attr=attr))} }} }}") == expected


def text_constant(name: str, text: str) -> str:
    return node(name, "Const", attr=f'attr {{ key: "value" value {{ tensor {{ string_val: "{text}" }} }} }}')


@pytest.mark.parametrize(("text", "expected"), [("", []), ("/tmp/cache", ["files"])])
def test_findings_take_a_cache_without_a_file_for_one_in_memory(text: str, expected: list[str]) -> None:
    name = text_constant("name", text)
    cache = node("cache", "CacheDatasetV2", "data", "name")
    assert [reach for _, reach, _ in found(f"graph_def {{ {name} {cache} }}")] == expected


ASSET = 'asset_file_def { filename: "words.txt" tensor_info { name: "asset:0" } } '
READ = node("read", "ReadFile", "same")


SIGNATURE = 'signature_def { key: "f" value { outputs { key: "y" value { name: "read:0" } } } } '
READS = [("ReadFile", "files", "")]


def initializing(collection: str = "table_initializer", name: str = "read") -> str:
    return f'collection_def {{ key: "{collection}" value {{ node_list {{ value: "{name}" }} }} }} '


@pytest.mark.parametrize("collection", ["saved_model_main_op", "legacy_init_op", "table_initializer"])
@pytest.mark.parametrize("op", ["Const", "Placeholder", "Identity"])
def test_findings_leave_out_assets_that_are_read_when_the_model_is_loaded(op: str, collection: str) -> None:
    graph = f"graph_def {{ {node('asset', op)} {node('same', 'Identity', 'asset:0')} {READ} }}"
    assert found(ASSET + initializing(collection) + graph) == []
    assert found(ASSET + initializing(collection) + SIGNATURE.replace("read", "x") + graph) == []


@pytest.mark.parametrize(
    ("asset", "expected"),
    [
        (text_constant("asset", "/etc/passwd"), READS),
        (text_constant("asset", "words.txt"), READS),
        (node("asset", "Const", attr='attr { key: "value" value { tensor { tensor_content: "x" } } }'), READS),
        (node("asset", "Identity", "other"), READS),
        (node("asset", "PlaceholderWithDefault", "other"), READS),
        (text_constant("asset", ""), []),
        (text_constant("asset", "SAVEDMODEL-ASSET"), []),
        (node("asset", "Placeholder"), []),
    ],
)
def test_findings_name_an_op_that_reads_what_stands_for_an_asset_when_the_model_is_called(
    asset: str, expected: list[object]
) -> None:
    graph = f"graph_def {{ {asset} {node('same', 'Identity', 'asset:0')} {READ} }}"
    assert found(ASSET + SIGNATURE + graph) == expected
    assert found(ASSET + SIGNATURE + initializing() + graph) == expected
    assert found(ASSET + graph) == expected
    assert found(ASSET + initializing("update_ops") + graph) == expected


def test_findings_name_an_op_that_restoring_runs_on_what_stands_for_an_asset() -> None:
    graph = f"graph_def {{ {node('asset', 'Const')} {node('same', 'Identity', 'asset:0')} {READ} }}"
    saver = 'saver_def { restore_op_name: "read" }'
    assert found(ASSET + SIGNATURE.replace("read", "x") + initializing() + saver + graph) == READS


def test_findings_name_an_op_that_reads_what_a_caller_gives_in_place_of_an_asset() -> None:
    inputs = 'signature_def { key: "f" value { inputs { key: "x" value { name: "asset:0" } } } }'
    graph = f"graph_def {{ {node('asset', 'Placeholder')} {node('same', 'Identity', 'asset:0')} {READ} }}"
    assert found(ASSET + inputs + graph) == READS


def test_findings_follow_no_output_but_that_of_the_asset() -> None:
    graph = f"graph_def {{ {node('asset', 'Unpack', 'x')} {node('same', 'Identity', 'asset:1')} {READ} }}"
    assert found(ASSET + initializing() + graph) == READS


def test_findings_know_that_the_older_list_of_assets_is_read_without_the_newer_alone() -> None:
    graph = f"graph_def {{ {node('asset', 'Const')} {node('same', 'Identity', 'asset:0')} {READ} }}"
    packed = ASSET.replace("asset_file_def", "[type.googleapis.com/tensorflow.AssetFileDef]")
    older = f'collection_def {{ key: "saved_model_assets" value {{ any_list {{ value {{ {packed} }} }} }} }} '
    assert found(older + initializing() + graph) == []
    assert found(ASSET.replace("asset:0", "other:0") + older + initializing() + graph) == READS


@pytest.mark.parametrize(
    "change",
    [
        node("same", "StringJoin", "asset", "other"),  # may lead out of the folder
        node("same", "Identity", "other"),
        node("same", "Identity"),
    ],
)
def test_findings_name_an_op_that_may_read_something_else(change: str) -> None:
    assert found(f"{ASSET} {initializing()} graph_def {{ {node('asset', 'Const')} {change} {READ} }}") == READS


CALLS = f"""{ASSET} object_graph_def {{}} graph_def {{
  {node("asset", "Placeholder")} {node("v", "VarHandleOp")} {node("set", "AssignVariableOp", "v", "asset")}
  {node("get", "ReadVariableOp", "v")} {node("call", "StatefulPartitionedCall", "x", "get", attr=calling("outer"))}
  library {{
    {function("outer", "x path", node("inner_call", "inner", "path"))}
    {function("inner", "path", node("read", "ReadFile", "path"))}
  }} }}"""
INNER = [("ReadFile", "files", "inner")]
PASSING = calling("outer").replace('"outer"', f'"outer" {calling("inner")}')
"""Calls a function, and passes another one to it."""


def test_findings_follow_assets_through_variables_and_calls() -> None:
    assert found(CALLS) == []
    assert found(CALLS.replace("input: 'v' input: 'asset'", "input: 'v' input: 'x'")) == INNER


@pytest.mark.parametrize(
    "other",
    [
        node("second", "inner", "x"),
        node("second", "Unknown", attr=calling("inner")),
        node("second", "outer", "x", "get", attr=calling("inner")),
        node("second", "StatefulPartitionedCall", "get", "get", attr=PASSING),
        node("again", "AssignVariableOp", "v", "x"),
        node("again", "ResourceScatterUpdate", "v", "x", "x"),
        node("again", "StatefulPartitionedCall", "x", "v", attr=calling("outer")),
        node("alias", "VarHandleOp", attr='attr { key: "shared_name" value { s: "v" } }'),
    ],
)
def test_findings_follow_no_asset_that_may_be_replaced_on_its_way(other: str) -> None:
    assert found(CALLS.replace("library {", f"{other} library {{")) == INNER


def test_findings_follow_no_asset_into_functions_that_others_feed() -> None:
    gradient = 'gradient { function_name: "outer" gradient_func: "inner" }'
    assert found(CALLS.replace("library {", f"library {{ {gradient}")) == INNER
    handle = function("other", "", node("v", "VarHandleOp"))
    assert found(CALLS.replace("library {", f"library {{ {handle}")) == INNER
    noted = calling("inner").replace('"f"', '"_f"')  # such an attribute calls nothing
    call = node("noted", "StatefulPartitionedCall", "get", attr=noted) + node("second", "inner", "x")
    assert found(CALLS.replace("library {", f"{call} library {{")) == INNER


def test_findings_follow_no_asset_into_loops() -> None:
    assert found(CALLS.replace("StatefulPartitionedCall", "While")) == INNER


def test_findings_follow_no_asset_into_variables_that_a_checkpoint_restores() -> None:
    assert found(CALLS.replace("object_graph_def {}", "")) == INNER
    variable = 'collection_def { key: "variables" value { bytes_list { value: "" } } }'
    assert found(CALLS + variable) == INNER


def test_findings_take_a_function_named_like_an_op_for_what_it_is() -> None:
    graph = f"graph_def {{ {node('asset', 'Placeholder')} {node('same', 'Identity', 'asset')} {READ} "
    assert found(f"{ASSET} {graph} }}") == []
    assert found(f"{ASSET} {graph} library {{ {function('Identity', 'x')} }} }}") == READS


@pytest.mark.parametrize(("kind", "expected"), [("asset {}", []), ("constant {}", [("ReadFile", "files", "init")])])
def test_findings_follow_assets_that_functions_capture(kind: str, expected: list[object]) -> None:
    text = f"""{ASSET} graph_def {{ {node("asset", "Const")} library {{
        {function("init", "path", node("read", "ReadFile", "path"))} }} }}
      object_graph_def {{ nodes {{ {kind} }} concrete_functions {{ key: "init" value {{ bound_inputs: 0 }} }} }}"""
    assert found(text) == expected


@pytest.mark.parametrize("other_caller", ["", node("call", "f", "asset")])
def test_findings_name_a_function_that_reads_what_its_caller_names(other_caller: str) -> None:
    text = f"""{ASSET} graph_def {{ {node("asset", "Const")} {other_caller}
        library {{ {function("f", "path", node("read", "ReadFile", "path"))} }} }}
      object_graph_def {{ concrete_functions {{ key: "f" value {{}} }} }}"""
    assert found(text) == [("ReadFile", "files", "f")]


SAVER = f"""
  saver_def {{ filename_tensor_name: "prefix:0" save_tensor_name: "save:0" restore_op_name: "restore" }}
  signature_def {{ key: "f" value {{ outputs {{ key: "y" value {{ name: "y:0" }} }} }} }}
  graph_def {{ {node("prefix", "Placeholder")} {node("y", "Identity", "x")} {node("x", "Placeholder")}
    {node("save", "StatefulPartitionedCall", "prefix", attr=calling("saver"))} {node("restore", "RestoreV2", "prefix")}
    library {{ {function("saver", "prefix", node("s", "SaveV2", "prefix"), node("m", "MergeV2Checkpoints"))} }} }}"""


def test_findings_leave_out_the_models_own_checkpoint() -> None:
    assert found(SAVER) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("input: 'x'", "input: '^restore'", ("RestoreV2", "files", "")),
        ("input: 'x'", "input: 'save'", ("SaveV2", "files", "saver")),
        ("SaveV2", "WriteFile", ("WriteFile", "files", "saver")),
    ],
)
def test_findings_name_what_a_model_does_with_checkpoints_when_it_is_called(
    old: str, new: str, expected: tuple[str, str, str]
) -> None:
    assert expected in found(SAVER.replace(old, new))


@pytest.mark.parametrize("collection", ["saved_model_main_op", "legacy_init_op", "table_initializer", "update_ops"])
def test_findings_name_checkpoints_that_are_read_when_the_model_is_loaded(collection: str) -> None:
    run = f'collection_def {{ key: "{collection}" value {{ node_list {{ value: "restore" }} }} }}'
    assert found(SAVER + run) == [("RestoreV2", "files", "")]


def test_findings_name_checkpoints_that_an_object_writes() -> None:
    callable_saver = 'object_graph_def { concrete_functions { key: "saver" value {} } }'
    assert ("SaveV2", "files", "saver") in found(SAVER + callable_saver)


def test_findings_name_checkpoints_that_restoring_writes() -> None:
    assert found(SAVER.replace("'prefix' attr", "'prefix' input: 'x' attr")) == []
    written = SAVER.replace(node("restore", "RestoreV2", "prefix"), node("restore", "RestoreV2", "prefix", "^save"))
    assert ("SaveV2", "files", "saver") in found(written)


def test_findings_look_into_functions_that_a_crafted_one_makes_look_unused() -> None:
    crafted = function("crafted", "", node("k", "PartitionedCall"))
    gradient = 'gradient { function_name: "x" gradient_func: "crafted" }'
    outer = function("outer", "", node("call", "PartitionedCall", attr=calling("saver")))
    used = node("y", "StatefulPartitionedCall", attr=calling("outer"))
    text = SAVER.replace(node("y", "Identity", "x"), used).replace(
        "library {", f"library {{ {crafted} {gradient} {outer}"
    )
    assert ("SaveV2", "files", "saver") in found(text)


def test_findings_name_checkpoints_inside_of_gradients() -> None:
    gradient = 'library { gradient { function_name: "f" gradient_func: "saver" }'
    assert ("SaveV2", "files", "saver") in found(SAVER.replace("library {", gradient, 1))


def test_findings_leave_out_savers_of_objects_without_signatures() -> None:
    assert found(SAVER[SAVER.index("graph_def") :] + "object_graph_def {}") == []


def test_findings_leave_out_savers_of_graphs_without_signatures() -> None:
    saver = [node("p", "Placeholder"), node("save", "SaveV2", "p", "x"), node("all", "RestoreV2", "p")]
    saver += [node("assign", "Assign", "x", "all"), node("done", "NoOp", "^assign")]
    assert found(f"graph_def {{ {' '.join(saver)} {node('x', 'VariableV2')} }}") == []
    assert found(f"graph_def {{ {' '.join(saver)} {node('y', 'PyFunc', 'x')} }}") == [("PyFunc", "python", "")]


def test_count_ops_counts_functions_too_and_no_calls() -> None:
    text = f"graph_def {{ {node('a', 'f')} {node('b', 'Add')} library {{ {function('f', '', node('c', 'Add'))} }} }}"
    assert count_ops(program(text)) == {"Add": 2}


def test_custom_ops_name_the_package_that_brings_them() -> None:
    custom = custom_ops({"Add": 9, "SentencepieceOp": 1, "TotallyNew": 2})
    names: list[Any] = [(c.op, c.count, c.package and (c.package.name, c.package.module)) for c in custom]
    assert names == [("SentencepieceOp", 1, ("tensorflow-text", "tensorflow_text")), ("TotallyNew", 2, None)]
