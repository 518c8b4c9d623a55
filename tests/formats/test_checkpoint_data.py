from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rehub.formats import checkpoint_data, checkpoint_index
from tests.formats.table_writer import block, crc32c, header, masked, table, varint

DATA = Path(__file__).parent.parent / "data"
SHARD = "variables.data-00000-of-00001"
CHECKPOINTS = sorted(path.parent for path in DATA.glob("*/*/variables/variables.index"))
GOLDEN = DATA / "saved_models/keras2/variables"


def damaged(folder: Path) -> dict[str, str]:
    index = checkpoint_index.read(folder / "variables.index")
    return {found.entry.name: found.what for found in checkpoint_data.check(index)}


def write(tmp_path: Path, data: bytes, **fields: object) -> Path:
    """A checkpoint of one tensor that holds these bytes, under the name x."""
    from rehub.formats import schema

    entry = schema.message("tensorflow.BundleEntryProto")(size=len(data), **fields)
    (tmp_path / "variables.index").write_bytes(table([block([header(), (b"x", entry.SerializeToString())])]))
    (tmp_path / SHARD).write_bytes(data)
    return tmp_path


def strings(*texts: bytes) -> tuple[bytes, int]:
    """The bytes of a tensor of strings, and its sum."""
    sizes = b"".join(len(text).to_bytes(4, "little") for text in texts)
    stored = masked(crc32c(sizes)).to_bytes(4, "little")
    data = b"".join(varint(len(text)) for text in texts) + stored + b"".join(texts)
    return data, masked(crc32c(sizes + stored + b"".join(texts)))


@pytest.mark.parametrize("folder", CHECKPOINTS, ids=lambda folder: f"{folder.parents[1].name}/{folder.parent.name}")
def test_check_finds_nothing_in_real_checkpoints(folder: Path) -> None:
    assert damaged(folder) == {}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, (GOLDEN / SHARD).stat().st_size - 1), bit=st.integers(0, 7))
def test_check_names_the_tensor_in_which_a_bit_was_flipped(tmp_path: Path, place: int, bit: int) -> None:
    folder = Path(shutil.copytree(GOLDEN, tmp_path / "variables", dirs_exist_ok=True))
    data = bytearray((folder / SHARD).read_bytes())
    data[place] ^= 1 << bit
    (folder / SHARD).write_bytes(data)
    entries = checkpoint_index.read(folder / "variables.index").entries
    (expected,) = (e.name for e in entries if e.offset <= place < e.offset + e.size_bytes)
    assert list(damaged(folder)) == [expected]


def test_check_names_tensors_that_were_cut_off(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(GOLDEN, tmp_path / "variables"))
    (folder / SHARD).write_bytes((folder / SHARD).read_bytes()[:10])
    found = damaged(folder)
    entries = checkpoint_index.read(folder / "variables.index").entries
    assert set(found) == {entry.name for entry in entries if entry.offset + entry.size_bytes > 10}
    assert "the file at 10" in next(iter(found.values()))


def test_check_names_tensors_of_a_shard_that_is_missing(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(GOLDEN, tmp_path / "variables"))
    (folder / SHARD).unlink()
    assert set(damaged(folder).values()) == {"cannot be read (No such file or directory)"}


def test_check_reads_tensors_longer_than_a_chunk(tmp_path: Path) -> None:
    data = bytes(5_000_000)
    sum_of_zeros = checkpoint_index.masked(__import__("google_crc32c").value(data))
    shape = {"dim": [{"size": 5_000_000}]}
    assert damaged(write(tmp_path, data, dtype=4, shape=shape, crc32c=sum_of_zeros)) == {}
    (tmp_path / SHARD).write_bytes(data[:-1] + b"\1")
    assert "has the checksum" in damaged(tmp_path)["x"]


@given(texts=st.lists(st.binary(max_size=300), max_size=5))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_check_takes_strings_of_any_length(tmp_path: Path, texts: list[bytes]) -> None:
    data, total = strings(*texts)
    shape = {"dim": [{"size": len(texts)}]}
    assert damaged(write(tmp_path, data, dtype=7, shape=shape, crc32c=total)) == {}
    assert set(damaged(write(tmp_path, data, dtype=7, shape=shape, crc32c=total ^ 1))) == {"x"}


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "has 0 bytes, too few for 2 strings"),
        (b"\1\2", "has 2 bytes, its strings need 9"),
        (b"\x80\x80", "a number is cut off"),
        (strings(b"a", b"bc")[0] + b"d", "has 10 bytes, its strings need 9"),
    ],
)
def test_check_says_what_is_wrong_with_strings(tmp_path: Path, data: bytes, what: str) -> None:
    shape = {"dim": [{"size": 2}]}
    assert damaged(write(tmp_path, data, dtype=7, shape=shape)) == {"x": what}


def test_check_says_when_bytes_and_shape_differ(tmp_path: Path) -> None:
    folder = write(tmp_path, b"1234", dtype=1, shape={"dim": [{"size": 2}]}, crc32c=masked(crc32c(b"1234")))
    assert damaged(folder) == {"x": "has 4 bytes, its shape needs 8"}


def test_check_skips_the_sums_of_variants(tmp_path: Path) -> None:
    assert damaged(write(tmp_path, b"1234", dtype=21)) == {}
