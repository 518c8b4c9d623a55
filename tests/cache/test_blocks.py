"""Looking for blocks in a cache folder."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from rehub.cache import blocks, layout
from rehub.formats.manifest import write_manifest
from tests.manifests import manifest_of, sha256

LEAF = PurePosixPath("hub.test/acme/net/2")


def add(root: Path, leaf: str, *contents: bytes) -> Path:
    """Adds a manifest of files of one block each; where models may lie, there are its blocks."""
    path = root / layout.manifest(PurePosixPath(leaf))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(write_manifest(manifest_of({f"{number}": data for number, data in enumerate(contents)})))
    return root / leaf


def find(root: Path, *contents: bytes) -> dict[bytes, Path]:
    found = blocks.find(root, LEAF, map(sha256, contents))
    return {data: found[sha256(data)].path for data in contents if sha256(data) in found}


@pytest.fixture
def walked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders that are looked into below the first one."""
    seen: list[str] = []
    real = os.scandir

    def scandir(path: Any) -> Any:
        seen.append(os.fspath(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    return seen


def test_find_looks_into_other_versions_first(tmp_path: Path) -> None:
    add(tmp_path, "a.test/acme/net/1", b"one", b"two")
    near = add(tmp_path, "hub.test/acme/net/1", b"one")
    assert find(tmp_path, b"one") == {b"one": near / "0"}


def test_find_looks_into_all_models(tmp_path: Path) -> None:
    leaves = ("hub.test/acme/net/1", "hub.test/net-0123456789ab", "http_a_80/deep/er/still/net-0123456789ab/3")
    places = {leaf.encode(): add(tmp_path, leaf, leaf.encode()) / "0" for leaf in leaves}
    assert find(tmp_path, *places, b"nowhere") == places


def test_find_ends_as_soon_as_nothing_is_missing(tmp_path: Path, walked: list[str]) -> None:
    add(tmp_path, "hub.test/acme/net/1", b"one")
    (tmp_path / "a.test/acme/net").mkdir(parents=True)
    assert find(tmp_path, b"one")
    assert not [path for path in walked if "a.test" in path]
    assert find(tmp_path, b"one", b"two")
    assert [path for path in walked if "a.test" in path]


@pytest.mark.parametrize(
    "folder",
    [
        ".staging/hub.test/acme",
        "hub.test/acme/net/1/assets",
        "hub.test/acme/net/2/assets",
        "hub.test/acme/7/net",
        "hub.test/.git/net",
        "hub.test/Acme/net",
        "hub.test/with space/net",
        "hub.test/a/b/c/d/e/f/g/h/i",
    ],
)
def test_find_looks_into_no_folder_that_holds_no_models(tmp_path: Path, folder: str, walked: list[str]) -> None:
    add(tmp_path, "hub.test/acme/net/1", b"other")
    (tmp_path / "hub.test/acme/net/2.rehub.json").touch()
    add(tmp_path, f"{folder}/1", b"one")
    assert find(tmp_path, b"one") == {}
    assert str(tmp_path / folder) not in walked
