"""Versions appear whole or not at all, whoever races, and whatever fails."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import tempfile
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from rehub.archive.writing import pack
from rehub.errors import (
    ChecksumError,
    ConflictError,
    FormatError,
    IncompleteError,
    NotFoundError,
    PublishError,
    StoreError,
)
from rehub.formats.manifest import Manifest, write_manifest
from rehub.server.commit import Committed, commit
from rehub.server.gc import collect
from rehub.server.library import Library
from rehub.server.removal import remove
from rehub.server.uploads import Uploads
from rehub.storage.bucket import BucketStore
from rehub.storage.folder import FolderStore
from rehub.storage.interface import ObjectStore
from tests import sample
from tests.manifests import BLOCK, file_of, manifest_of, sha256
from tests.server import publishing
from tests.server.publishing import FILES, LATER, NAME, Watched, check_whole, files_with, keys, keys_of, published

CARD = b"---\ntitle: A net\ntask: [text-embedding]\n---\n\n# A net\n"


class Ended(BaseException):
    """The process has ended here."""


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    (tmp_path / "store").mkdir()
    return FolderStore(tmp_path / "store") if request.param == "folder" else BucketStore("memory://")


@pytest.fixture
def uploads(store: ObjectStore) -> Uploads:
    return Uploads(Library(store))


def test_commit_makes_a_version_of_an_upload(uploads: Uploads, store: ObjectStore) -> None:
    committed = publishing.publish(uploads, card=CARD)

    assert committed == Committed(NAME, 1, is_new=True)
    check_whole(store)
    version = published(uploads.library, 1)
    assert uploads.library.card(version) == CARD
    assert version.record.card == {"title": "A net", "task": ["text-embedding"]}
    assert version.record.interface["format"] == "saved_model_1"
    assert "folder" not in version.record.interface
    assert version.record.publication is not None
    assert version.record.publication.by == "tester"
    assert keys(store) == keys_of(NAME, 1) | {f"{version.prefix}card-{sha256(CARD)}.md"}


def test_commit_makes_the_archive_that_packing_the_folder_makes(
    uploads: Uploads, store: ObjectStore, tmp_path: Path
) -> None:
    publishing.publish(uploads)
    with (tmp_path / "packed").open("w+b") as out:
        pack(sample.write(tmp_path / "model", FILES), out)

    assert store.read(published(uploads.library, 1).archive_key) == (tmp_path / "packed").read_bytes()


def test_commit_takes_the_next_free_number(uploads: Uploads) -> None:
    publishing.publish(uploads, version=7)
    publishing.publish(uploads, files_with(b"8"))
    remove(uploads.library, NAME, 8, "bad")

    assert publishing.publish(uploads, files_with(b"9")).version == 9


@pytest.mark.parametrize("version", [None, 1])
def test_commit_publishes_the_same_files_once(uploads: Uploads, store: ObjectStore, version: int | None) -> None:
    publishing.publish(uploads)
    content = publishing.content()

    again = commit(uploads, NAME, version, content, by="tester")

    assert again == Committed(NAME, 1, is_new=False)
    assert keys(store) == keys_of(NAME, 1)


def test_commit_publishes_the_same_files_under_another_number_when_it_is_named(uploads: Uploads) -> None:
    publishing.publish(uploads)
    publishing.publish(uploads, files_with(b"2"))

    assert publishing.publish(uploads, version=3) == Committed(NAME, 3, is_new=True)
    assert commit(uploads, NAME, None, publishing.content(), by="tester").version == 3


def test_commit_makes_a_version_of_blocks_that_were_published_before(uploads: Uploads, store: ObjectStore) -> None:
    publishing.publish(uploads)
    files = {**files_with(b"new"), "assets/more": FILES[publishing.WEIGHTS]}

    publishing.publish(uploads, files, name="acme/other")

    check_whole(store, 1, files, "acme/other")


def test_commit_takes_models_of_other_formats(uploads: Uploads) -> None:
    publishing.publish(uploads, {"net.tflite": b"TFL3"})

    assert published(uploads.library, 1).record.interface == {}


def test_commit_fails_when_blocks_are_missing(uploads: Uploads, store: ObjectStore) -> None:
    upload = uploads.begin(NAME, None, write_manifest(manifest_of(FILES)))
    blocks = publishing.blocks_of(FILES)
    for block in upload.missing[1:]:
        uploads.put_block(NAME, upload.content, block, blocks[block])

    with pytest.raises(IncompleteError, match="1 block of the upload") as caught:
        commit(uploads, NAME, None, upload.content, by="tester")
    assert caught.value.missing == upload.missing[:1]
    assert uploads.library.find(NAME) is None

    uploads.put_block(NAME, upload.content, upload.missing[0], blocks[upload.missing[0]])
    commit(uploads, NAME, None, upload.content, by="tester")
    check_whole(store)


def test_commit_asks_again_for_a_block_that_the_store_has_damaged(uploads: Uploads, store: ObjectStore) -> None:
    content, block = publishing.begin(uploads), sha256(b"end")
    store.put(f"_rehub/uploads/{NAME}/{content}/blocks/{block}", b"eNd")

    with pytest.raises(IncompleteError) as caught:
        commit(uploads, NAME, None, content, by="tester")
    assert caught.value.missing == (block,)

    uploads.put_block(NAME, content, block, b"end")
    commit(uploads, NAME, None, content, by="tester")
    check_whole(store)


def test_commit_fails_when_there_is_no_such_upload(uploads: Uploads) -> None:
    with pytest.raises(NotFoundError, match="there is no upload"):
        commit(uploads, NAME, None, publishing.content(), by="tester")


@pytest.mark.parametrize("version", [1, 2])
def test_commit_fails_when_the_version_was_there_before(uploads: Uploads, store: ObjectStore, version: int) -> None:
    content = publishing.begin(uploads, files_with(b"mine"))
    publishing.publish(uploads)
    publishing.publish(uploads, files_with(b"2"))
    remove(uploads.library, NAME, 2, "bad")

    with pytest.raises(ConflictError, match=f"version {version} of acme/net"):
        commit(uploads, NAME, version, content, by="tester")

    check_whole(store)


def _manifest_with_wrong_file() -> Manifest:
    wrong = file_of(publishing.WEIGHTS, FILES[publishing.WEIGHTS])
    files = tuple(file for file in manifest_of(FILES).files if file.name != publishing.WEIGHTS)
    return Manifest((*files, type(wrong)(wrong.name, wrong.size_bytes, "0" * 64, wrong.blocks)), BLOCK)


def test_commit_fails_when_a_file_is_not_what_the_manifest_says(uploads: Uploads, store: ObjectStore) -> None:
    upload = uploads.begin(NAME, None, write_manifest(_manifest_with_wrong_file()))
    for block, data in publishing.blocks_of(FILES).items():
        uploads.put_block(NAME, upload.content, block, data)

    with pytest.raises(ChecksumError, match="the manifest says 0000"):
        commit(uploads, NAME, None, upload.content, by="tester")

    assert keys(store) == set()


@pytest.mark.parametrize(
    ("files", "error", "message"),
    [
        ({**FILES, "saved_model.pb": b"\xff" * 40}, FormatError, "^saved_model.pb: damaged"),
        ({"saved_model.pb": b""}, FormatError, "saved_model.pb"),
    ],
)
def test_commit_fails_when_the_model_is_damaged(
    uploads: Uploads, store: ObjectStore, files: Mapping[str, bytes], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        publishing.publish(uploads, files)

    assert "rehub-hub-" not in str(caught.value)
    assert "saved_model.pb" in str(caught.value)
    assert keys(store) == set()


def test_commit_fails_when_the_model_lacks_files(uploads: Uploads, store: ObjectStore) -> None:
    folder = Path(__file__).parents[1] / "data" / "saved_models"
    model = next(path.parent for path in sorted(folder.rglob("saved_model.pb")) if (path.parent / "variables").is_dir())
    files = {name: data for name, data in sample.read(model).items() if "data-" not in name}

    with pytest.raises(PublishError, match=r"needs files that it does not have: variables/variables\.data"):
        publishing.publish(uploads, files)

    assert keys(store) == set()


def test_commit_tells_the_interface_of_a_model_without_its_variables(uploads: Uploads) -> None:
    import rehub

    folder = Path(__file__).parents[1] / "data" / "tf1_hub" / "rich"
    publishing.publish(uploads, sample.read(folder))

    expected = json.loads(json.dumps(rehub.inspect(folder).to_json()))
    del expected["folder"]
    assert dict(published(uploads.library, 1).record.interface) == expected


def test_commit_reads_no_graph_that_would_take_much_memory(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(__file__).parents[1] / "data" / "tf1_hub" / "rich"
    files = sample.read(folder)
    monkeypatch.setattr("rehub.server.interface.GRAPH_LIMIT_BYTES", len(files["saved_model.pb"]) - 1)
    publishing.publish(uploads, files)

    assert published(uploads.library, 1).record.interface == {}


@pytest.mark.parametrize(("number", "is_full"), [(errno.ENOSPC, True), (errno.EACCES, False)])
def test_commit_fails_when_there_is_no_space_for_temporary_files(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch, number: int, is_full: bool
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    content = publishing.begin(uploads)
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "mkdtemp", fail)
        with pytest.raises(StoreError, match=os.strerror(number)) as caught:
            commit(uploads, NAME, None, content, by="tester")
    assert caught.value.is_full is is_full
    assert uploads.library.find(NAME) is None

    assert commit(uploads, NAME, None, content, by="tester").version == 1


def test_commit_fails_when_the_card_is_damaged(uploads: Uploads) -> None:
    with pytest.raises(FormatError):
        publishing.publish(uploads, card=b"---\nnever ends")

    assert uploads.library.find(NAME) is None


@pytest.mark.parametrize("version", [None, 5])
def test_commits_that_race_on_one_store_never_mix(store: ObjectStore, version: int | None) -> None:
    models = [files_with(bytes([number])) for number in range(4)]
    for files in models:
        publishing.begin(Uploads(Library(store)), files)
    barrier = threading.Barrier(len(models))
    results: dict[int, Committed | Exception] = {}

    def work(number: int) -> None:
        uploads = Uploads(Library(store))
        barrier.wait()
        try:
            results[number] = commit(uploads, NAME, version, publishing.content(models[number]), by=str(number))
        except ConflictError as error:
            results[number] = error

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(models))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    won = {number: result for number, result in results.items() if isinstance(result, Committed)}
    numbers = sorted(result.version for result in won.values())
    assert numbers == ([5] if version else [1, 2, 3, 4])
    expected = set()
    for number, result in won.items():
        check_whole(store, result.version, models[number])
        expected |= keys_of(NAME, result.version, models[number])
    assert {key for key in keys(store) if not key.startswith("_rehub/")} == expected


def test_commits_of_the_same_files_that_race_give_one_version(store: ObjectStore) -> None:
    publishing.begin(Uploads(Library(store)))
    barrier = threading.Barrier(3)
    results: list[Committed] = []

    def work() -> None:
        uploads = Uploads(Library(store))
        barrier.wait()
        results.append(commit(uploads, NAME, 1, publishing.content(), by="tester"))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [result.version for result in results] == [1, 1, 1]
    assert sum(result.is_new for result in results) == 1
    check_whole(store)
    assert {key for key in keys(store) if not key.startswith("_rehub/")} == keys_of(NAME, 1)


def _begun() -> ObjectStore:
    """Returns a store with a version, and an upload of another one."""
    store = BucketStore("memory://")
    uploads = Uploads(Library(store))
    publishing.publish(uploads, files_with(b"1"))
    publishing.begin(uploads)
    return store


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("error", [Ended(), StoreError("the store is slow.", hint="Wait.")], ids=["ends", "fails"])
def test_commit_succeeds_later_at_whichever_call_it_ended_or_the_store_failed(
    error: BaseException, is_after: bool
) -> None:
    def fail() -> None:
        raise error

    version_1, version_2 = keys_of(NAME, 1, files_with(b"1")), keys_of(NAME, 2)
    for at in itertools.count(1):
        store = _begun()
        watched = Watched(store, at, fail, is_after)
        with contextlib.suppress(Ended, StoreError):
            commit(Uploads(Library(watched)), NAME, None, publishing.content(), by="tester")
        if len(watched.calls) < at:
            break
        found = Library(store).find(NAME)
        assert found is not None
        if found.versions != (1,):
            check_whole(store, 2)

        if at % 2:  # whoever does not try again leaves nothing behind
            collect(Library(store), now=LATER)
            assert keys(store) in (version_1, version_1 | version_2)
            publishing.publish(Uploads(Library(store)))
        else:
            commit(Uploads(Library(store)), NAME, None, publishing.content(), by="tester")

        check_whole(store, 2)
        check_whole(store, 1, files_with(b"1"))
        collect(Library(store), now=LATER)
        assert keys(store) == version_1 | version_2
    assert at > 25


def _calls_of_commit() -> list[str]:
    watched = Watched(_begun())
    commit(Uploads(Library(watched)), NAME, None, publishing.content(), by="tester")
    return watched.calls


def test_commit_succeeds_at_whichever_call_the_same_ends_elsewhere() -> None:
    ends = []
    for at in range(1, len(_calls_of_commit()) + 1):
        store = _begun()
        elsewhere = partial(commit, Uploads(Library(store)), NAME, None, publishing.content(), by="other")
        watched = Watched(store, at, elsewhere)

        ends.append(commit(Uploads(Library(watched)), NAME, None, publishing.content(), by="tester"))

        check_whole(store, 2)
        assert {key for key in keys(store) if key.startswith("acme/net/2/")} == keys_of(NAME, 2)
    assert {end.version for end in ends} == {2}


def test_commit_fails_when_a_file_vanishes_before_the_version_is_made() -> None:
    store, calls = _begun(), _calls_of_commit()
    last = max(number for number, call in enumerate(calls[: calls.index("create")], 1) if call == "list")
    key = f"{NAME}/2/{publishing.content()}/files/saved_model.pb"
    watched = Watched(store, last, lambda: store.delete(key))

    with pytest.raises(IncompleteError, match="were deleted"):
        commit(Uploads(Library(watched)), NAME, None, publishing.content(), by="tester")
    assert Library(store).version(NAME, 2) is None

    commit(Uploads(Library(store)), NAME, None, publishing.content(), by="tester")
    check_whole(store, 2)


def test_commit_shows_that_somebody_is_at_the_upload_before_it_writes() -> None:
    store, calls = _begun(), _calls_of_commit()
    key = f"_rehub/uploads/{NAME}/{publishing.content()}/manifest.json"
    etags = [store.info(key)]
    watched = Watched(store, calls.index("write") + 1, lambda: etags.append(store.info(key)))

    commit(Uploads(Library(watched)), NAME, None, publishing.content(), by="tester")

    assert len(etags) == 2
    assert None not in etags
    assert etags[0] != etags[1]


def test_commit_holds_no_more_than_a_block_in_memory(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    watched = Watched(FolderStore(tmp_path / "store"))
    block = 4 << 20
    files = {**FILES, "large": bytes(3 * block + 1)}
    uploads = Uploads(Library(watched))
    upload = uploads.begin(NAME, None, write_manifest(manifest_of(files, block)))
    for data in (*FILES.values(), bytes(block), bytes(1)):
        if data:
            uploads.put_block(NAME, upload.content, sha256(data), data)

    commit(uploads, NAME, None, upload.content, by="tester")

    assert watched.largest == block
    assert len(published(Library(watched), 1).record.manifest.files) == len(files)
