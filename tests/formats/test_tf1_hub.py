from __future__ import annotations

from pathlib import Path

import pytest

from rehub.errors import FormatError
from rehub.formats import schema, tf1_hub
from rehub.formats.saved_model import DamagedError

DATA = Path(__file__).parent.parent / "data"


def test_is_tf1_hub_tells_modules_from_saved_models() -> None:
    assert tf1_hub.is_tf1_hub(DATA / "tf1_hub/image")
    assert not tf1_hub.is_tf1_hub(DATA / "saved_models/graphs")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is in version 0 of the TF1 Hub format; only version 3 is known"),
        (b"\x08\x04", "is in version 4 of the TF1 Hub format"),
        (b"\x08", "is not a module definition"),
        (b"<!doctype html>", "is not a module definition"),
    ],
)
def test_is_tf1_hub_refuses_other_versions(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / "tfhub_module.pb").write_bytes(data)
    with pytest.raises(FormatError, match=reason) as caught:
        tf1_hub.is_tf1_hub(tmp_path)
    assert caught.value.path == str(tmp_path / "tfhub_module.pb")


def test_is_tf1_hub_skips_fields_that_it_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "tfhub_module.pb").write_bytes(b"\x08\x03\x5a\x01x")
    assert tf1_hub.is_tf1_hub(tmp_path)


def test_is_tf1_hub_refuses_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "tfhub_module.pb").mkdir()
    with pytest.raises(FormatError, match="cannot be read: Is a directory"):
        tf1_hub.is_tf1_hub(tmp_path)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("image", [("image_module_info", 6, (8, 8))] * 2),
        (
            "attachments",
            [
                ("letters", 7, None),
                ("repeated", 2, None),
                ("only_train", 18, None),
                ("letters", 6, None),
                ("repeated", 2, None),
            ],
        ),
        ("half_plus_two", []),
    ],
)
def test_attachments_are_those_of_real_modules(model: str, expected: list[tuple[str, int, object]]) -> None:
    path = DATA / "tf1_hub" / model / "saved_model.pb"
    graphs = schema.parse("tensorflow.SavedModel", path.read_bytes()).meta_graphs
    found = [tf1_hub.attachments(graph) for graph in graphs]
    assert [(a.key, a.size_bytes, a.image_size) for attached in found for a in attached] == expected


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x11image_module_info\x12\x01\xff"])
def test_attachments_refuses_a_damaged_message(data: bytes) -> None:
    graph = schema.message("tensorflow.MetaGraphDef")()
    graph.collection_def["hub_module_attachments"].bytes_list.value.append(data)
    with pytest.raises(DamagedError, match="an attached message is no valid message"):
        tf1_hub.attachments(graph)


def test_attached_bytes_gives_back_what_was_attached() -> None:
    graph = schema.message("tensorflow.MetaGraphDef")()
    assert tf1_hub.attached_bytes(graph) == {}
    tf1_hub.attach(graph, {"first": b"\x08\x01", "empty": b""})
    tf1_hub.attach(graph, {"second": b"any"})
    assert tf1_hub.attached_bytes(graph) == {"first": b"\x08\x01", "empty": b"", "second": b"any"}
