from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehub.errors import FormatError
from rehub.formats.record import Latest, Record, read_latest, read_record, write_latest, write_record

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
SIZE = st.integers(0, 1 << 50)
TIME = st.integers(0, 4_000_000_000).map(float)
FILES = st.dictionaries(TEXT, st.tuples(SIZE, TEXT), max_size=4)
RECORDS = st.builds(Record, TEXT, TEXT, TEXT, TEXT, SIZE, FILES, TIME)
POINTERS = st.builds(Latest, TEXT, TEXT, TEXT, TEXT, TIME)


@given(RECORDS)
def test_read_record_gives_what_was_written(record: Record) -> None:
    assert read_record(write_record(record)) == record


@given(POINTERS)
def test_read_latest_gives_what_was_written(latest: Latest) -> None:
    assert read_latest(write_latest(latest)) == latest


RECORD = Record("https://h/a/1", "https://h/a/1", "", "0" * 64, 10, {"saved_model.pb": (4, "1" * 64)}, 0.0)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)


@given(st.sampled_from(sorted(json.loads(write_record(RECORD)))), JSON_VALUES)
def test_read_record_reads_or_refuses_any_value(field: str, value: object) -> None:
    values = {**json.loads(write_record(RECORD)), field: value}
    with contextlib.suppress(FormatError):
        read_record(json.dumps(values).encode())


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"\xff", b"{}", b'{"format": 1}', b"[" * 100_000, write_record(RECORD)[:-9]]
)
def test_read_refuses_what_is_no_record(data: bytes) -> None:
    for read in (read_record, read_latest):
        with pytest.raises(FormatError):
            read(data)


def test_read_refuses_a_newer_format() -> None:
    data = write_record(RECORD).replace(b'"format": 1', b'"format": 2')
    with pytest.raises(FormatError, match="version"):
        read_record(data)
