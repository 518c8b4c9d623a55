"""What is left over goes, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest

from rehub.server.gc import collect
from rehub.server.library import Library
from rehub.server.removal import remove
from rehub.server.uploads import Uploads
from rehub.storage.bucket import BucketStore
from rehub.storage.folder import FolderStore
from rehub.storage.interface import ObjectInfo, ObjectStore
from tests import sample
from tests.server import publishing
from tests.server.publishing import FILES, LATER, NAME, Watched, check_whole, files_with, keys, keys_of

ORPHAN = f"acme/net/1/{'0' * 32}/"


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    (tmp_path / "store").mkdir()
    return FolderStore(tmp_path / "store") if request.param == "folder" else BucketStore("memory://")


def test_collect_deletes_what_is_left_over(store: ObjectStore) -> None:
    uploads = Uploads(Library(store))
    publishing.publish(uploads)
    publishing.begin(uploads, files_with(b"never committed"))
    left = {f"{ORPHAN}files/saved_model.pb", f"{ORPHAN}model.tar.gz", f"acme/new/3/{'1' * 32}/files/a/b"}
    for key in left:
        store.put(key, b"12")
    store.put("_rehub/tmp/0123", b"cut off")
    before = keys(store)

    found = collect(Library(store), now=LATER, is_dry=True)
    assert keys(store) == before
    assert collect(Library(store), now=LATER) == found

    assert keys(store) == keys_of(NAME, 1) == before - set(found.keys)
    assert left < set(found.keys)
    assert found.size_bytes > 6
    check_whole(store)
    assert collect(Library(store), now=LATER).keys == ()


def test_collect_leaves_what_somebody_may_be_at(store: ObjectStore) -> None:
    publishing.begin(Uploads(Library(store)))
    store.put(f"{ORPHAN}files/x", b"")
    store.put("_rehub/tmp/0123", b"")
    before = keys(store)

    assert collect(Library(store)).keys == ()
    assert collect(Library(store), now=LATER, keep_s=7 * 86_400).keys == ()
    assert keys(store) == before


def test_collect_leaves_settings_and_what_is_not_the_hubs(store: ObjectStore) -> None:
    others = {
        *("_rehub/tokens/x.json", "_rehub/publishers/acme.json", "_rehub/collections/acme/x.json", "readme.md"),
        *("acme/net/1/notes.txt", f"acme/net/1/{'0' * 32}/notes.txt", f"acme/net/{'0' * 32}/files/x"),
        *("_rehub/uploads/acme/notes.txt", f"acme/2/net/1/{'0' * 32}/files/x", "acme/net/saved_model.pb"),
    }
    for key in others:
        store.put(key, b"")

    assert collect(Library(store), now=LATER).keys == ()
    assert keys(store) == others


def test_collect_leaves_plain_versions_whatever_they_hold(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    sample.write(tmp_path / "acme" / "net" / "1", {"saved_model.pb": b"", f"{'0' * 32}/files/x": b""})

    assert collect(Library(store), now=LATER).keys == ()
    assert (tmp_path / ORPHAN / "files" / "x").exists()


def test_collect_deletes_the_rest_of_a_version_that_was_removed(store: ObjectStore) -> None:
    publishing.publish(Uploads(Library(store)))
    store.put("acme/net/1/tombstone.json", b'{"reason": "x", "removed": "2026-01-01T00:00:00+00:00"}')

    collect(Library(store))

    assert keys(store) == {"acme/net/1/manifest.json", "acme/net/1/tombstone.json"}


def test_collect_leaves_a_version_whose_record_is_damaged(store: ObjectStore) -> None:
    publishing.publish(Uploads(Library(store)))
    store.put("acme/net/1/manifest.json", b"{}")
    store.put(f"{ORPHAN}model.tar.gz", b"")
    before = keys(store)

    assert collect(Library(store), now=LATER).keys == ()
    assert keys(store) == before


class _Revived(Watched):
    """A store in which somebody writes an object in the moment before others are deleted."""

    def __init__(self, store: ObjectStore, revived: str) -> None:
        super().__init__(store)
        self._revived = revived

    def delete(self, key: str) -> None:
        raise AssertionError(f"{key} is in use")

    def info(self, key: str) -> ObjectInfo | None:
        if key == self._revived:
            return ObjectInfo(key, 0, "new", LATER)
        found: ObjectInfo | None = self._store.info(key)
        return found


@pytest.mark.parametrize("revived", ["acme/net/1/manifest.json", f"{ORPHAN}files/a"])
def test_collect_leaves_what_somebody_goes_on_with_meanwhile(store: ObjectStore, revived: str) -> None:
    store.put(f"{ORPHAN}files/a", b"")

    assert collect(Library(store), now=LATER, is_dry=True).keys == (f"{ORPHAN}files/a",)
    assert collect(Library(_Revived(store, revived)), now=LATER).keys == ()


def test_removed_version_can_be_collected_and_its_publisher_goes_on(store: ObjectStore) -> None:
    library = Library(store)
    publishing.publish(Uploads(library))
    remove(library, NAME, 1, "x")
    collect(library, now=LATER)

    publishing.publish(Uploads(library))

    check_whole(store, 2, FILES)
