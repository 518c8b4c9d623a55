from __future__ import annotations

import copy
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rehub.errors import FormatError, PublishError
from rehub.formats import saved_model, schema, tf1_hub, tf1_hub_module

DATA = Path(__file__).parent.parent / "data/tf1_hub"


def graph(*tags: str, assets: dict[str, Path] | None = None) -> Any:
    made = schema.message("tensorflow.MetaGraphDef")()
    made.meta_info_def.tags.extend(tags)
    for name, path in (assets or {}).items():
        node = made.graph_def.node.add(name=name, op="Const")
        node.attr["value"].tensor.string_val.append(os.fsencode(path))
        made.collection_def["asset_filepaths"].node_list.value.append(f"{name}:0")
    return made


def contents(graphs: Any) -> list[tuple[Any, dict[str, bytes]]]:
    """Each graph without the paths of its assets, and what is in these."""
    found = []
    for message in map(copy.deepcopy, graphs):
        files = {}
        for node in message.graph_def.node:
            if f"{node.name}:0" in message.collection_def["asset_filepaths"].node_list.value:
                files[node.name] = Path(os.fsdecode(node.attr["value"].tensor.string_val.pop())).read_bytes()
        found.append((message, files))
    return found


NAMES = st.text("abcXYZ/_.09", min_size=1, max_size=8)
FILE_NAMES = st.sampled_from(["data.txt", "DATA.txt", "data.txt0", "data", "wörter.txt"])
ASSETS = st.dictionaries(NAMES, st.tuples(FILE_NAMES, st.binary(max_size=9)), max_size=4)
COLLECTIONS = st.dictionaries(st.text(max_size=5), st.lists(st.binary(max_size=9)), max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.frozensets(NAMES, max_size=2), st.tuples(ASSETS, COLLECTIONS), min_size=1, max_size=3))
def test_read_gives_back_what_was_written(variants: dict[frozenset[str], tuple[Any, Any]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        graphs = []
        for tags, (assets, collections) in variants.items():
            paths = {}
            for node, (file_name, data) in assets.items():
                place = Path(tempfile.mkdtemp(dir=folder))
                paths[node] = place / file_name
                paths[node].write_bytes(data)
            graphs.append(graph(*sorted(tags), assets=paths))
            for key, values in collections.items():
                graphs[-1].collection_def[key].bytes_list.value.extend(values)
        before = copy.deepcopy(graphs)
        (folder / "module").mkdir()
        tf1_hub_module.write(folder / "module", graphs)
        assert graphs == before
        assert contents(tf1_hub_module.read(folder / "module")) == contents(graphs)


@pytest.mark.parametrize("name", ["assets", "attachments", "image", "text_vocab"])
def test_write_makes_the_files_of_real_modules(tmp_path: Path, name: str) -> None:
    tf1_hub_module.write(tmp_path, tf1_hub_module.read(DATA / name))
    for path in (DATA / name).rglob("*"):
        if path.is_file() and path.parent.name != "variables" and path.name != "saved_model.pb":
            assert (tmp_path / path.relative_to(DATA / name)).read_bytes() == path.read_bytes()
    written, real = (
        schema.parse("tensorflow.SavedModel", (folder / "saved_model.pb").read_bytes())
        for folder in (tmp_path, DATA / name)
    )
    assert written == real


def test_write_makes_all_folders_of_a_module_without_assets(tmp_path: Path) -> None:
    tf1_hub_module.write(tmp_path, [graph()])
    assert (tmp_path / "tfhub_module.pb").read_bytes() == b"\x08\x03"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "assets",
        "saved_model.pb",
        "tfhub_module.pb",
        "variables",
    ]


def test_write_copies_a_file_once_when_several_constants_name_it(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("one")
    module = tmp_path / "module"
    module.mkdir()
    tf1_hub_module.write(module, [graph(assets={"a": words, "b": words}), graph("train", assets={"a": words})])
    assert [path.name for path in (module / "assets").iterdir()] == ["words.txt"]


def test_written_modules_hold_no_path_of_this_machine(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.touch()
    module = tmp_path / "module"
    module.mkdir()
    tf1_hub_module.write(module, [graph(assets={"a": words})])
    assert str(tmp_path).encode() not in (module / "saved_model.pb").read_bytes()


def test_write_replaces_the_files_that_a_graph_names_from_before(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.touch()
    message = graph(assets={"a": words})
    stale = schema.message("tensorflow.AssetFileDef")(filename="gone.txt")
    message.collection_def["saved_model_assets"].any_list.value.add(value=stale.SerializeToString())
    (tmp_path / "module").mkdir()
    tf1_hub_module.write(tmp_path / "module", [message])
    (written,) = saved_model.read(tmp_path / "module/saved_model.pb").meta_graphs
    assert written.assets == ("words.txt",)


def test_write_makes_the_same_bytes_of_the_same_graph(tmp_path: Path) -> None:
    written = set()
    for number, names in enumerate(("abcdefgh", "hgfedcba", "cabfhged")):
        message = graph()
        for name in names:
            message.collection_def[name].int64_list.value.append(1)
        (tmp_path / str(number)).mkdir()
        tf1_hub_module.write(tmp_path / str(number), [message])
        written.add((tmp_path / str(number) / "saved_model.pb").read_bytes())
    assert len(written) == 1


def test_write_refuses_an_asset_that_is_no_constant(tmp_path: Path) -> None:
    message = graph()
    message.collection_def["asset_filepaths"].node_list.value.append("words:0")
    with pytest.raises(PublishError, match="the asset 'words:0' is not a constant of the graph"):
        tf1_hub_module.write(tmp_path, [message])


def test_write_names_an_asset_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match=r"No such file or directory: '.*words\.txt'"):
        tf1_hub_module.write(tmp_path, [graph(assets={"a": tmp_path / "words.txt"})])


@pytest.mark.parametrize(
    ("tags", "shown"), [([], "none"), ([(), ()], r"\[\], \[\]"), ([("a", "b"), ("b", "a")], r"\['a', 'b'\]")]
)
def test_write_refuses_graphs_that_tags_cannot_tell_apart(tmp_path: Path, tags: Any, shown: str) -> None:
    with pytest.raises(PublishError, match=f"differ in their tags; these have: {shown}"):
        tf1_hub_module.write(tmp_path, [graph(*each) for each in tags])


def test_read_refuses_a_saved_model(tmp_path: Path) -> None:
    shutil.copy(DATA / "image/saved_model.pb", tmp_path)
    with pytest.raises(FormatError, match=r"is no module in the TF1 Hub format: it has no tfhub_module\.pb") as caught:
        tf1_hub_module.read(tmp_path)
    assert caught.value.path == str(tmp_path)


def test_read_names_an_asset_that_is_missing(tmp_path: Path) -> None:
    module = Path(shutil.copytree(DATA / "text_vocab", tmp_path / "module"))
    (module / "assets/tokens.txt").unlink()
    with pytest.raises(FormatError, match=r"it needs the asset '.*assets/tokens\.txt', which is missing"):
        tf1_hub_module.read(module)


@pytest.mark.parametrize("tensor", ["a", "b:0", "nowhere:0"])
def test_read_refuses_an_asset_of_no_constant(tmp_path: Path, tensor: str) -> None:
    message = graph(assets={"a": tmp_path / "words.txt"})
    message.graph_def.node.add(name="b", op="Const")
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets/words.txt").touch()
    asset = schema.message("tensorflow.AssetFileDef")(filename="words.txt")
    asset.tensor_info.name = tensor
    message.collection_def["saved_model_assets"].any_list.value.add(value=asset.SerializeToString())
    tf1_hub.write_definition(tmp_path)
    model = schema.message("tensorflow.SavedModel")(meta_graphs=[message])
    (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
    if tensor == "a":  # the name of the node stands for its only tensor
        (read,) = tf1_hub_module.read(tmp_path)
        assert read.graph_def.node[0].attr["value"].tensor.string_val == [os.fsencode(tmp_path / "assets/words.txt")]
    else:
        with pytest.raises(FormatError, match=f"belongs to '{tensor}', which is no constant of one text"):
            tf1_hub_module.read(tmp_path)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_read_gives_a_module_or_a_format_error_of_damaged_files(data: st.DataObject) -> None:
    whole = (DATA / "assets/saved_model.pb").read_bytes()
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as name:
        module = Path(shutil.copytree(DATA / "assets", Path(name) / "module"))
        (module / saved_model.FILE_NAME).write_bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
        try:
            tf1_hub_module.read(module)
        except FormatError as error:
            assert str(module) in str(error)  # noqa: PT017 - both outcomes are right
