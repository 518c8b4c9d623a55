from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rehub.errors import FormatError
from rehub.formats import saved_model, schema

DATA = Path(__file__).parent.parent / "data"
GOLDEN = DATA / "saved_models/module/saved_model.pb"
GOLDEN_TEXT = DATA / "saved_models/graphs_as_text/saved_model.pbtxt"

damage = settings(
    max_examples=200, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def read(tmp_path: Path, data: bytes, name: str = "saved_model.pb") -> saved_model.SavedModel:
    (tmp_path / name).write_bytes(data)
    return saved_model.read(tmp_path / name)


def message(data: bytes = b"") -> Any:
    return schema.message("tensorflow.SavedModel").FromString(data)


def signatures(folder: str) -> dict[tuple[str, ...], list[str]]:
    path = saved_model.find(DATA / folder)
    assert path is not None
    return {tuple(sorted(graph.tags)): list(map(str, graph.signatures)) for graph in saved_model.read(path).meta_graphs}


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        (
            "saved_models/module",
            {
                ("serve",): [
                    "both(left: float16[?, 2], right: int32[...]) -> (any: int32[...], pair: float32[?, 2])",
                    "ragged(x: float32[?], x_1: int64[?]) -> (y: ragged float32[?, ?])",
                    "serving_default(words: string[?]) -> (output_0: float32[?, 2])",
                ]
            },
        ),
        ("saved_models/no_variables", {("serve",): ["serving_default(x: float32[?]) -> (output_0: float32[?])"]}),
        (
            "saved_models/keras3",
            {
                ("serve",): [
                    "serve(keras_tensor: float32[?, 3]) -> (output_0: float32[?, 2])",
                    "serving_default(keras_tensor: float32[?, 3]) -> (output_0: float32[?, 2])",
                ]
            },
        ),
        ("saved_models/keras2", {("serve",): ["serving_default(input_1: float32[?, 3]) -> (bn: float32[?, 2])"]}),
        (
            "saved_models/graphs",
            {
                tags: [
                    "serving_default(x: float32[?, 2]) -> (y: float32[?, 1])",
                    "sparse(s: sparse float32[?, 2]) -> (dense: float32[?, ?])",
                ]
                for tags in (("serve",), ("gpu", "serve"))
            },
        ),
        (
            "tf1_hub/sparse_ragged",
            {
                (): [
                    "default(default: float32[?, 4]) -> (default: float32[?, 3])",
                    "ragged(x: ragged float32[?, ?]) -> (default: float32[?], rt_out: ragged float32[?, ?])",
                    "sparse(x: sparse float32[?, 4]) -> (default: float32[?, 3], sp_out: sparse float32[?, ?])",
                ]
            },
        ),
        (
            "tf1_hub/dropout",
            {tags: ["default(default: float32[?, 50]) -> (default: float32[?, 1])"] for tags in (("train",), ())},
        ),
    ],
)
def test_read_gives_the_signatures_of_real_exports(folder: str, expected: dict[tuple[str, ...], list[str]]) -> None:
    assert signatures(folder) == expected


@pytest.mark.parametrize(
    ("folder", "assets", "variables", "has_saver", "has_object_graph", "tensorflow_version"),
    [
        ("saved_models/module", ("words.txt",), ("embedding", "scale"), True, True, "2.21.0"),
        ("saved_models/no_variables", (), (), True, True, "2.21.0"),
        ("saved_models/graphs", ("words.txt",), ("w",), True, False, "2.21.0"),
        ("tf1_hub/half_plus_two", (), ("a", "b"), False, False, "2.15.1"),
        ("tf1_hub/assets", ("data.txt", "data.txt0"), (), False, False, "2.15.1"),
    ],
)
def test_read_gives_what_real_exports_need(
    folder: str,
    assets: tuple[str, ...],
    variables: tuple[str, ...],
    has_saver: bool,
    has_object_graph: bool,
    tensorflow_version: str,
) -> None:
    for graph in saved_model.read(DATA / folder / "saved_model.pb").meta_graphs:
        assert graph.assets == assets
        assert graph.variables == variables
        assert graph.has_saver == has_saver
        assert graph.has_object_graph == has_object_graph
        assert graph.tensorflow_version == tensorflow_version


def test_read_gives_the_same_for_the_text_format() -> None:
    binary = saved_model.read(DATA / "saved_models/graphs/saved_model.pb")
    assert saved_model.read(GOLDEN_TEXT).meta_graphs == binary.meta_graphs


def test_read_gives_the_same_for_text_that_spells_out_its_assets(tmp_path: Path) -> None:
    path = DATA / "tf1_hub/assets/saved_model.pb"
    text = text_format.MessageToString(message(path.read_bytes()), descriptor_pool=schema.pool())
    assert "[type.googleapis.com/tensorflow.AssetFileDef]" in text
    assert read(tmp_path, text.encode(), "saved_model.pbtxt").meta_graphs == saved_model.read(path).meta_graphs


def test_read_skips_fields_that_it_does_not_know(tmp_path: Path) -> None:
    unknown = b"\xfa\x3f\x03new"  # field 1023, three bytes
    assert read(tmp_path, GOLDEN.read_bytes() + unknown).meta_graphs == saved_model.read(GOLDEN).meta_graphs
    text = GOLDEN_TEXT.read_bytes() + b'\nfrom_the_future { name: "new" [type.googleapis.com/a.B] { x: 1 } }\n'
    assert read(tmp_path, text, "saved_model.pbtxt").meta_graphs == saved_model.read(GOLDEN_TEXT).meta_graphs


def test_read_numbers_a_dtype_that_it_does_not_know(tmp_path: Path) -> None:
    model = message(GOLDEN.read_bytes())
    model.meta_graphs[0].signature_def["serving_default"].inputs["words"].dtype = 99
    (graph,) = read(tmp_path, model.SerializeToString()).meta_graphs
    assert str(graph.signatures[-1]) == "serving_default(words: dtype_99[?]) -> (output_0: float32[?, 2])"


def test_read_names_the_class_of_a_composite_that_it_does_not_know(tmp_path: Path) -> None:
    model = message(GOLDEN.read_bytes())
    spec = model.meta_graphs[0].signature_def["ragged"].outputs["y"].composite_tensor.type_spec
    spec.type_spec_class, spec.type_spec_class_name = 13, "Masked"
    output = read(tmp_path, model.SerializeToString()).meta_graphs[0].signatures[1].outputs[0]
    assert (output.kind, output.dtype, output.shape) == ("other", "Masked", None)


@pytest.mark.parametrize("place", [0, 1])
def test_read_names_the_class_of_a_ragged_tensor_without_shape_or_dtype(tmp_path: Path, place: int) -> None:
    model = message(GOLDEN.read_bytes())
    spec = model.meta_graphs[0].signature_def["ragged"].outputs["y"].composite_tensor.type_spec
    spec.type_state.tuple_value.values[place].Clear()
    output = read(tmp_path, model.SerializeToString()).meta_graphs[0].signatures[1].outputs[0]
    assert (output.kind, output.dtype, output.shape) == ("other", "RaggedTensorSpec", None)


def _child(graph: Any) -> None:
    graph.object_graph_def.nodes[0].children[0].node_id = 23


def _negative_child(graph: Any) -> None:
    graph.object_graph_def.nodes[0].children[0].node_id = -1


def _asset(graph: Any) -> None:
    graph.object_graph_def.nodes[18].asset.asset_file_def_index = 1


def _capture(graph: Any) -> None:
    graph.object_graph_def.concrete_functions["__inference_both_54"].bound_inputs[0] = 23


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_child, "object 0 has a child 23 of 23"),
        (_negative_child, "object 0 has a child -1 of 23"),
        (_asset, "object 18 is asset 1 of 1"),
        (_capture, "the function '__inference_both_54' captures object 23 of 23"),
    ],
)
def test_read_refuses_references_to_nothing(tmp_path: Path, damage: Callable[[Any], None], reason: str) -> None:
    model = message(GOLDEN.read_bytes())
    damage(model.meta_graphs[0])
    with pytest.raises(FormatError, match=reason):
        read(tmp_path, model.SerializeToString())


@pytest.mark.parametrize("name", ["", ".", "/etc/passwd", "../words.txt", "a/../../b", "..\\b", "a\0b"])
def test_read_refuses_assets_outside_their_folder(tmp_path: Path, name: str) -> None:
    model = message(GOLDEN.read_bytes())
    model.meta_graphs[0].asset_file_def[0].filename = name
    with pytest.raises(FormatError, match="is no file below the folder 'assets'"):
        read(tmp_path, model.SerializeToString())


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("saved_model.pb", b"", "it holds no graph"),
        ("saved_model.pb", b"<!doctype html>", "its 15 bytes are no valid message"),
        ("saved_model.pbtxt", b"", "it holds no graph"),
        ("saved_model.pbtxt", b"<!doctype html>", "1:1"),
        ("saved_model.pbtxt", b"\xff\xfe", "decode"),
        ("saved_model.pbtxt", b"meta_graphs { graph_def {" + b"x {" * 100_000, "nested too deeply"),
    ],
)
def test_read_says_what_is_wrong(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    with pytest.raises(FormatError, match=reason) as caught:
        read(tmp_path, data, name)
    assert caught.value.path == str(tmp_path / name)
    assert caught.value.hint


@pytest.mark.parametrize(("collection", "what"), [("variables", "a variable"), ("saved_model_assets", "an asset")])
def test_read_refuses_damaged_collections(tmp_path: Path, collection: str, what: str) -> None:
    model = message((DATA / "tf1_hub/text_vocab/saved_model.pb").read_bytes())
    content = model.meta_graphs[0].collection_def[collection]
    if collection == "variables":
        content.bytes_list.value.append(b"\xff")
    else:
        content.any_list.value[0].value = b"\xff"
    with pytest.raises(FormatError, match=f"{what} in its collections is no valid message"):
        read(tmp_path, model.SerializeToString())


def test_read_refuses_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot be read: Is a directory"):
        saved_model.read(tmp_path)


def test_find_prefers_the_binary_file(tmp_path: Path) -> None:
    assert saved_model.find(tmp_path) is None
    (tmp_path / "saved_model.pbtxt").touch()
    assert saved_model.find(tmp_path) == tmp_path / "saved_model.pbtxt"
    (tmp_path / "saved_model.pb").touch()
    assert saved_model.find(tmp_path) == tmp_path / "saved_model.pb"


def test_find_refuses_a_chunked_model(tmp_path: Path) -> None:
    (tmp_path / "saved_model.cpb").touch()
    with pytest.raises(FormatError, match="split into chunks"):
        saved_model.find(tmp_path)


def test_find_refuses_a_folder_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot be read: File name too long"):
        saved_model.find(tmp_path / ("x" * 300))


@damage
@given(length=st.integers(0, GOLDEN.stat().st_size - 1))
def test_read_refuses_a_truncated_file(tmp_path: Path, length: int) -> None:
    with pytest.raises(FormatError):
        read(tmp_path, GOLDEN.read_bytes()[:length])


@damage
@given(bits=st.lists(st.integers(0, GOLDEN.stat().st_size * 8 - 1), min_size=1, max_size=8))
def test_read_raises_nothing_but_format_error_for_flipped_bits(tmp_path: Path, bits: list[int]) -> None:
    data = bytearray(GOLDEN.read_bytes())
    for bit in bits:
        data[bit // 8] ^= 1 << bit % 8
    try:
        read(tmp_path, bytes(data))
    except FormatError:
        return


@damage
@given(data=st.binary(max_size=200))
def test_read_raises_nothing_but_format_error_for_any_bytes(tmp_path: Path, data: bytes) -> None:
    for name in ("saved_model.pb", "saved_model.pbtxt"):
        try:
            read(tmp_path, data, name)
        except FormatError:
            continue


@settings(damage, max_examples=60)
@given(places=st.lists(st.tuples(st.integers(0, 3999), st.integers(0, 127)), min_size=1, max_size=4))
def test_read_raises_nothing_but_format_error_for_damaged_text(tmp_path: Path, places: list[tuple[int, int]]) -> None:
    data = bytearray(GOLDEN_TEXT.read_bytes()[-4000:])  # signatures and assets of the last graph
    for place, byte in places:
        data[place] = byte
    start = data.find(b"signature_def")
    try:
        read(tmp_path, b"meta_graphs {" + data[max(start, 0) :], "saved_model.pbtxt")
    except FormatError:
        return
