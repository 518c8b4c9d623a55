"""What the files of real exports tell: functions, variables, objects, endpoints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rehub.errors import FormatError
from rehub.formats import schema
from rehub.model import model_info
from rehub.model.model_info import GraphInfo

DATA = Path(__file__).parent.parent / "data"
GOLDEN = DATA / "saved_models/keras2_compiled"

damage = settings(
    max_examples=150, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def graph(model: str, place: int = 0) -> GraphInfo:
    return model_info.describe(DATA / model).meta_graphs[place]


@pytest.mark.parametrize(
    ("model", "keras", "version"),
    [
        ("saved_models/keras2", "2.21.0", "2.21.0"),
        ("saved_models/keras2_compiled", "2.12.0", "2.12.0"),
        ("saved_models/keras3", "3", "2.21.0"),
        ("saved_models/keras2_exported", "2", "2.21.0"),
        ("saved_models/keras3_saved", "3", "2.21.0"),
        ("saved_models/module", "", "2.21.0"),
        ("saved_models/estimator", "", "2.12.0"),
        ("tf1_hub/image", "", "2.15.1"),
    ],
)
def test_describe_tells_who_wrote_it(model: str, keras: str, version: str) -> None:
    info = model_info.describe(DATA / model)
    assert info.keras == keras
    assert {g.tensorflow_version for g in info.meta_graphs} == {version}
    assert all(g.tensorflow_git_version.startswith("v2.") for g in info.meta_graphs)


def test_describe_gives_the_size_of_all_files() -> None:
    folder = DATA / "saved_models/keras2"
    expected = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert model_info.describe(folder).size_bytes == expected


def test_describe_names_missing_files(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes((GOLDEN / "saved_model.pb").read_bytes())
    assert model_info.describe(tmp_path).missing_files == ("variables/variables.index",)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (
            "saved_models/module",
            {
                "__call__(words)": ["(words: string[?]) -> float32[?, 2]"],
                "both(left, right)": [
                    "(left: float16[?, 2], right: int32[...]) -> {'any': int32[...], 'pair': float32[?, 2]}"
                ],
                "ragged(x)": ["(x: ragged float32[?, ?]) -> {'y': ragged float32[?, ?]}"],
            },
        ),
        ("saved_models/keras3", {"serve(args_0)": ["(args_0: float32[?, 3]) -> float32[?, 2]"]}),
        (
            "saved_models/functions",
            {
                "__call__(inputs, training=False, *, rate=0.5)": [
                    "(inputs: [float32[?], {'a': int64[]}], training=True, rate=0.5) -> (float32[?], int64[])",
                    "(inputs: [float32[?], {'a': int64[]}], training=False, rate: float32[]) -> (float32[?], int64[])",
                ],
                "concrete(x)": ["(x: float32[2]) -> float32[2]"],
                "joined(*parts, **more)": ["(parts[0]: string[], parts[1]: string[], end: string[]) -> string[]"],
                "encoder.__call__(x)": ["(x: sparse float32[?, 4]) -> float32[?, ?]"],
            },
        ),
        ("saved_models/estimator", {}),
    ],
)
def test_functions_list_parameters_and_traces(model: str, expected: dict[str, list[str]]) -> None:
    found = {str(function): sorted(map(str, function.traces)) for function in graph(model).functions}
    assert found == {name: sorted(traces) for name, traces in expected.items()}


def test_functions_of_keras_have_a_trace_for_each_mode() -> None:
    call = next(function for function in graph("saved_models/keras2").functions if function.path == "__call__")
    assert [parameter.name for parameter in call.parameters] == ["inputs", "training", "mask"]
    assert [parameter.is_required for parameter in call.parameters] == [True, False, False]
    assert sorted(dict(trace.arguments)["training"] for trace in call.traces) == [False, True]


def test_variables_of_an_object_are_those_it_lists() -> None:
    info = graph("saved_models/keras2_compiled")
    assert [(v.name, v.path, v.dtype, v.shape, v.size_bytes, v.is_trainable) for v in info.variables] == [
        ("dense/kernel", "layer_with_weights-0.kernel", "float32", (3, 2), 24, True),
        ("dense/bias", "layer_with_weights-0.bias", "float32", (2,), 8, True),
    ]
    assert len(info.spare_variables) == 8  # of the optimizer and the loss
    assert info.regularization_losses == 1


def test_variables_that_are_not_listed_as_trainable_are_frozen(tmp_path: Path) -> None:
    model = schema.parse("tensorflow.SavedModel", (GOLDEN / "saved_model.pb").read_bytes())
    nodes = model.meta_graphs[0].object_graph_def.nodes
    (trainable,) = (child.node_id for child in nodes[0].children if child.local_name == "trainable_variables")
    del nodes[trainable].children[0]
    (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
    (info,) = model_info.describe(tmp_path).meta_graphs
    assert [(v.name, v.is_trainable) for v in info.variables] == [("dense/kernel", False), ("dense/bias", True)]


def test_variables_of_an_object_without_lists_are_all_that_it_has() -> None:
    info = graph("saved_models/module")
    assert [(v.name, v.is_trainable) for v in info.variables] == [("embedding", True), ("scale", False)]
    assert info.spare_variables == ()


def test_variables_of_a_graph_come_from_its_collections() -> None:
    info = graph("tf1_hub/image")
    assert [(v.name, v.shape, v.size_bytes, v.is_trainable) for v in info.variables[:4]] == [
        ("net/conv/weights", (3, 3, 3, 5), 540, True),
        ("net/bn/gamma", (5,), 20, True),
        ("net/bn/beta", (5,), 20, True),
        ("net/bn/moving_mean", (5,), 20, False),
    ]
    assert info.regularization_losses == 1
    assert info.attachments[0].image_size == (8, 8)


def test_collections_of_every_kind_are_counted(tmp_path: Path) -> None:
    model = schema.parse("tensorflow.SavedModel", (DATA / "tf1_hub/half_plus_two/saved_model.pb").read_bytes())
    collections = model.meta_graphs[0].collection_def
    collections["numbers"].int64_list.value.extend([1, 2, 3])
    collections["b"].float_list.value.append(1.0)
    collections["empty"].SetInParent()
    (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
    (info,) = model_info.describe(tmp_path).meta_graphs
    expected = {"b": 1, "empty": 0, "numbers": 3, "trainable_variables": 2, "variables": 2}
    assert list(info.collections.items()) == list(expected.items())


def test_variables_take_what_the_graph_leaves_open_from_the_checkpoint() -> None:
    by_name = {variable.name: variable for variable in graph("saved_models/functions").variables}
    assert (by_name["open"].shape, by_name["open"].size_bytes) == ((3,), 12)
    assert by_name["words"].dtype == "string"
    assert by_name["words"].size_bytes == len(b"\1\2") + 4 + len(b"abc")


def test_objects_list_each_object_once_and_name_it_elsewhere() -> None:
    objects = graph("saved_models/keras2").objects
    by_path = {entry.path: entry for entry in objects}
    layer = by_path["layer_with_weights-0"]
    assert (layer.kind, layer.detail, layer.same_as) == ("_tf_keras_layer", "Dense", None)
    assert by_path["layer-0"].same_as == "layer_with_weights-0"
    assert by_path["variables.0"].same_as == "layer_with_weights-0.kernel"
    assert len({entry.node for entry in objects if entry.same_as is None}) == len(
        [entry for entry in objects if entry.same_as is None]
    )
    assert (objects[0].path, objects[0].depth) == ("", 0)
    assert all(entry.depth == len(entry.path.split(".")) for entry in objects[1:])


def test_objects_name_assets_and_resources() -> None:
    found = {entry.path: (entry.kind, entry.detail) for entry in graph("saved_models/module").objects}
    assert found["table"] == ("resource", "tf.StaticHashTable")
    assert found["table._initializer._filename"] == ("asset", "words.txt")


@pytest.mark.parametrize(
    ("model", "inputs", "outputs"),
    [
        ("saved_models/graphs", ["x:0", "s/shape:0", "s/values:0", "s/indices:0"], ["MatMul:0", "SparseToDense:0"]),
        ("tf1_hub/half_plus_two", ["x:0"], ["add:0"]),
        ("saved_models/module", [], []),
    ],
)
def test_endpoints_are_what_can_be_fed_and_fetched(model: str, inputs: list[str], outputs: list[str]) -> None:
    ends = graph(model).endpoints
    assert [spec.name for spec in ends.inputs] == inputs
    assert [spec.name for spec in ends.outputs] == outputs


def test_endpoints_have_dtypes_and_shapes() -> None:
    ends = graph("saved_models/estimator").endpoints
    assert [f"{spec.name} {spec}" for spec in ends.inputs] == ["input_example_tensor:0 string[?]"]
    assert "head/predictions/logistic:0 float32[?, 1]" in [f"{spec.name} {spec}" for spec in ends.outputs]


@pytest.mark.parametrize("model", ["saved_models/keras2", "saved_models/estimator", "tf1_hub/image"])
def test_to_json_gives_what_json_can_hold(model: str) -> None:
    value = model_info.describe(DATA / model).to_json()
    assert json.loads(json.dumps(value)) == value
    assert value["meta_graphs"][0]["signatures"][0]["inputs"][0].keys() == {"dtype", "shape", "name", "kind"}


@damage
@given(bits=st.lists(st.integers(0, (GOLDEN / "saved_model.pb").stat().st_size * 8 - 1), min_size=1, max_size=8))
def test_describe_raises_nothing_but_format_error_for_flipped_bits(tmp_path: Path, bits: list[int]) -> None:
    data = bytearray((GOLDEN / "saved_model.pb").read_bytes())
    for bit in bits:
        data[bit // 8] ^= 1 << bit % 8
    (tmp_path / "saved_model.pb").write_bytes(data)
    try:
        json.dumps(model_info.describe(tmp_path).to_json())
    except FormatError:
        return


@damage
@given(bits=st.lists(st.integers(0, (DATA / "tf1_hub/text_vocab/saved_model.pb").stat().st_size * 8 - 1), min_size=1))
def test_describe_raises_nothing_but_format_error_for_a_damaged_module(tmp_path: Path, bits: list[int]) -> None:
    data = bytearray((DATA / "tf1_hub/text_vocab/saved_model.pb").read_bytes())
    for bit in bits:
        data[bit // 8] ^= 1 << bit % 8
    (tmp_path / "saved_model.pb").write_bytes(data)
    try:
        model_info.describe(tmp_path)
    except FormatError:
        return


def test_describe_refuses_paths_that_would_fill_the_memory(tmp_path: Path) -> None:
    model = schema.message("tensorflow.SavedModel")()
    nodes = model.meta_graphs.add().object_graph_def.nodes
    for number in range(3000):
        nodes.add().user_object.identifier = "x"
        nodes[-1].children.add(node_id=min(number + 1, 2999), local_name="a" * 100)
    (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
    with pytest.raises(FormatError, match="nested deeper than in any real model"):
        model_info.describe(tmp_path)


def test_describe_refuses_many_names_for_what_lies_deep(tmp_path: Path) -> None:
    model = schema.message("tensorflow.SavedModel")()
    nodes = model.meta_graphs.add().object_graph_def.nodes
    for number in range(500):
        nodes.add().children.add(node_id=min(number + 1, 499), local_name="a" * 100)
    for _ in range(2000):
        nodes[499].children.add(node_id=0, local_name="b")
    (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
    with pytest.raises(FormatError, match="nested deeper than in any real model"):
        model_info.describe(tmp_path)


def test_describe_takes_shapes_of_more_axes_than_any_tensor_has(tmp_path: Path) -> None:
    model = schema.message("tensorflow.SavedModel")()
    nodes = model.meta_graphs.add().object_graph_def.nodes
    nodes.add().children.add(node_id=1, local_name="v")
    variable = nodes.add().variable
    variable.dtype = 1
    for _ in range(100_000):
        variable.shape.dim.add(size=2**62)
    (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
    (found,) = model_info.describe(tmp_path).meta_graphs[0].variables
    assert found.size_bytes is None
