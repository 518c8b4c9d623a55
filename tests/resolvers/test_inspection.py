from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import rehub
from rehub.errors import FormatError, NotFoundError
from rehub.resolvers.inspection import verify
from rehub.server import EmbeddedHub

MODEL = Path(__file__).parents[1] / "data/models/half_plus_two"
SHARD = "variables/variables.data-00000-of-00001"


@pytest.fixture
def handle(tmp_path: Path) -> str:
    """The URL of a model that is in the cache, whose server has gone."""
    shutil.copytree(MODEL, tmp_path / "hub/acme/half_plus_two/1")
    with rehub.settings(cache_dir=str(tmp_path / "cache")), EmbeddedHub(tmp_path / "hub") as hub:
        url = f"{hub.url}/acme/half_plus_two/1"
        rehub.resolve(url)
    return url


def test_inspect_describes_a_path() -> None:
    model = rehub.inspect(MODEL)
    assert isinstance(model, rehub.ModelInfo)
    assert model.folder == MODEL
    assert str(model.meta_graphs[0].signatures[0]) == "serving_default(x: float32[?]) -> (output_0: float32[?])"


def test_inspect_describes_what_the_cache_holds(handle: str, tmp_path: Path) -> None:
    with rehub.settings(cache_dir=str(tmp_path / "cache")):
        model = rehub.inspect(handle)
    assert model.folder.is_relative_to(tmp_path / "cache")
    assert model.meta_graphs == rehub.inspect(MODEL).meta_graphs


def test_inspect_refuses_what_is_not_on_this_machine() -> None:
    with pytest.raises(FormatError, match=r"'hdfs://host/model' is not on this machine"):
        rehub.inspect("hdfs://host/model")


def test_inspect_refuses_a_path_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        rehub.inspect(tmp_path / "nowhere")


def test_verify_finds_nothing_in_a_whole_model(handle: str, tmp_path: Path) -> None:
    assert verify(MODEL) == ()
    with rehub.settings(cache_dir=str(tmp_path / "cache")):
        assert verify(handle) == ()


@pytest.mark.parametrize("by_path", [False, True])
def test_verify_names_files_of_the_cache_that_are_not_those_fetched(handle: str, tmp_path: Path, by_path: bool) -> None:
    with rehub.settings(cache_dir=str(tmp_path / "cache")):
        folder = rehub.inspect(handle).folder
        data = (folder / "fingerprint.pb").read_bytes()
        (folder / "fingerprint.pb").write_bytes(bytes(len(data)))
        found = verify(folder if by_path else handle)
    assert [(damage.file, damage.what) for damage in found] == [
        ("fingerprint.pb", "its content is not what was fetched")
    ]


def test_verify_names_a_damaged_variable_once(handle: str, tmp_path: Path) -> None:
    with rehub.settings(cache_dir=str(tmp_path / "cache")):
        folder = rehub.inspect(handle).folder
        data = bytearray((folder / SHARD).read_bytes())
        data[0] ^= 1
        (folder / SHARD).write_bytes(data)
        (found,) = verify(handle)
    assert found.file == SHARD
    assert "variable '" in found.what
    assert "has the checksum" in found.what
