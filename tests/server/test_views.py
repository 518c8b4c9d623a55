"""What pages show of a model: interface, code to copy, the table of what works where, and the picture."""

from __future__ import annotations

import ast
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehub.model.model_info import describe
from rehub.server.views import query_of
from rehub.server.views_interface import Interface, VariableView, read_interface
from rehub.server.views_picture import HEIGHT, WIDTH, draw_variables
from rehub.server.views_snippets import compatibility, snippets
from tests.server.published import DATA

MODELS = sorted(
    path.relative_to(DATA).as_posix()
    for pattern in ("*/*/saved_model.pb", "*/*/saved_model.pbtxt")
    for path in (file.parent for file in DATA.glob(pattern))
)
URL = "https://hub.example/acme/net/3"


def interface_of(model: str) -> Interface:
    document = describe(DATA / model).to_json()
    assert json.loads(json.dumps(document)) == document
    return read_interface(document)


def code_of(interface: Interface) -> dict[str, str]:
    return {snippet.title: snippet.code for snippet in snippets(interface, URL, "net-3")}


@pytest.mark.parametrize("model", MODELS)
def test_snippets_are_python_and_name_the_model(model: str) -> None:
    interface = interface_of(model)
    code = code_of(interface)

    assert ("hub.Module" in code) == (interface.format == "tf1_hub")
    for title in code.keys() - {"curl"}:
        ast.parse(code[title])
        assert f'"{URL}"' in code[title]
    for row in compatibility(interface):
        ast.parse(row.tf1.code)
        ast.parse(row.tf2.code)


def test_snippets_call_a_model_with_inputs_that_it_takes() -> None:
    code = code_of(interface_of("saved_models/keras2"))

    assert "model(tf.zeros([2, 3], tf.float32))" in code["hub.load"]
    assert "keras.Input((3,))" in code["Keras 3"]
    assert "tf_keras.Input((3,))" in code["tf_keras"]


def test_snippets_call_a_signature_when_the_model_itself_cannot_be_called() -> None:
    code = code_of(interface_of("saved_models/graphs"))

    assert 'tags=["serve"]' in code["hub.load"]
    assert 'model.signatures["serving_default"](x=' in code["hub.load"]
    assert 'signature="serving_default"' in code["Keras 3"]


def test_snippets_make_up_no_inputs_that_the_model_parses() -> None:
    codes = code_of(interface_of("saved_models/estimator"))

    assert codes["hub.load"].splitlines()[-1] == f"model = hub.load({json.dumps(URL)})"
    assert "tf.constant" not in "".join(codes.values())


def test_compatibility_says_nothing_twice_in_a_row() -> None:
    for model in MODELS:
        for row in compatibility(interface_of(model)):
            lines = [*row.tf1.code.splitlines(), *row.tf2.code.splitlines()]
            assert all(one != following for one, following in itertools.pairwise(lines))


def test_snippets_fetch_the_archive_with_curl() -> None:
    assert f"curl -fsSL '{URL}?tf-hub-format=compressed' | tar -xz -C net-3" in code_of(interface_of(MODELS[0]))["curl"]


def test_snippets_load_what_is_for_other_programs() -> None:
    lite, browser, _ = snippets(None, URL, "net-3", {"tflite", "tfjs"})

    assert lite.code == f"curl -fsSL -o net-3.tflite '{URL}?lite-format=tflite'"
    assert browser.code == f'const model = await tf.loadGraphModel("{URL}", {{ fromTFHub: true }});'


def test_snippets_cannot_be_broken_out_of_by_names() -> None:
    name = '"); import os; os.system("rm'
    spec = {"dtype": "float32", "shape": [None], "name": name, "kind": "dense"}
    signature = {"name": name, "inputs": [spec], "outputs": [spec]}
    interface = read_interface({"format": "tf1_hub", "meta_graphs": [{"tags": [], "signatures": [signature]}]})

    calls = set()
    for snippet in snippets(interface, URL, "net"):
        if snippet.title != "curl":
            tree = ast.walk(ast.parse(snippet.code))
            calls |= {ast.unparse(node.func) for node in tree if isinstance(node, ast.Call)}

    assert "tf.zeros" in calls
    assert not [call for call in calls if call.startswith("os")]


def test_compatibility_has_the_modules_own_signature_and_tags() -> None:
    load, tune, create = compatibility(interface_of("tf1_hub/rich"))

    assert "hub.Module(handle)" in load.tf1.code
    assert 'tags={"train"}' in tune.tf1.code
    assert (tune.tf2.answer, "hub.KerasLayer(handle, trainable=True)" in tune.tf2.code) == ("Yes", True)
    assert "hub.create_module_spec" in create.tf1.code
    assert 'to="tf1-hub"' in create.tf2.code


def test_compatibility_says_no_where_there_is_nothing_to_train() -> None:
    for model in ("saved_models/no_variables", "saved_models/keras3"):
        _, tune, _ = compatibility(interface_of(model))

        assert (tune.tf1.answer, tune.tf2.answer) == ("No", "No")


def test_compatibility_of_objects_is_partial_in_tensorflow_1() -> None:
    load, tune, create = compatibility(interface_of("saved_models/keras2"))

    assert (load.tf1.answer, tune.tf1.answer, tune.tf2.answer, create.tf2.answer) == ("Yes", "Partly", "Yes", "Yes")
    assert "training=True" in tune.tf2.code


def test_interface_lists_signatures_of_several_graphs_once() -> None:
    signatures = interface_of("tf1_hub/rich").signatures

    assert len(signatures) == len({signature.name for signature in signatures}) > 1
    assert {signature.note for signature in signatures} == {""}


def test_interface_tells_which_graph_has_a_signature() -> None:
    one, other = ({"name": name, "inputs": [], "outputs": []} for name in ("one", "other"))
    graphs = [{"tags": [], "signatures": [one]}, {"tags": ["train"], "signatures": [one, other]}]

    signatures = read_interface({"meta_graphs": graphs}).signatures

    assert [(signature.name, signature.note) for signature in signatures] == [
        ("one", ""),
        ("other", "graph with train"),
    ]


def test_interface_leaves_out_what_keras_adds() -> None:
    parts = interface_of("saved_models/keras2").sub_objects

    assert not [part for part in parts if "call_and_return" in part.path or "layer_with_weights" in part.path]


def test_interface_shows_what_reaches_out() -> None:
    finding = {"op": "ReadFile", "reach": "files", "function": "", "node": "read", "count": 2}
    custom = {"op": "Odd>Op", "count": 1, "package": None}
    found = read_interface({"meta_graphs": [{"findings": [finding], "custom_ops": [custom]}]})

    assert [(each.reach, each.op, each.where) for each in found.findings] == [
        ("Reads or writes files", "ReadFile", "the graph, at read")
    ]
    assert [(need.package, need.ops) for need in found.needs] == [("", "Odd>Op")]


# fmt: off
_KEYS = st.sampled_from((
    "meta_graphs", "signatures", "inputs", "outputs", "functions", "parameters", "traces", "arguments", "variables",
    "name", "dtype", "shape", "kind", "tags", "findings", "custom_ops", "package", "ops", "attachments", "assets",
    "size_bytes", "is_trainable", "path", "default", "format", "reach", "count", "__call__",
))
# fmt: on
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5),
    max_leaves=20,
)


@given(st.dictionaries(_KEYS, _JSON, max_size=5) | st.dictionaries(st.just("meta_graphs"), st.lists(_JSON)))
def test_interface_is_read_from_any_document(document: dict[str, Any]) -> None:
    interface = read_interface(document)

    assert all(row.operation for row in compatibility(interface))
    assert snippets(interface, URL, "net-3")


def views(*sizes: int) -> list[VariableView]:
    return [VariableView(f"scope/v{n}", "float32[1]", size, str(size), n % 2 == 0) for n, size in enumerate(sizes)]


@given(st.lists(st.integers(1, 10**9), min_size=2, max_size=80).map(lambda sizes: sorted(sizes, reverse=True)))
def test_picture_gives_each_variable_its_share(sizes: list[int]) -> None:
    picture = draw_variables(views(*sizes))

    assert picture is not None
    for area in picture.areas:
        assert area.x >= 0
        assert area.x + area.width <= WIDTH + 0.3
        assert area.y >= 0
        assert area.y + area.height <= HEIGHT + 0.3
    assert sum(area.width * area.height for area in picture.areas) <= WIDTH * HEIGHT * 1.01
    assert len(picture.areas) == min(len(sizes), 41)


def test_picture_of_equal_variables_fills_the_drawing() -> None:
    picture = draw_variables(views(100, 100, 100, 100, 100, 100))

    assert picture is not None
    corners = [(round(area.x), round(area.y)) for area in picture.areas]
    assert corners == [(0, 0), (0, 95), (133, 0), (133, 95), (267, 0), (267, 95)]
    assert "The largest is scope/v0 with 100, 17 % of it" in picture.description


def test_picture_is_left_out_where_nothing_can_be_compared() -> None:
    assert draw_variables([]) is None
    assert draw_variables(views(7)) is None


def test_query_ignores_what_it_does_not_know() -> None:
    query = query_of(
        [("q", "  a b "), ("task", "x"), ("task", "y"), ("task", "x"), ("size", ""), ("z", "1"), ("page", "3")]
    )

    assert (query.text, query.page, query.filters) == ("a b", 3, {"task": ("x", "y")})


@pytest.mark.parametrize("page", ["", "0x1", "-1", "٣", "9" * 40])
def test_query_begins_at_the_first_page_when_none_is_named(page: str) -> None:
    assert query_of([("page", page)]).page == 1
