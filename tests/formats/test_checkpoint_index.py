from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rehub.errors import FormatError
from rehub.formats import checkpoint_index
from tests.formats.table_writer import block, crc32c, entry, header, table, varint, with_index, with_trailer

DATA = Path(__file__).parent.parent / "data"
GOLDEN = DATA / "tf1_hub/image/variables/variables.index"

damage = settings(
    max_examples=200, deadline=1000, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def read(tmp_path: Path, data: bytes) -> checkpoint_index.CheckpointIndex:
    path = tmp_path / "variables.index"
    path.write_bytes(data)
    return checkpoint_index.read(path)


def test_read_gives_the_entries_of_a_real_export() -> None:
    index = checkpoint_index.read(DATA / "tf1_hub/half_plus_two/variables/variables.index")
    assert (index.num_shards, index.is_big_endian) == (1, False)
    assert [(e.name, e.dtype, e.shape, e.shard, e.offset, e.size_bytes, e.is_slice) for e in index.entries] == [
        ("a", "float32", (), 0, 0, 4, False),
        ("b", "float32", (), 0, 4, 4, False),
    ]


def test_read_names_the_slices_of_a_partitioned_variable() -> None:
    index = checkpoint_index.read(DATA / "tf1_hub/text_vocab/variables/variables.index")
    assert [(e.name, e.shape, e.size_bytes, e.is_slice) for e in index.entries] == [
        ("embeddings", (3, 4), 48, True),
        ("embeddings", (2, 4), 32, True),
        ("embeddings", (2, 4), 32, True),
        ("embeddings", (7, 4), 0, False),
    ]


def test_entries_carry_the_checksum_of_their_bytes() -> None:
    folder = DATA / "tf1_hub/image/variables"
    data = (folder / "variables.data-00000-of-00001").read_bytes()
    for one in checkpoint_index.read(folder / "variables.index").entries:
        crc = crc32c(data[one.offset : one.offset + one.size_bytes])
        assert one.crc32c == (((crc >> 15) | (crc << 17)) + 0xA282EAD8) % 2**32


def test_shard_sizes_are_where_the_last_tensor_of_each_shard_ends(tmp_path: Path) -> None:
    rows = [
        header(3),
        entry(b"a", shard_id=0, offset=0, size=4),
        entry(b"b", shard_id=2, offset=10, size=20),
        entry(b"c", shard_id=0, offset=4, size=4),
        entry(b"d", shard_id=2, offset=0, size=10),
    ]
    assert read(tmp_path, table([block(rows)])).shard_sizes() == {
        "variables.data-00000-of-00003": 8,
        "variables.data-00002-of-00003": 30,
    }


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), unique=True),
    per_block=st.integers(1, 9),
    restart_interval=st.integers(1, 20),
)
def test_read_gives_what_was_written(tmp_path: Path, names: list[str], per_block: int, restart_interval: int) -> None:
    keys = sorted(name.encode() for name in names)
    rows = [header(), *(entry(key, dtype=3, offset=place, size=1) for place, key in enumerate(keys))]
    blocks = [
        block(rows[start : start + per_block], restart_interval=restart_interval)
        for start in range(0, len(rows), per_block)
    ]
    entries = read(tmp_path, table(blocks)).entries
    assert [(one.name, one.dtype, one.offset) for one in entries] == [
        (key.decode(), "int32", place) for place, key in enumerate(keys)
    ]


@damage
@given(length=st.integers(0, GOLDEN.stat().st_size - 1))
def test_read_refuses_a_truncated_file(tmp_path: Path, length: int) -> None:
    with pytest.raises(FormatError):
        read(tmp_path, GOLDEN.read_bytes()[:length])


@damage
@given(bit=st.integers(0, GOLDEN.stat().st_size * 8 - 1))
def test_read_refuses_or_survives_a_flipped_bit(tmp_path: Path, bit: int) -> None:
    data = bytearray(GOLDEN.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    try:
        index = read(tmp_path, bytes(data))
    except FormatError:
        return
    # Only what nobody reads may be damaged unseen.
    assert index.entries == checkpoint_index.read(GOLDEN).entries


@damage
@given(content=st.binary(max_size=300))
def test_read_survives_any_block_under_a_good_checksum(tmp_path: Path, content: bytes) -> None:
    for data in (table([content]), with_index(b"", [(b"k", content)])):
        try:
            read(tmp_path, data)
        except FormatError:
            continue


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it has 0 bytes"),
        (b"<html>" * 20, "magic number"),
        (table([]), "its header is missing"),
        (table([block([entry(b"a")])]), "its header is missing"),
        (table([block([header(0)])]), "it has 0 data shards"),
        (table([block([header()])], kind=1), r"the block at byte 0 is compressed \(type 1\)"),
        (table([block([header(), entry(b"a", shard_id=1)])]), "'a' is in shard 1 of 1"),
        (table([block([header(), entry(b"a", shard_id=-1)])]), "'a' is in shard -1 of 1"),
        (table([block([header(), entry(b"a", offset=-1)])]), "'a' has offset -1 and size 0"),
        (table([block([header(), entry(b"a", size=-1)])]), "'a' has offset 0 and size -1"),
        (table([block([header(), (b"a", b"\xff")])]), "an entry is no valid message"),
        (table([block([header(), entry(b"\xff")])]), "is no text"),
        (table([block([header(), entry(b"\0name")])]), "has no end"),
        (table([block([header(), entry(b"b"), entry(b"a")])]), "the key b'a' is out of order"),
        (table([block([header(), entry(b"a")]), block([entry(b"a")])]), "the key b'a' is out of order"),
        (table([b""]), "a block has only 0 bytes"),
        (table([b"\xff\xff\xff\xff"]), "a block is shorter than the table at its end"),
        (table([b"\x05\0\0" + b"\0\0\0\0\x01\0\0\0"]), "shares more than the key before it has"),
        (table([b"\0\x01\x09x" + b"\0\0\0\0\x01\0\0\0"]), "an entry is longer than its block"),
        (table([b"\xff" * 11 + b"\0\0\0\0\x01\0\0\0"]), "a number has more than 64 bits"),
        (with_index(b"", [(b"k", b"\xff")]), "a number is cut off"),
        (with_index(b"", [(b"k", varint(0) + varint(2**40))]), "a block ends at byte"),
    ],
)
def test_read_says_what_is_wrong(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(FormatError, match=reason) as caught:
        read(tmp_path, data)
    assert caught.value.path == str(tmp_path / "variables.index")
    assert caught.value.hint


def test_read_refuses_blocks_that_are_used_twice(tmp_path: Path) -> None:
    content = block([header()])
    handle = varint(0) + varint(len(content))
    with pytest.raises(FormatError, match="its blocks overlap"):
        read(tmp_path, with_index(with_trailer(content), [(b"a", handle), (b"b", handle)]))


def test_read_refuses_keys_that_unpack_to_far_more_than_the_file(tmp_path: Path) -> None:
    long_key = varint(0) + varint(100_000) + varint(0) + b"k" * 100_000
    next_key = varint(100_000) + varint(3) + varint(0) + b"%03d"
    rows = long_key + b"".join(next_key % number for number in range(700))
    with pytest.raises(FormatError, match="its keys have more than"):
        read(tmp_path, table([block([header()]), rows + bytes(4)]))


def test_read_refuses_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot be read: No such file"):
        checkpoint_index.read(tmp_path / "variables.index")


def test_table_writer_knows_the_checksum() -> None:
    # The check value of CRC-32C in the catalogue of parametrised CRC algorithms.
    assert crc32c(b"123456789") == 0xE3069283
