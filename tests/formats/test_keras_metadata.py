from __future__ import annotations

import json
from pathlib import Path

import pytest

from rehub.errors import FormatError
from rehub.formats import keras_metadata, schema

DATA = Path(__file__).parent.parent / "data/saved_models"


def graph_of(folder: Path) -> object:
    return schema.parse("tensorflow.SavedModel", (folder / "saved_model.pb").read_bytes()).meta_graphs[0]


@pytest.mark.parametrize(
    ("model", "version", "classes"),
    [
        ("keras2", "2.21.0", {0: "Sequential", 1: "Dense", 2: "BatchNormalization"}),
        ("keras2_compiled", "2.12.0", {0: "Sequential", 1: "Dense", 2: "Dropout"}),
        ("keras3", "", {}),
        ("estimator", "", {}),
    ],
)
def test_read_gives_version_and_classes_of_real_exports(model: str, version: str, classes: dict[int, str]) -> None:
    metadata = keras_metadata.read(DATA / model, graph_of(DATA / model))
    assert metadata.version == version
    assert classes.items() <= dict(metadata.classes).items()
    assert bool(metadata.classes) == bool(classes)


def test_read_takes_what_old_releases_wrote_into_the_object_graph(tmp_path: Path) -> None:
    graph = schema.message("tensorflow.MetaGraphDef")()
    for facts in ({"class_name": "Model", "keras_version": "2.4.0"}, {"class_name": ["no", "text"]}, ["no", "dict"]):
        graph.object_graph_def.nodes.add().user_object.metadata = json.dumps(facts)
    graph.object_graph_def.nodes.add().user_object.metadata = "{"
    metadata = keras_metadata.read(tmp_path, graph)
    assert (metadata.version, metadata.classes) == ("2.4.0", {0: "Model"})


def test_read_refuses_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "keras_metadata.pb").write_bytes(b"\xff")
    with pytest.raises(FormatError, match=r"keras_metadata\.pb' is not what Keras writes"):
        keras_metadata.read(tmp_path, graph_of(DATA / "keras3"))


def test_read_refuses_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "keras_metadata.pb").mkdir()
    with pytest.raises(FormatError, match="cannot be read: Is a directory"):
        keras_metadata.read(tmp_path, graph_of(DATA / "keras3"))
