"""Lock files: written, read, and refused when they are damaged."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from rehub.errors import FormatError
from rehub.formats.lockfile import Locked, read_lockfile, write_lockfile

NEWEST = Locked("https://hub.test/acme/net", "https://hub.test/acme/net/2", "ab" * 32, 60_017)
ARCHIVE = Locked("https://hub.test/acme.tar.gz", "https://hub.test/acme.tar.gz", "0" * 64, 0)


def test_read_gives_what_was_written_and_people_can_compare_it() -> None:
    data = write_lockfile([NEWEST, ARCHIVE])
    assert read_lockfile(data) == (ARCHIVE, NEWEST)
    assert write_lockfile([ARCHIVE, NEWEST]) == data
    assert data.decode().splitlines()[7:12] == [
        "    },",
        '    "https://hub.test/acme/net": {',
        '      "resolved": "https://hub.test/acme/net/2",',
        f'      "sha256": "{"ab" * 32}",',
        '      "size_bytes": 60017',
    ]
    assert read_lockfile(write_lockfile([])) == ()


def test_document_shows_what_is_written() -> None:
    document = (Path(__file__).parents[2] / "docs" / "offline.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```json\n(.+?)^```", document, flags=re.MULTILINE | re.DOTALL)
    (model,) = read_lockfile(example.encode())
    assert write_lockfile([model]).decode() == example


def test_read_ignores_what_it_does_not_know() -> None:
    values = json.loads(write_lockfile([NEWEST]))
    values["comment"] = values["models"][NEWEST.handle]["licence"] = "x"
    assert read_lockfile(json.dumps(values).encode()) == (NEWEST,)


def test_read_refuses_a_model_that_is_there_twice() -> None:
    text = write_lockfile([NEWEST]).decode()
    start = text.index(f'"{NEWEST.handle}"')
    entry = text[start : text.index("}", start) + 1]
    with pytest.raises(FormatError, match=f"'{NEWEST.handle}' is there twice"):
        read_lockfile(text.replace(entry, f"{entry}, {entry}").encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"format": 2, "models": {}}',
        b'{"format": 1}',
        b'{"format": 1e999}',
    ],
)
def test_read_refuses_what_is_no_lock_file(data: bytes) -> None:
    with pytest.raises(FormatError, match="lock file"):
        read_lockfile(data)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("resolved", None),
        ("resolved", ""),
        ("resolved", "/a/path"),
        ("resolved", "hdfs://host/folder"),
        ("resolved", "https://hub.test/a/b/1#sha256=" + "0" * 64),
        ("sha256", None),
        ("sha256", "0" * 63),
        ("sha256", "G" * 64),
        ("size_bytes", -1),
        ("size_bytes", 1.0),
        ("size_bytes", True),
        ("size_bytes", "1"),
    ],
)
def test_read_refuses_a_damaged_model(key: str, value: Any) -> None:
    values = json.loads(write_lockfile([NEWEST]))
    values["models"][NEWEST.handle][key] = value
    with pytest.raises(FormatError, match="is damaged"):
        read_lockfile(json.dumps(values).encode())


@pytest.mark.parametrize("handle", ["", "model", "hdfs://host/folder", "https://u:p@hub.test/a/b/1"])
def test_read_refuses_a_handle_of_no_server(handle: str) -> None:
    values = json.loads(write_lockfile([NEWEST]))
    values["models"] = {handle: values["models"][NEWEST.handle]}
    with pytest.raises(FormatError, match="is no URL"):
        read_lockfile(json.dumps(values).encode())
