"""A folder as a store: links, names that are taken, and disks that fail."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rehub.errors import NotFoundError, StoreError
from rehub.storage.folder import TEMPORARY, FolderStore


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    (tmp_path / "secret").write_bytes(b"secret")
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> FolderStore:
    return FolderStore(root)


def test_store_fails_when_the_folder_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nowhere' is not a folder"):
        FolderStore(tmp_path / "nowhere")


def test_store_writes_nothing_before_it_is_asked_to(root: Path, store: FolderStore) -> None:
    store.info("a")
    list(store.list(""))
    store.delete("a")

    assert list(root.iterdir()) == []


def test_local_path_is_the_file(root: Path, store: FolderStore) -> None:
    store.put("a/b", b"x")

    assert store.local_path("a/b") == root / "a" / "b"
    assert store.local_path("") == root
    assert store.signed_url("a/b", 60) is None


def test_links_out_of_the_folder_lead_to_nothing(tmp_path: Path, root: Path, store: FolderStore) -> None:
    (root / "file").symlink_to(tmp_path / "secret")
    (root / "folder").symlink_to(tmp_path, target_is_directory=True)
    (root / "loop").symlink_to(root / "loop")

    for key in ("file", "folder/secret", "loop", "loop/x"):
        assert store.info(key) is None
        assert store.local_path(key) is None
        with pytest.raises(NotFoundError):
            store.read(key)
    assert list(store.list("")) == []
    assert store.folders("folder/") == ()
    assert store.folders("") == ()


@pytest.mark.parametrize("key", ["folder/x", "folder/x/y", "inside/x"])
def test_nothing_is_written_through_a_link(tmp_path: Path, root: Path, store: FolderStore, key: str) -> None:
    (root / "real").mkdir()
    (root / "inside").symlink_to(root / "real", target_is_directory=True)
    (root / "folder").symlink_to(tmp_path, target_is_directory=True)
    before = sorted(tmp_path.rglob("*"))

    for call in (lambda: store.put(key, b""), lambda: store.create(key, b""), lambda: store.delete(key)):
        with pytest.raises(StoreError, match="is a link"):
            call()

    assert sorted(tmp_path.rglob("*")) == before


def test_put_replaces_a_link_and_not_what_it_leads_to(tmp_path: Path, root: Path, store: FolderStore) -> None:
    (root / "file").symlink_to(tmp_path / "secret")

    assert store.create("file", b"new") is False
    store.put("file", b"new")

    assert store.read("file") == b"new"
    assert (tmp_path / "secret").read_bytes() == b"secret"


@pytest.mark.parametrize("key", ["a/b/c", "a"])
def test_put_fails_when_a_file_or_folder_is_in_the_way(store: FolderStore, root: Path, key: str) -> None:
    store.put("a/b", b"x")

    with pytest.raises(StoreError, match=f"'{key}' in .* cannot be written") as caught:
        store.put(key, b"y")

    assert (caught.value.key, caught.value.is_full) == (key, False)
    assert store.read("a/b") == b"x"
    assert list((root / TEMPORARY).iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_write_tells_that_the_disk_is_full_and_leaves_nothing(
    store: FolderStore, root: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreError, match=os.strerror(number)) as caught:
        store.write("a", [b"x"])

    assert caught.value.is_full
    assert "Make space" in caught.value.hint
    assert [path for path in root.rglob("*") if path.is_file()] == []


def test_read_tells_that_the_disk_fails(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("a", b"x")

    def fail(_: Path) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(StoreError, match=r"'a' in .* cannot be read: Input/output error"):
        store.read("a")


def test_list_leaves_out_names_that_are_no_keys(root: Path, store: FolderStore) -> None:
    store.put("a", b"")
    (root / "back\\slash").touch()
    (root / os.fsdecode(b"\xff")).touch()

    assert [info.key for info in store.list("") if not info.key.startswith("_rehub/")] == ["a"]


def test_delete_removes_the_folders_that_are_empty_then(root: Path, store: FolderStore) -> None:
    store.put("a/b/c/d", b"")
    store.put("a/x", b"")
    store.delete("a/b/c/d")

    assert [path.name for path in (root / "a").iterdir()] == ["x"]


def test_store_fails_when_its_folder_is_gone(root: Path, store: FolderStore) -> None:
    """As that of a disk that is no more mounted: nothing in it was removed, and nothing belongs in its place."""
    store.put("acme/a", b"a")
    root.rename(root.with_name("elsewhere"))
    works: list[Callable[[], object]] = [
        lambda: store.read("acme/a"),
        lambda: store.info("acme/a"),
        lambda: store.folders(""),
        lambda: list(store.list("acme/")),
        lambda: store.create("acme/b", b""),
        lambda: store.delete("acme/a"),
    ]
    for work in works:
        with pytest.raises(StoreError, match=r"cannot be (read|written)"):
            work()
    assert not root.exists()
