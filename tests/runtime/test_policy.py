"""Models that reach out of themselves when they run."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.core.framework import op_def_pb2
from tensorflow.python.client import pywrap_tf_session

import rehub as hub
from rehub.errors import PolicyError
from rehub.formats import saved_model, schema
from rehub.formats.saved_model import MetaGraph
from rehub.model.op_policy import findings
from rehub.model.program import Program
from rehub.runtime import policy


class Writer(tf.Module):
    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
    def __call__(self, text):
        tf.io.write_file(self.place, text)
        return text


@pytest.fixture
def writer(tmp_path: Path) -> str:
    tf.saved_model.save(Writer(str(tmp_path / "secret")), str(tmp_path / "writer"))
    return str(tmp_path / "writer")


def test_load_warns_about_a_model_that_writes_files(writer: str) -> None:
    for load in (hub.load, hub.KerasLayer):
        with pytest.warns(UserWarning, match=r"WriteFile \(files\) in .*__call__") as caught:
            load(writer)

        assert [warning.filename for warning in caught] == [__file__]


def test_load_refuses_it_by_setting(writer: str) -> None:
    with hub.settings(op_policy="refuse"):
        with pytest.raises(PolicyError, match="WriteFile"):
            hub.load(writer)
        with pytest.raises(PolicyError, match="WriteFile"):
            hub.KerasLayer(writer)


def test_load_allows_it_by_setting(writer: str) -> None:
    with hub.settings(op_policy="allow"), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert hub.load(writer)(tf.constant("text")).numpy() == b"text"


@pytest.fixture
def writing(tmp_path: Path) -> Sequence[MetaGraph]:
    message = schema.message("tensorflow.SavedModel")()
    message.meta_graphs.add().graph_def.node.add(name="node", op="WriteFile")
    (tmp_path / "saved_model.pb").write_bytes(message.SerializeToString())
    return saved_model.read(tmp_path / "saved_model.pb").meta_graphs


@pytest.mark.parametrize(
    ("handle", "allowed"),
    [
        ("https://hub.test/acme/net/1", "WriteFile"),
        ("https://hub.test/acme/net/1", "https://hub.test"),
        ("https://hub.test/acme/net/1", "https://HUB.test/acme/"),
        ("https://hub.test/acme/net/1?x=1", "https://hub.test/acme/net/1"),
        ("gs://bucket/a/b", "gs://bucket/a/"),
        ("hf://acme/net@v1/sub", "hf://acme"),
        ("hf://acme/net@v1/sub", "hf://acme/net"),
        ("/models/acme/net", "/models"),
        ("/models", "/models/"),
        ("here/models/net", "./here"),
    ],
)
def test_policy_lets_pass_what_is_allowed(handle: str, allowed: str, writing: Sequence[MetaGraph]) -> None:
    with hub.settings(op_policy="refuse", op_policy_allow=("ReadFile", allowed)):
        policy.enforce(handle, writing)


@pytest.mark.parametrize(
    ("handle", "allowed"),
    [
        ("https://hub.test/acme/net/1", "ReadFile"),
        ("https://hub.test/acme/net/1", "https://hub.test/ac"),
        ("https://hub.test.evil/acme/net/1", "https://hub.test"),
        ("http://hub.test/acme/net/1", "https://hub.test"),
        ("https://hub.test/acme/../evil/net/1", "https://hub.test/acme"),
        ("https://hub.test/acme/%2e%2e/evil/net/1", "https://hub.test/acme"),
        ("https://evil.test/https://hub.test/acme/1", "https://hub.test"),
        ("/models/../evil", "/models"),
        ("/models-evil", "/models"),
        ("https://hub.test/acme/net/1", "./"),
    ],
)
def test_policy_refuses_what_only_looks_like_it(handle: str, allowed: str, writing: Sequence[MetaGraph]) -> None:
    with hub.settings(op_policy="refuse", op_policy_allow=(allowed,)), pytest.raises(PolicyError, match="WriteFile"):
        policy.enforce(handle, writing)


def test_load_allows_ops_and_folders_by_setting(writer: str) -> None:
    for allowed in ("WriteFile", str(Path(writer).parent)):
        with hub.settings(op_policy="refuse", op_policy_allow=[allowed]):
            hub.load(writer)


def test_load_refuses_it_in_a_remote_folder_too() -> None:
    tf.saved_model.save(Writer("ram://secret"), "ram://models/writer")
    with hub.settings(op_policy="refuse"), pytest.raises(PolicyError, match="WriteFile"):
        hub.load("ram://models/writer")


def test_load_refuses_no_model_that_reads_only_its_own_files(
    lookup: Path, tf1_hub: Path, two_graphs: Path, half_plus_two: Path
) -> None:
    with hub.settings(op_policy="refuse"):
        for path in (lookup, tf1_hub, half_plus_two):
            hub.load(path)
        hub.load(two_graphs, tags=["serve"])


def graph_with_asset(folder: Path) -> Path:
    """A model of TensorFlow 1 that gives the content of a file in its assets."""
    v1 = tf.compat.v1
    (folder / "words.txt").write_text("words")
    with tf.Graph().as_default(), v1.Session() as session:
        asset = tf.constant(str(folder / "words.txt"), name="asset")
        v1.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, asset)
        path = v1.get_variable("path", initializer=asset, use_resource=True)
        x = v1.placeholder(tf.float32, [None], name="x")
        outputs = {"asset": tf.io.read_file(asset), "variable": tf.io.read_file(path)}
        session.run(path.initializer)
        builder = v1.saved_model.Builder(str(folder / "model"))
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            {name: v1.saved_model.predict_signature_def({"x": x}, {"y": y}) for name, y in outputs.items()},
            assets_collection=[asset],
        )
        builder.save()
    return folder / "model"


def rewrite(model: Path, signature: str, path: str) -> None:
    """Keeps one signature, and lets the tensor of the asset hold another path; takes away what restores variables."""
    file = model / "saved_model.pb"
    message = schema.parse("tensorflow.SavedModel", file.read_bytes())
    (graph,) = message.meta_graphs
    for name in set(graph.signature_def) - {signature}:
        del graph.signature_def[name]
    nodes = [node for node in graph.graph_def.node if not node.name.startswith("save/")]
    for node in nodes:
        if node.name == "asset":
            node.attr["value"].tensor.string_val[:] = [path.encode()]
    del graph.graph_def.node[:]
    graph.graph_def.node.extend(nodes)
    graph.ClearField("saver_def")
    file.write_bytes(message.SerializeToString())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("signature", "expected"),
    [("asset", b"secret"), ("variable", b"words")],  # what TensorFlow reads: no asset of the model
)
def test_load_refuses_a_graph_that_calls_any_file_its_asset(tmp_path: Path, signature: str, expected: bytes) -> None:
    model = graph_with_asset(tmp_path)
    (tmp_path / "secret").write_text("secret")
    rewrite(model, signature, str(tmp_path / "secret"))
    with hub.settings(op_policy="allow"):
        assert hub.load(model).signatures[signature](tf.zeros([1]))["y"].numpy() == expected
    with hub.settings(op_policy="refuse"), pytest.raises(PolicyError, match="ReadFile"):
        hub.load(model)


_NAMES_A_FILE = re.compile(
    "(^|_)(file|filenames?|paths?|url|urls|uri|dir|directory|logdir|address|descriptor_source)(_|$)"
)


def _op_list() -> Iterator[op_def_pb2.OpDef]:
    listing = op_def_pb2.OpList.FromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
    yield from listing.op


def test_findings_know_all_ops_that_take_the_name_of_a_file() -> None:
    texts = ("string", "list(string)")
    unknown, known = [], 0
    for op in _op_list():
        attributes = [a for a in op.attr if a.type in texts and _NAMES_A_FILE.search(a.name)]
        inputs = [i for i in op.input_arg if i.type == tf.string.as_datatype_enum and _NAMES_A_FILE.search(i.name)]
        if not attributes and not inputs:
            continue
        graph = schema.message("tensorflow.MetaGraphDef")()
        node = graph.graph_def.node.add(name="node", op=op.name)
        for attribute in attributes:
            value = node.attr[attribute.name]
            if attribute.type == "string":
                value.s = b"/tmp/file"
            else:
                value.list.s.append(b"file:///tmp/file")
        graph.signature_def["call"].outputs["y"].name = "node:0"
        if findings(Program(graph)):
            known += 1
        else:
            unknown.append(op.name)
    assert unknown == []
    assert known > 40
