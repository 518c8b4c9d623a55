"""`rehub.load`: which handles, tags and options it takes, and what it says about others."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import tensorflow as tf

import rehub as hub
from rehub.errors import DependencyError, FormatError, HandleError, NotFoundError, SignatureError
from rehub.server.embedded import EmbeddedHub

X = tf.constant([10.0, 20.0])
PAIR = tf.constant([[1.0, 2.0]])


@pytest.mark.parametrize("kind", [str, Path])
def test_load_takes_a_path(half_plus_two: Path, kind: type) -> None:
    assert hub.load(kind(half_plus_two))(X).numpy().tolist() == [7.0, 12.0]


def test_load_takes_a_path_relative_to_the_current_folder(half_plus_two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(half_plus_two.parent)

    assert hub.load("half_plus_two")(X).numpy().tolist() == [7.0, 12.0]


def test_load_takes_the_url_of_a_file(half_plus_two: Path) -> None:
    assert hub.load(half_plus_two.as_uri())(X).numpy().tolist() == [7.0, 12.0]


def test_load_takes_a_url(half_plus_two: Path, tmp_path: Path) -> None:
    shutil.copytree(half_plus_two, tmp_path / "acme" / "half-plus-two" / "3")
    with EmbeddedHub(tmp_path) as server:
        assert hub.load(f"{server.url}/acme/half-plus-two/3")(X).numpy().tolist() == [7.0, 12.0]
        assert hub.load(f"{server.url}/acme/half-plus-two")(X).numpy().tolist() == [7.0, 12.0]


def test_load_opens_folders_of_tensorflows_own_filesystems() -> None:
    module = tf.Module()
    module.double = tf.function(lambda x: 2.0 * x, input_signature=[tf.TensorSpec([None])])
    tf.saved_model.save(module, "ram://models/double")

    assert hub.load("ram://models/double").double(X).numpy().tolist() == [20.0, 40.0]


@pytest.mark.parametrize("handle", [None, 7, ["a"], tf.Module])
def test_load_refuses_what_is_no_text(handle: object) -> None:
    with pytest.raises(HandleError, match="Expected a string") as info:
        hub.load(handle)  # type: ignore[arg-type]

    assert isinstance(info.value, ValueError)
    assert info.value.handle is handle


def test_load_names_the_path_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        hub.load(tmp_path / "nowhere")


def test_load_refuses_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(
        FormatError, match=r"incompatible/unknown type.*'saved_model\.pb'.*'saved_model\.pbtxt'"
    ) as info:
        hub.load(tmp_path)

    assert info.value.path == str(tmp_path)
    assert isinstance(info.value, ValueError)


def test_load_refuses_the_folder_above_the_versions(copied: Path) -> None:
    with pytest.raises(FormatError, match=rf"a folder of models \({copied.name}\)") as info:
        hub.load(copied.parent)

    assert str(copied) in info.value.hint


def test_load_names_the_folder_of_a_file_of_a_model(copied: Path) -> None:
    with pytest.raises(FormatError, match=r"it is a file of a model\. Pass its folder"):
        hub.load(copied / "saved_model.pb")


def test_load_refuses_a_damaged_model_file(copied: Path) -> None:
    file = copied / "saved_model.pb"
    file.write_bytes(b"<html>" + file.read_bytes()[:50])

    with pytest.raises(FormatError, match=r"saved_model\.pb"):
        hub.load(copied)


def test_load_reads_a_model_written_as_text() -> None:
    folder = Path(__file__).parents[1] / "data" / "saved_models" / "graphs_as_text"
    obj = hub.load(folder, tags=["serve"])

    assert obj.signatures["serving_default"](PAIR)["y"].numpy().tolist() == [[3.0]]


def test_load_lists_the_tags_when_there_are_several_graphs_and_none_was_chosen(two_graphs: Path) -> None:
    with pytest.raises(SignatureError, match=r"holds 2 graphs.*\['serve'\], \['gpu', 'serve'\]") as info:
        hub.load(two_graphs)

    assert info.value.available == ("['serve']", "['gpu', 'serve']")


@pytest.mark.parametrize("tags", [["train"], ["gpu"], [], ["serve", "gpu", "tpu"]])
def test_load_lists_the_tags_when_no_graph_has_the_wanted_ones(two_graphs: Path, tags: list[str]) -> None:
    with pytest.raises(SignatureError, match=r"\['serve'\], \['gpu', 'serve'\]") as info:
        hub.load(two_graphs, tags=tags)

    assert isinstance(info.value, ValueError)


@pytest.mark.parametrize("tags", ["serve", ["serve"], ("serve",), {"serve"}, ["serve", "gpu"], {"gpu", "serve"}])
def test_load_takes_tags_in_any_order_and_container(two_graphs: Path, tags: object) -> None:
    obj = hub.load(two_graphs, tags=tags)  # type: ignore[arg-type]

    assert obj.signatures["serving_default"](PAIR)["y"].numpy().tolist() == [[3.0]]


def test_load_picks_the_only_graph_of_a_model(half_plus_two: Path) -> None:
    assert hub.load(half_plus_two)(X).numpy().tolist() == hub.load(half_plus_two, tags=["serve"])(X).numpy().tolist()


def test_load_picks_the_graph_without_tags_of_a_tf1_hub_model() -> None:
    folder = Path(__file__).parents[1] / "data" / "tf1_hub" / "dropout"
    x = tf.ones([1, 50])
    plain, train = (hub.load(folder, tags=tags).signatures["default"] for tags in (None, ["train"]))

    assert len({float(plain(x)["default"][0, 0]) for _ in range(5)}) == 1
    assert len({float(train(x)["default"][0, 0]) for _ in range(5)}) > 1, "the other graph has dropout"


def test_load_of_a_tf1_model_gives_an_object_that_can_not_be_called(tf1_hub: Path) -> None:
    obj = hub.load(tf1_hub)

    assert not callable(obj)
    assert obj.signatures["default"](X)["default"].numpy().tolist() == [7.0, 12.0]
    assert [float(variable) for variable in obj.variables] == [0.5, 2.0]


def test_load_passes_options_on(half_plus_two: Path) -> None:
    here = tf.saved_model.LoadOptions(experimental_io_device="/job:localhost")
    elsewhere = tf.saved_model.LoadOptions(experimental_io_device="/job:nowhere")

    assert hub.load(half_plus_two, options=here)(X).numpy().tolist() == [7.0, 12.0]
    with pytest.raises(tf.errors.InvalidArgumentError, match="nowhere"):
        hub.load(half_plus_two, options=elsewhere)


def test_layer_passes_load_options_on(half_plus_two: Path) -> None:
    elsewhere = tf.saved_model.LoadOptions(experimental_io_device="/job:nowhere")

    with pytest.raises(tf.errors.InvalidArgumentError, match="nowhere"):
        hub.KerasLayer(str(half_plus_two), load_options=elsewhere)


def test_loading_twice_gives_two_sets_of_variables(half_plus_two: Path) -> None:
    first, second = hub.load(half_plus_two), hub.load(half_plus_two)
    first.variables[0].assign(0.0)

    assert second(X).numpy().tolist() == [7.0, 12.0]


def test_loaded_model_keeps_its_serving_signature_when_it_is_saved_again(lookup: Path, tmp_path: Path) -> None:
    tf.saved_model.save(hub.load(lookup), str(tmp_path / "again"))
    again = hub.load(tmp_path / "again")

    words = tf.constant(["two", "?"])
    [output] = again.signatures["serving_default"](words=words).values()
    assert output.numpy().tolist() == hub.load(lookup)(words).numpy().tolist()


@pytest.mark.parametrize("missing", ["variables", "variables/variables.index"])
def test_load_names_what_a_folder_lacks(copied: Path, missing: str) -> None:
    path = copied / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(FormatError, match=r"lacks variables/variables\.index"):
        hub.load(copied)


def test_load_names_variables_that_are_cut_short(copied: Path) -> None:
    shard = copied / "variables" / "variables.data-00000-of-00001"
    shard.write_bytes(shard.read_bytes()[:-4])
    with pytest.raises(FormatError, match=shard.name):
        hub.load(copied)


def test_load_refuses_a_scheme_that_nobody_knows() -> None:
    with pytest.raises(HandleError, match="the scheme 'httpx' is unknown"):
        hub.load("httpx://hub.test/acme/net/1")


def test_load_says_what_a_bucket_needs() -> None:
    with pytest.raises(DependencyError, match="tensorflow_io"):
        hub.load("s3://bucket/model")
