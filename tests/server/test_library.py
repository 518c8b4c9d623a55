"""What a hub has, in a folder and in a bucket: versions of each kind, publishers and collections."""

from __future__ import annotations

from pathlib import Path

import pytest

from rehub.errors import FormatError, NotFoundError, PublishError
from rehub.server.catalogue import Catalogue, Model
from rehub.server.library import Library, PlainVersion, PublishedVersion, Removed
from rehub.server.publishers import Collection, PublisherInfo, remove_collection, set_collection, set_publisher
from rehub.server.removal import remove
from rehub.server.uploads import Uploads
from rehub.storage.bucket import BucketStore
from rehub.storage.folder import FolderStore
from rehub.storage.interface import ObjectStore
from tests import sample
from tests.server import publishing
from tests.server.publishing import LATER, NAME, Watched, files_with, keys, published


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    (tmp_path / "store").mkdir()
    return FolderStore(tmp_path / "store") if request.param == "folder" else BucketStore("memory://")


@pytest.fixture
def library(store: ObjectStore) -> Library:
    return Library(store)


def test_library_has_what_was_published(store: ObjectStore, library: Library) -> None:
    uploads = Uploads(library)
    for version in (2, 10, 1):
        publishing.publish(uploads, files_with(str(version).encode()), version=version)
    publishing.publish(uploads, name="acme/text/encoder")

    assert library.models() == (Model(NAME, (1, 2, 10)), Model("acme/text/encoder", (1,)))
    assert library.find(NAME) == Model(NAME, (1, 2, 10))
    assert published(library, 10).record.content == publishing.content(files_with(b"10"))
    assert published(library, 10).prefix == f"acme/net/10/{publishing.content(files_with(b'10'))}/"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "acme",
        "acme/no",
        "acme/net/1",
        "_rehub",
        "_rehub/uploads/acme/net",
        "../acme",
        "acme//net",
        "a\0",
        "x" * 2000,
    ],
)
def test_library_has_nothing_else(library: Library, name: str) -> None:
    publishing.publish(Uploads(library))

    assert library.find(name) is None
    assert library.version(name, 1) is None
    assert library.collection(name, "x") is None
    assert library.collections(name) == ()


@pytest.mark.parametrize("number", [0, 2, -1, 10**30])
def test_library_has_no_other_version(library: Library, number: int) -> None:
    publishing.publish(Uploads(library))

    assert library.version(NAME, number) is None


def test_what_the_hub_keeps_for_itself_is_no_model(store: ObjectStore, library: Library) -> None:
    publishing.publish(Uploads(library))
    store.put("_rehub/net/1/manifest.json", store.read("acme/net/1/manifest.json"))
    store.put("_rehub/net/2/saved_model.pb", b"")

    assert library.models() == (Model(NAME, (1,)),)
    assert library.find("_rehub/net") is None
    assert library.version("_rehub/net", 1) is None
    assert library.version("_rehub/net", 2) is None


def test_files_in_a_version_are_no_models(store: ObjectStore, library: Library) -> None:
    publishing.publish(Uploads(library), {**publishing.FILES, "7/saved_model.pb": b"", "a/7/manifest.json": b"{}"})
    inside = published(library, 1).prefix

    assert library.models() == (Model(NAME, (1,)),)
    for name in (f"{inside}files", f"{inside}files/a"):
        assert library.find(name) is None
        assert library.version(name, 7) is None


def test_model_that_was_removed_is_not_listed_and_still_known(library: Library) -> None:
    publishing.publish(Uploads(library))
    publishing.publish(Uploads(library), files_with(b"2"))

    remove(library, NAME, 1, "Of no use.", now=LATER)
    assert library.models() == (Model(NAME, (2,), (1,)),)

    remove(library, NAME, 2, "Neither.")
    assert library.models() == ()
    assert library.find(NAME) == Model(NAME, (), (1, 2))
    assert library.version(NAME, 1) == Removed(NAME, 1, "Of no use.", LATER.replace(microsecond=0))


def test_remove_deletes_the_files_and_keeps_the_number(store: ObjectStore, library: Library) -> None:
    publishing.publish(Uploads(library))

    removed = remove(library, NAME, 1, "Of no use.")

    assert keys(store) == {"acme/net/1/manifest.json", "acme/net/1/tombstone.json"}
    assert remove(library, NAME, 1, "Again.") == removed
    assert publishing.publish(Uploads(library)).version == 2


def test_remove_fails_when_there_is_no_such_version(library: Library) -> None:
    with pytest.raises(NotFoundError, match="no version 3 of acme/net"):
        remove(library, NAME, 3, "x")


def test_remove_refuses_a_reason_without_end(library: Library) -> None:
    publishing.publish(Uploads(library))

    with pytest.raises(PublishError, match="too long"):
        remove(library, NAME, 1, "x" * 2001)
    assert isinstance(library.version(NAME, 1), PublishedVersion)


def test_version_whose_tombstone_is_damaged_stays_removed(store: ObjectStore, library: Library) -> None:
    publishing.publish(Uploads(library))
    store.put("acme/net/1/tombstone.json", b"[]")

    assert isinstance(Library(store).version(NAME, 1), Removed)


def test_version_whose_record_is_damaged_is_an_error(store: ObjectStore) -> None:
    store.put("acme/net/1/manifest.json", b"{}")

    with pytest.raises(FormatError, match="manifest"):
        Library(store).version(NAME, 1)


def test_folder_may_hold_plain_and_published_versions(tmp_path: Path) -> None:
    root = tmp_path
    sample.write(root / "acme" / "net" / "1", {**sample.FILES, "manifest.json": b"the model's own"})
    sample.write(root / "older_one" / "2" / "net" / "3")
    (root / "acme" / "link").symlink_to(root / "acme" / "net", target_is_directory=True)
    library = Library(FolderStore(root))
    assert publishing.publish(Uploads(library)).version == 2

    assert library.models() == (Model(NAME, (1, 2)), Model("older_one/2/net", (3,)))
    assert library.version(NAME, 1) == PlainVersion(NAME, 1, root / "acme" / "net" / "1")
    assert isinstance(library.version(NAME, 2), PublishedVersion)
    assert isinstance(library.version("acme/link", 1), PlainVersion)
    assert Catalogue(root).strays() == []


def test_plain_version_can_be_removed(tmp_path: Path) -> None:
    sample.write(tmp_path / "acme" / "net" / "1")
    library = Library(FolderStore(tmp_path))

    remove(library, NAME, 1, "x")

    assert library.find(NAME) == Model(NAME, (), (1,))
    assert keys(library.store) - {"_rehub/tmp"} == {"acme/net/1/tombstone.json"}
    assert Catalogue(tmp_path).models() == []


def test_plain_version_is_removed_before_its_files_are(tmp_path: Path) -> None:
    sample.write(tmp_path / "acme" / "net" / "1")
    (tmp_path / "acme" / "net" / "1" / "tombstone.json").write_bytes(b"{}")

    assert Catalogue(tmp_path).folder(NAME, 1) is None
    assert Catalogue(tmp_path).models() == []
    assert Library(FolderStore(tmp_path)).find(NAME) == Model(NAME, (), (1,))


def test_new_version_is_seen_on_another_server_within_seconds() -> None:
    store, clock = BucketStore("memory://"), Clock()
    here, there = Library(store), Library(store, clock=clock)
    publishing.publish(Uploads(here))
    assert there.find(NAME) == Model(NAME, (1,))
    assert there.models() == (Model(NAME, (1,)),)

    publishing.publish(Uploads(here), files_with(b"2"))
    assert isinstance(there.version(NAME, 2), PublishedVersion)
    assert there.find(NAME) == Model(NAME, (1,))
    clock.now += 2
    assert there.find(NAME) == Model(NAME, (1, 2))
    assert there.models() == (Model(NAME, (1,)),)
    clock.now += 3
    assert there.models() == (Model(NAME, (1, 2)),)

    remove(here, NAME, 2, "x")
    clock.now += 2
    assert isinstance(there.version(NAME, 2), Removed)


def test_bucket_is_not_asked_again_for_what_was_just_asked() -> None:
    watched = Watched(BucketStore("memory://"))
    publishing.publish(Uploads(Library(watched)))
    clock = Clock()
    library = Library(watched, clock=clock)
    for _ in range(2):
        library.version(NAME, 1), library.find(NAME), library.models(), library.publisher("acme")
        asked, watched.calls = watched.calls, []

    assert asked == []
    clock.now += 2
    library.version(NAME, 1)
    assert watched.calls == ["info", "info"]  # and not read


def test_publisher_is_as_the_hub_is_until_it_is_set(store: ObjectStore) -> None:
    assert Library(store).publisher("acme") == PublisherInfo("acme", is_private=False)
    assert Library(store, is_private=True).publisher("acme").is_private is True

    set_publisher(store, "acme", is_private=False)
    assert Library(store, is_private=True).publisher("acme").is_private is False


def test_set_publisher_changes_what_is_named_alone(store: ObjectStore, library: Library) -> None:
    set_publisher(store, "acme", is_private=True, title="Acme")
    set_publisher(store, "acme", description="# Ü\n")
    publishing.publish(Uploads(library), name="other/net")

    assert library.publisher("acme") == PublisherInfo("acme", True, "Acme", "# Ü\n")
    assert [info.name for info in library.publishers()] == ["acme", "other"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Acme", {}),
        ("../x", {}),
        ("acme", {"title": "a\nb"}),
        ("acme", {"title": "x" * 201}),
        ("acme", {"description": "x" * 300_000}),
    ],
)
def test_set_publisher_refuses_what_cannot_be_set(store: ObjectStore, name: str, values: dict[str, str]) -> None:
    with pytest.raises(PublishError):
        set_publisher(store, name, **values)  # type: ignore[arg-type]
    assert keys(store) == set()


def test_collections_are_those_of_a_publisher(store: ObjectStore, library: Library) -> None:
    texts = Collection("acme", "texts", "Texts", "All of them.", ("acme/net", "other/net"))
    set_collection(store, texts)
    set_collection(store, Collection("acme", "images"))
    set_collection(store, Collection("other", "texts"))

    assert library.collections("acme") == (Collection("acme", "images"), texts)
    assert library.collection("acme", "texts") == texts
    assert library.collection("acme", "no") is None

    remove_collection(store, "acme", "texts")
    assert Library(store).collections("acme") == (Collection("acme", "images"),)
    with pytest.raises(NotFoundError, match="no collection acme/texts"):
        remove_collection(store, "acme", "texts")


@pytest.mark.parametrize(
    "collection",
    [
        Collection("Acme", "x"),
        Collection("acme", "a/b"),
        Collection("acme", ".."),
        Collection("acme", "x", models=("net",)),
    ],
)
def test_set_collection_refuses_what_cannot_be_set(store: ObjectStore, collection: Collection) -> None:
    with pytest.raises(PublishError):
        set_collection(store, collection)
    assert keys(store) == set()


@pytest.mark.parametrize("data", [b"", b"[]", b'{"models": "x", "private": 1}', b"[" * 100_000])
def test_damaged_settings_are_an_error(store: ObjectStore, data: bytes) -> None:
    store.put("_rehub/publishers/acme.json", data)
    store.put("_rehub/collections/acme/x.json", data)

    with pytest.raises(FormatError, match="publisher 'acme' is damaged"):
        Library(store).publisher("acme")
    with pytest.raises(FormatError, match="collection acme/x is damaged"):
        Library(store).collections("acme")
