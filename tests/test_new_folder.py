from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rehub.archive.new_folder import new_file, new_folder
from rehub.errors import PublishError


def test_new_folder_appears_when_all_is_in_it(tmp_path: Path) -> None:
    target = tmp_path / "above/model"
    with new_folder(target) as folder:
        (folder / "file").write_text("content")
        assert folder.parent == target.parent
        assert not target.exists()
    assert (target / "file").read_text() == "content"
    assert list(target.parent.iterdir()) == [target]


def test_new_folder_leaves_nothing_when_writing_fails(tmp_path: Path) -> None:
    def fail() -> None:
        with new_folder(tmp_path / "model") as folder:
            (folder / "file").touch()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_new_folder_is_not_made_when_clients_would_refuse_it(tmp_path: Path) -> None:
    def write() -> None:
        with new_folder(tmp_path / "model") as folder:
            (folder / "con.txt").touch()

    with pytest.raises(PublishError, match=r"model' was not written: .*'con\.txt'") as caught:
        write()
    assert "Rename it" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_new_folder_takes_the_place_of_an_empty_one(tmp_path: Path) -> None:
    with new_folder(tmp_path) as folder:
        (folder / "file").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("taken", ["model/file", "model"])
def test_new_folder_refuses_a_path_that_exists(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).parent.mkdir(exist_ok=True)
    (tmp_path / taken).write_text("mine")
    with pytest.raises(PublishError, match="model' exists, and is not an empty folder"), new_folder(tmp_path / "model"):
        pytest.fail("there is no place to write to")
    assert (tmp_path / taken).read_text() == "mine"


def test_new_folder_does_not_replace_what_appeared_meanwhile(tmp_path: Path) -> None:
    def make_both(target: Path) -> None:
        with new_folder(target) as folder:
            (folder / "file").touch()
            target.mkdir()
            (target / "other").touch()

    with pytest.raises(PublishError, match="model' cannot be written"):
        make_both(tmp_path / "model")
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "other"]


def test_new_folder_names_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PublishError, match="cannot be written: Not a directory"), new_folder(tmp_path / "file/model"):
        pytest.fail("there is no place to write to")


def test_new_folder_refuses_places_that_only_tensorflow_can_write_to(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PublishError, match="the address of another place"), new_folder(Path("gs://bucket/model")):
        pytest.fail("there is no place to write to")
    assert list(tmp_path.iterdir()) == []


def test_new_file_appears_when_all_is_in_it(tmp_path: Path) -> None:
    with new_file(tmp_path / "above/model") as draft:
        draft.write_text("content")
        assert not (tmp_path / "above/model").exists()
    assert {path.name for path in (tmp_path / "above").iterdir()} == {"model"}
    assert (tmp_path / "above/model").read_text() == "content"


def test_new_file_leaves_nothing_when_writing_fails(tmp_path: Path) -> None:
    def fail() -> None:
        with new_file(tmp_path / "model") as draft:
            draft.touch()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [Path.touch, Path.mkdir])
def test_new_file_refuses_a_path_that_exists(tmp_path: Path, kind: Callable[[Path], None]) -> None:
    kind(tmp_path / "model")
    with pytest.raises(PublishError, match=r"model' exists\. Choose another"), new_file(tmp_path / "model"):
        pytest.fail("there is no place to write to")
