from __future__ import annotations

import contextlib
import dataclasses
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
POINTER = Latest("https://h/a", "h/a/1", "https://h/a/1", "", 0.0)
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


@pytest.mark.parametrize("field", ["location", "url", "etag"])
def test_read_record_refuses_texts_that_no_server_sends(field: str) -> None:
    assert read_record(write_record(dataclasses.replace(RECORD, **{field: "x" * 10_000})))
    with pytest.raises(FormatError, match="a text of 20000 characters"):
        read_record(write_record(dataclasses.replace(RECORD, **{field: "x" * 20_000})))


def test_read_record_keeps_no_large_records_in_memory() -> None:
    files = {f"assets/{number}": (number, "1" * 64) for number in range(1000)}
    large = write_record(dataclasses.replace(RECORD, files=files))
    small = write_record(RECORD)
    assert read_record(small) is read_record(small)
    assert read_record(large) == read_record(large)
    assert read_record(large) is not read_record(large)


def test_read_refuses_a_newer_format() -> None:
    data = write_record(RECORD).replace(b'"format": 1', b'"format": 2')
    with pytest.raises(FormatError, match="version"):
        read_record(data)


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-12:00"])
def test_read_refuses_a_time_that_no_calendar_has(time: str) -> None:
    for data, read in ((write_record(RECORD), read_record), (write_latest(POINTER), read_latest)):
        values = {**json.loads(data), "time": time}
        with pytest.raises(FormatError, match="damaged"):
            read(json.dumps(values).encode())
