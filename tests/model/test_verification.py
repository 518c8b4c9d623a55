from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rehub.errors import FormatError
from rehub.model.verification import damages

DATA = Path(__file__).parent.parent / "data"
SHARD = "variables/variables.data-00000-of-00001"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATA / "saved_models/module", tmp_path / "model"))


@pytest.mark.parametrize("model", ["saved_models/module", "saved_models/estimator", "tf1_hub/attachments"])
def test_damages_is_empty_when_the_model_is_whole(model: str) -> None:
    assert list(damages(DATA / model)) == []


def test_damages_name_the_variable_whose_values_were_changed(folder: Path) -> None:
    data = bytearray((folder / SHARD).read_bytes())
    data[0] ^= 1
    (folder / SHARD).write_bytes(data)
    ((file, what),) = damages(folder)
    assert file == SHARD
    assert what.startswith("variable 'embedding' has the checksum ")


def test_damages_name_what_is_missing_once(folder: Path) -> None:
    (folder / "assets/words.txt").unlink()
    (folder / SHARD).unlink()
    assert list(damages(folder)) == [("assets/words.txt", "missing"), (SHARD, "missing")]


def test_damages_name_a_shard_that_was_cut_and_what_it_lacks(folder: Path) -> None:
    data = (folder / SHARD).read_bytes()
    (folder / SHARD).write_bytes(data[:33])
    found = list(damages(folder))
    assert found[0] == (SHARD, "missing or cut short")
    assert any("variable 'scale' ends at byte 36, the file at 33" in what for _, what in found)


def test_damages_refuse_a_damaged_index(folder: Path) -> None:
    (folder / "variables/variables.index").write_bytes(b"")
    with pytest.raises(FormatError, match="is not a whole checkpoint index"):
        list(damages(folder))
