"""Records of versions: written, read as records and as manifests, and refused when they are damaged."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rehub.errors import FormatError
from rehub.formats.manifest import NewerManifest, read_manifest
from rehub.formats.version_record import (
    Archive,
    Publication,
    VersionRecord,
    content_of,
    portable,
    read_version_record,
    write_version_record,
)
from tests.manifests import FILES, manifest_of

PACKED = VersionRecord(
    manifest_of(), {"format": "tf1_hub", "meta_graphs": [{"tags": []}]}, {"task": ["x"]}, Archive(1234, "a" * 64)
)
PUBLISHED = dataclasses.replace(
    PACKED,
    card_sha256="b" * 64,
    publication=Publication(datetime.datetime(2026, 1, 31, 12, 0, 1, tzinfo=datetime.timezone.utc), "ci of ü"),
)
VALUES = json.loads(write_version_record(PUBLISHED))


def changed(change: Callable[[Any], object]) -> bytes:
    values = json.loads(json.dumps(VALUES))
    change(values)
    return json.dumps(values).encode()


@pytest.mark.parametrize("record", [PACKED, PUBLISHED])
def test_read_gives_what_was_written(record: VersionRecord) -> None:
    assert read_version_record(write_version_record(record)) == record


def test_record_is_a_manifest_too() -> None:
    assert read_manifest(write_version_record(PUBLISHED)) == manifest_of()


def test_content_is_the_same_for_the_same_files_alone() -> None:
    assert PUBLISHED.content == PACKED.content == content_of(manifest_of(dict(reversed(FILES.items()))))
    assert len(PACKED.content) == 32
    assert content_of(manifest_of({**FILES, "more": b""})) != PACKED.content


def test_portable_leaves_out_what_is_of_a_machine() -> None:
    assert portable({"handle": "/home/me/model", "folder": "/home/me/model", "format": "x"}) == {"format": "x"}


def test_read_names_a_newer_format() -> None:
    with pytest.raises(NewerManifest, match="format 2"):
        read_version_record(changed(lambda values: values.update(format=2)))


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.pop("files"),
        lambda values: values["files"].pop(),
        lambda values: values.pop("interface"),
        lambda values: values.update(interface=[]),
        lambda values: values.update(interface={"x": float("nan")}),
        lambda values: values.update(interface={"x": 7, "y": ["\ud800"]}),
        lambda values: values.update(card="x"),
        lambda values: values.update(card={"\udfff": []}),
        lambda values: values.update(card=functools.reduce(lambda inner, _: {"x": inner}, range(60), {})),
        lambda values: values.update(by="\ud800"),
        lambda values: values.pop("archive"),
        lambda values: values["archive"].update(size=-1),
        lambda values: values["archive"].update(size=True),
        lambda values: values["archive"].update(sha256="x"),
        lambda values: values.update(card_sha256=None),
        lambda values: values.update(card_sha256="../" + "a" * 61),
        lambda values: values.update(content="0" * 32),
        lambda values: values.update(content=None),
        lambda values: values.update(by=7),
        lambda values: values.update(by="x" * 1000),
        lambda values: values.update(created="yesterday"),
        lambda values: values.pop("created"),
    ],
)
def test_read_refuses_what_contradicts_itself(change: Callable[[Any], object]) -> None:
    with pytest.raises(FormatError, match=r"the record|the manifest") as caught:
        read_version_record(changed(change))
    assert caught.value.hint


def test_read_refuses_a_number_that_no_json_has() -> None:
    with pytest.raises(FormatError, match="number without end in 'card'"):
        read_version_record(write_version_record(PACKED).replace(b'"card":{', b'"card":{"x":1e999,'))


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"\xff", b"[" * 200_000, write_version_record(PACKED)[:-1]])
def test_read_refuses_what_is_no_record(data: bytes) -> None:
    with pytest.raises(FormatError, match="the record"):
        read_version_record(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(VALUES)), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(changes=st.dictionaries(st.sampled_from([*sorted(VALUES), "more"]), JSON, max_size=3))
def test_read_gives_a_record_or_a_format_error_whatever_is_changed(changes: dict[str, Any]) -> None:
    try:
        record = read_version_record(json.dumps({**VALUES, **changes}).encode())
    except FormatError:
        return
    assert read_version_record(write_version_record(record)) == record


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_read_gives_a_record_or_a_format_error_whichever_bytes_are_damaged(data: st.DataObject) -> None:
    good = bytearray(write_version_record(PUBLISHED))
    start = data.draw(st.integers(0, len(good) - 1))
    good[start : start + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=20))
    with contextlib.suppress(FormatError):
        read_version_record(bytes(good))
