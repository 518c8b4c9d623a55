from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rehub.errors import FormatError
from rehub.formats import schema
from rehub.model import model_info
from tests.formats.table_writer import block, entry, header, table

DATA = Path(__file__).parent.parent / "data"
SHARD = "variables/variables.data-00000-of-00001"

MODELS = [
    path.parent.relative_to(DATA).as_posix()
    for room in ("saved_models", "tf1_hub")
    for path in sorted(DATA.glob(f"{room}/*/saved_model.pb*"))
]
FILES = [
    (model, path.relative_to(DATA / model).as_posix())
    for model in MODELS
    for path in sorted((DATA / model).rglob("*"))
    if path.is_file()
]
NOT_NEEDED = {"fingerprint.pb", "keras_metadata.pb", "tfhub_module.pb"}


def copy(model: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATA / model, tmp_path / "model"))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("tf1_hub/half_plus_two", "tf1_hub"),
        ("tf1_hub/attachments", "tf1_hub"),
        ("saved_models/graphs", "saved_model_1"),
        ("saved_models/graphs_as_text", "saved_model_1"),
        ("saved_models/module", "saved_model_2"),
        ("saved_models/no_variables", "saved_model_2"),
        ("saved_models/keras2", "saved_model_2"),
        ("saved_models/keras2_compiled", "saved_model_2"),
        ("saved_models/estimator", "saved_model_1"),
        ("saved_models/keras3", "saved_model_2"),
    ],
)
def test_describe_tells_the_format(model: str, expected: str) -> None:
    assert model_info.describe(DATA / model).format == expected


def test_describe_takes_several_object_graphs_for_version_1(tmp_path: Path) -> None:
    data = (DATA / "saved_models/module/saved_model.pb").read_bytes()
    (tmp_path / "saved_model.pb").write_bytes(data * 2)  # which is how protobuf joins repeated fields
    model = model_info.describe(tmp_path)
    assert (model.format, len(model.meta_graphs)) == ("saved_model_1", 2)


def test_describe_lists_tag_sets_in_their_order() -> None:
    assert model_info.describe(DATA / "saved_models/graphs").tag_sets == ({"serve"}, {"serve", "gpu"})
    assert model_info.describe(DATA / "tf1_hub/dropout").tag_sets == ({"train"}, set())


def test_describe_gives_signatures_of_each_tag_set() -> None:
    train, plain = model_info.describe(DATA / "tf1_hub/image").meta_graphs
    names = ["default", "image_classification", "image_feature_vector"]
    assert [signature.name for signature in train.signatures] == names
    assert [signature.name for signature in plain.signatures] == names


def test_describe_refuses_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"is not a model folder: it is an empty folder\. Pass the folder that holds"):
        model_info.describe(tmp_path)


@pytest.mark.parametrize("model", MODELS)
def test_missing_files_is_empty_when_the_model_is_whole(model: str) -> None:
    assert model_info.missing_files(DATA / model) == ()


@pytest.mark.parametrize(("model", "name"), FILES)
def test_missing_files_names_a_file_that_was_removed(model: str, name: str, tmp_path: Path) -> None:
    folder = copy(model, tmp_path)
    (folder / name).unlink()
    expected = () if name in NOT_NEEDED else (name.replace(".pbtxt", ".pb"),)
    assert model_info.missing_files(folder) == expected


@pytest.mark.parametrize("model", [model for model, name in FILES if name == SHARD])
def test_missing_files_names_a_shard_that_is_one_byte_short(model: str, tmp_path: Path) -> None:
    folder = copy(model, tmp_path)
    data = (folder / SHARD).read_bytes()
    (folder / SHARD).write_bytes(data[:-1])
    assert model_info.missing_files(folder) == (SHARD,)
    (folder / SHARD).write_bytes(data + b"\0")
    assert model_info.missing_files(folder) == ()


def test_missing_files_names_every_shard_that_is_missing(tmp_path: Path) -> None:
    folder = copy("saved_models/graphs", tmp_path)
    rows = [header(3), entry(b"a", shard_id=2, size=4), entry(b"b", shard_id=0), entry(b"c", shard_id=1, size=4)]
    (folder / "variables/variables.index").write_bytes(table([block(rows)]))
    (folder / "variables/variables.data-00001-of-00003").write_bytes(bytes(4))
    assert model_info.missing_files(folder) == (
        "variables/variables.data-00000-of-00003",
        "variables/variables.data-00002-of-00003",
    )


def test_missing_files_names_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    folder = copy("saved_models/module", tmp_path)
    (folder / "assets/words.txt").unlink()
    (folder / "assets/words.txt").mkdir()
    assert model_info.missing_files(folder) == ("assets/words.txt",)


def test_missing_files_names_an_asset_that_no_filesystem_can_hold(tmp_path: Path) -> None:
    folder = copy("saved_models/module", tmp_path)
    model = schema.parse("tensorflow.SavedModel", (folder / "saved_model.pb").read_bytes())
    model.meta_graphs[0].asset_file_def[0].filename = "x" * 300
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())
    assert model_info.missing_files(folder) == ("assets/" + "x" * 300,)


@pytest.mark.parametrize("name", ["variables/variables.index", SHARD, "assets/words.txt"])
@pytest.mark.parametrize("tell", [model_info.describe, model_info.missing_files])
def test_describe_says_why_a_file_cannot_be_read(tell: Callable[[Path], object], name: str, tmp_path: Path) -> None:
    folder = copy("saved_models/module", tmp_path)
    (folder / name).unlink()
    (folder / name).symlink_to(folder / name)
    with pytest.raises(FormatError, match="cannot be read: Too many levels of symbolic links") as caught:
        tell(folder)
    assert caught.value.path == str(folder / name)


def test_describe_says_which_file_without_a_role_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy("saved_models/module", tmp_path)
    (folder / "notes").touch()
    real = Path.is_file

    def refuse(path: Path) -> bool:
        if path.name == "notes":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path)

    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(FormatError, match="cannot be read: Permission denied") as caught:
        model_info.describe(folder)
    assert caught.value.path == str(folder / "notes")


def test_missing_files_names_a_file_below_what_is_no_folder(tmp_path: Path) -> None:
    folder = copy("saved_models/module", tmp_path)
    shutil.rmtree(folder / "assets")
    (folder / "assets").touch()
    assert model_info.missing_files(folder) == ("assets/words.txt",)


def test_missing_files_names_all_that_is_missing(tmp_path: Path) -> None:
    folder = copy("saved_models/module", tmp_path)
    shutil.rmtree(folder / "variables")
    shutil.rmtree(folder / "assets")
    assert model_info.missing_files(folder) == ("assets/words.txt", "variables/variables.index")


def test_missing_files_needs_no_variables_folder_without_variables(tmp_path: Path) -> None:
    folder = copy("tf1_hub/attachments", tmp_path)
    assert not (folder / "variables").exists()
    (folder / "variables").mkdir()
    assert model_info.missing_files(folder) == ()


@pytest.mark.parametrize("folder", [DATA, DATA / "nowhere"])
def test_missing_files_names_the_model_when_there_is_none(folder: Path) -> None:
    assert model_info.missing_files(folder) == ("saved_model.pb",)


@pytest.mark.parametrize("name", ["saved_model.pb", "tfhub_module.pb", "variables/variables.index"])
def test_missing_files_refuses_a_file_that_was_cut(name: str, tmp_path: Path) -> None:
    folder = copy("tf1_hub/image", tmp_path)
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(FormatError) as caught:
        model_info.missing_files(folder)
    assert caught.value.path == str(folder / name)
