"""Manifests: written, read, and refused when they are damaged or hostile."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rehub.errors import FormatError
from rehub.formats.manifest import SIZE_LIMIT_BYTES, NewerManifest, read_manifest, write_manifest
from tests.manifests import BLOCK, FILES, WEIGHTS, file_of, manifest_of, sha256

VALUES = json.loads(write_manifest(manifest_of()))


def changed(change: Callable[[Any], object]) -> bytes:
    values = json.loads(json.dumps(VALUES))
    change(values)
    return json.dumps(values).encode()


def weights(values: Any) -> Any:
    (file,) = (file for file in values["files"] if file["name"] == WEIGHTS)
    return file


@settings(max_examples=30)
@given(
    files=st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.binary(max_size=20), max_size=5),
    block_bytes=st.integers(BLOCK, 64 << 20),
)
def test_read_gives_what_was_written(files: dict[str, bytes], block_bytes: int) -> None:
    manifest = manifest_of(files, block_bytes)
    assert read_manifest(write_manifest(manifest)) == manifest


def test_write_gives_the_same_bytes_for_the_same_files() -> None:
    backwards = manifest_of(dict(reversed(FILES.items())))
    assert write_manifest(backwards) == write_manifest(manifest_of())


def test_read_tells_size_and_sha256_of_each_file() -> None:
    manifest = read_manifest(write_manifest(manifest_of()))
    assert manifest.facts == {name: (len(data), sha256(data)) for name, data in FILES.items()}
    assert manifest.size_bytes == sum(map(len, FILES.values()))


def test_read_ignores_keys_that_it_does_not_know() -> None:
    data = changed(lambda values: (values.update(made_by="x"), weights(values).update(mode=420)))
    assert read_manifest(data) == manifest_of()


def test_read_names_a_newer_format() -> None:
    with pytest.raises(NewerManifest, match="format 2"):
        read_manifest(changed(lambda values: values.update(format=2)))


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.pop("format"),
        lambda values: values.update(format=True),
        lambda values: values.update(block_bytes=0),
        lambda values: values.update(block_bytes=1 << 40),
        lambda values: values.update(block_bytes=65536.0),
        lambda values: values.update(files={}),
        lambda values: values["files"].reverse(),
        lambda values: values["files"].append(values["files"][-1]),
        lambda values: values["files"].append("x"),
        lambda values: weights(values).update(name="../variables"),
        lambda values: weights(values).update(name="variables//x"),
        lambda values: weights(values).update(name="./variables"),
        lambda values: weights(values).update(name="SAVED_MODEL.PB"),
        lambda values: weights(values).update(name=""),
        lambda values: weights(values).update(name=None),
        lambda values: weights(values).update(size=-1),
        lambda values: weights(values).update(size=1 << 60),
        lambda values: weights(values).update(size="1"),
        lambda values: weights(values).update(size=weights(values)["size"] + BLOCK),
        lambda values: weights(values).update(sha256="0" * 63),
        lambda values: weights(values).update(sha256=["0" * 64]),
        lambda values: weights(values)["blocks"].append("0" * 64),
        lambda values: weights(values)["blocks"].__setitem__(3, "x" * 64),
        lambda values: weights(values).update(blocks=None),
        lambda values: values["files"][0].update(sha256="0" * 64),
    ],
)
def test_read_refuses_what_contradicts_itself_or_names_no_file(change: Callable[[Any], object]) -> None:
    with pytest.raises(FormatError, match="manifest") as caught:
        read_manifest(changed(change))
    assert type(caught.value) is FormatError
    assert caught.value.hint


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"<html>",
        b"\xff",
        b"[" * 50_000,
        write_manifest(manifest_of())[:-1],
        b'{"format": 1' + b"0" * 5000 + b"}",
    ],
    ids=lambda data: str(data[:12]),
)
def test_read_refuses_what_is_no_manifest(data: bytes) -> None:
    with pytest.raises(FormatError, match="the manifest"):
        read_manifest(data)


def test_read_refuses_a_manifest_that_is_too_large() -> None:
    with pytest.raises(FormatError, match=f"more than {SIZE_LIMIT_BYTES} bytes"):
        read_manifest(b" " * SIZE_LIMIT_BYTES + write_manifest(manifest_of()))


def test_read_refuses_a_manifest_of_too_many_files_and_folders() -> None:
    names = ["/".join(map(str, (number, *range(60)))) for number in range(2000)]
    with pytest.raises(FormatError, match="more than 100000 files and folders"):
        read_manifest(write_manifest(manifest_of(dict.fromkeys(names, b""))))


@pytest.mark.parametrize("item", [b"[],", b"{},"])
def test_read_refuses_a_manifest_that_would_fill_the_memory(item: bytes) -> None:
    with pytest.raises(FormatError, match="more than 100000 lists or objects"):
        read_manifest(b"[" + item * 100_001 + b"0]")


def test_read_refuses_an_empty_file_that_is_not_empty() -> None:
    empty = file_of("empty", b"")
    assert read_manifest(write_manifest(manifest_of({"empty": b""}))).files == (empty,)
    data = write_manifest(manifest_of({"empty": b""})).replace(empty.sha256.encode(), b"0" * 64)
    with pytest.raises(FormatError, match="its only block"):
        read_manifest(data)
