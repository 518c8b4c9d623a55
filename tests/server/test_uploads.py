"""Uploads: which blocks are asked for, and which are taken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rehub.errors import ChecksumError, ConflictError, FormatError, LimitError, NotFoundError, PublishError
from rehub.formats.manifest import write_manifest
from rehub.server.catalogue import Address, parse_address
from rehub.server.library import Library
from rehub.server.names import check_model
from rehub.server.removal import remove
from rehub.server.uploads import Uploads
from rehub.storage.bucket import BucketStore
from rehub.storage.folder import FolderStore
from rehub.storage.interface import ObjectStore, check_key
from tests import sample
from tests.manifests import BLOCK, manifest_of, sha256
from tests.server import publishing
from tests.server.publishing import FILES, NAME, WEIGHTS, files_with

MANIFEST = write_manifest(manifest_of(FILES))


@pytest.fixture
def store() -> ObjectStore:
    return BucketStore("memory://")


@pytest.fixture
def uploads(store: ObjectStore) -> Uploads:
    return Uploads(Library(store))


def test_begin_asks_for_every_block_once(uploads: Uploads) -> None:
    files = {**FILES, "assets/twice": FILES["assets/words.txt"]}
    upload = uploads.begin(NAME, None, write_manifest(manifest_of(files)))

    assert upload.content == publishing.content(files)
    assert upload.version is None
    assert sorted(upload.missing) == sorted(publishing.blocks_of(files))


def test_begin_continues_an_upload_of_the_same_files(uploads: Uploads, store: ObjectStore) -> None:
    upload = uploads.begin(NAME, 3, MANIFEST)
    sent = upload.missing[1]
    uploads.put_block(NAME, upload.content, sent, publishing.blocks_of(FILES)[sent])

    again = Uploads(Library(store)).begin(NAME, None, json.dumps(json.loads(MANIFEST), indent=1).encode())

    assert again.content == upload.content
    assert again.missing == tuple(block for block in upload.missing if block != sent)


def test_begin_asks_for_no_block_that_the_publisher_has(uploads: Uploads) -> None:
    publishing.publish(uploads)
    publishing.publish(uploads, files_with(b"others"))

    upload = uploads.begin("acme/other", None, write_manifest(manifest_of(files_with(b"new"))))

    assert upload.missing == (sha256(b"new"),)


def test_begin_asks_for_blocks_that_another_publisher_has(uploads: Uploads) -> None:
    publishing.publish(uploads)

    assert len(uploads.begin("rival/net", None, MANIFEST).missing) == len(publishing.blocks_of(FILES))


def test_begin_asks_for_blocks_of_a_version_that_was_removed(uploads: Uploads) -> None:
    publishing.publish(uploads)
    remove(uploads.library, NAME, 1, "gone")

    assert len(uploads.begin(NAME, None, MANIFEST).missing) == len(publishing.blocks_of(FILES))


def test_begin_asks_for_nothing_when_the_version_is_there(uploads: Uploads) -> None:
    publishing.publish(uploads)

    assert uploads.begin(NAME, 1, MANIFEST) == uploads.begin(NAME, None, MANIFEST)
    assert uploads.begin(NAME, 1, MANIFEST).version == 1
    assert uploads.begin(NAME, 1, MANIFEST).missing == ()


@pytest.mark.parametrize("is_removed", [False, True])
def test_begin_fails_when_the_version_was_there_before(uploads: Uploads, is_removed: bool) -> None:
    publishing.publish(uploads)
    if is_removed:
        remove(uploads.library, NAME, 1, "gone")

    what = "was removed; its number is never used again" if is_removed else "exists with other files"
    with pytest.raises(ConflictError, match=f"version 1 of acme/net {what}") as caught:
        uploads.begin(NAME, 1, write_manifest(manifest_of(files_with(b"x"))))

    assert "next one that is free" in caught.value.hint


def test_begin_fails_when_a_plain_version_has_the_number(tmp_path: Path) -> None:
    sample.write(tmp_path / "acme" / "net" / "4")
    uploads = Uploads(Library(FolderStore(tmp_path)))

    with pytest.raises(ConflictError, match="version 4"):
        uploads.begin(NAME, 4, MANIFEST)
    assert publishing.publish(uploads).version == 5


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "acme",
            "acme/",
            "/net",
            "acme//net",
            "acme/../net",
            "../acme/net",
            "acme/./net",
            "acme/net/",
            "acme/.net",
        ),
        *("Acme/net", "a_b/net", "acme.x/net", "ä/net", "_rehub/net", "api/net", "metrics/net", "healthz/net"),
        *(
            "acme/net/1",
            "acme/1",
            "acme/1/net",
            "acme/collection/net",
            "acme/a\\b",
            "acme/a:b",
            "acme/a\nb",
            "acme/a\0b",
        ),
        *(
            "acme/nul",
            "acme/net.",
            "acme/net ",
            "acme/\udc80",
            "acme/" + "x" * 256,
            "acme/" + "x/" * 200 + "x",
            "٣/net",
            "acme/n\u200bet",  # which looks like another name
        ),
    ],
    ids=ascii,
)
def test_begin_refuses_a_name_that_cannot_be_published(uploads: Uploads, store: ObjectStore, name: str) -> None:
    with pytest.raises(PublishError) as caught:
        uploads.begin(name, None, MANIFEST)

    assert caught.value.hint
    assert publishing.keys(store) == set()


@settings(max_examples=200, deadline=None)
@given(name=st.text(max_size=12) | st.from_regex(r"[a-z]{1,3}/[^\x00]{0,9}", fullmatch=True))
def test_names_that_can_be_published_have_keys_and_urls(name: str) -> None:
    try:
        publisher = check_model(name)
    except PublishError:
        return
    assert name.startswith(f"{publisher}/")
    assert parse_address(f"/{name}/7") == Address(name, 7)
    assert check_key(f"{name}/7/manifest.json")


@pytest.mark.parametrize("name", ["acme/net", "acme-2/Größe é/b_ert.v2", "a/" + "x" * 200, "acme/007"])
def test_begin_takes_names_that_urls_and_disks_can_have(uploads: Uploads, name: str) -> None:
    assert publishing.publish(uploads, name=name).version == 1


@pytest.mark.parametrize("version", [-1, 10**18, 10**6000], ids=["negative", "long", "absurd"])
def test_begin_refuses_a_number_that_is_no_version(uploads: Uploads, version: int) -> None:
    with pytest.raises(PublishError, match="no number of a version"):
        uploads.begin(NAME, version, MANIFEST)


@pytest.mark.parametrize("manifest", [b"", b"{}", MANIFEST[:-1], MANIFEST.replace(b"words.txt", b"../../x.txt")])
def test_begin_refuses_a_damaged_manifest(uploads: Uploads, manifest: bytes) -> None:
    with pytest.raises(FormatError, match="the manifest"):
        uploads.begin(NAME, None, manifest)


def test_begin_refuses_files_without_a_model(uploads: Uploads) -> None:
    with pytest.raises(PublishError, match="no model among the files"):
        uploads.begin(NAME, None, write_manifest(manifest_of({"readme.txt": b"x"})))


def test_begin_refuses_a_file_whose_name_leaves_no_room(uploads: Uploads) -> None:
    files = {**FILES, "/".join(["x" * 249] * 4): b""}

    with pytest.raises(PublishError, match="is too long"):
        uploads.begin(NAME, None, write_manifest(manifest_of(files)))


def test_begin_refuses_more_than_the_hub_takes(store: ObjectStore) -> None:
    size = sum(map(len, FILES.values()))

    with pytest.raises(LimitError, match=f"{size} bytes, and this hub takes {size - 1}"):
        Uploads(Library(store), limit_bytes=size - 1).begin(NAME, None, MANIFEST)
    with pytest.raises(LimitError, match="blocks of 8388608 bytes"):
        Uploads(Library(store)).begin(NAME, None, write_manifest(manifest_of(FILES, 8 << 20)))
    assert publishing.keys(store) == set()
    Uploads(Library(store), limit_bytes=size).begin(NAME, None, MANIFEST)


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data + b"x", lambda data: b"x" + data[1:]])
def test_put_block_refuses_other_bytes(uploads: Uploads, store: ObjectStore, damage: object) -> None:
    upload = uploads.begin(NAME, None, MANIFEST)
    before, block = publishing.keys(store), upload.missing[0]

    with pytest.raises(ChecksumError) as caught:
        uploads.put_block(NAME, upload.content, block, damage(publishing.blocks_of(FILES)[block]))  # type: ignore[operator]

    assert (caught.value.expected, len(caught.value.actual)) == (block, 64)
    assert publishing.keys(store) == before


@pytest.mark.parametrize("block", [sha256(b"other"), "", "../../x", "x" * 64])
def test_put_block_refuses_a_block_of_no_file(uploads: Uploads, block: str) -> None:
    upload = uploads.begin(NAME, None, MANIFEST)

    with pytest.raises(PublishError, match="no block of this upload"):
        uploads.put_block(NAME, upload.content, block, b"other")


@pytest.mark.parametrize(
    ("name", "content"),
    [(NAME, "0" * 32), ("acme/other", publishing.content()), ("../acme", publishing.content()), (NAME, "../../x")],
)
def test_put_block_fails_when_there_is_no_such_upload(uploads: Uploads, name: str, content: str) -> None:
    uploads.begin(NAME, None, MANIFEST)

    with pytest.raises(NotFoundError, match="there is no upload"):
        uploads.put_block(name, content, sha256(b"x"), b"x")


def test_put_block_takes_a_block_twice(uploads: Uploads) -> None:
    upload = uploads.begin(NAME, None, MANIFEST)
    for _ in range(2):
        uploads.put_block(NAME, upload.content, sha256(b"end"), b"end")

    assert sha256(b"end") not in uploads.begin(NAME, None, MANIFEST).missing


def test_uploads_are_in_nobodys_sight(uploads: Uploads) -> None:
    publishing.begin(uploads)

    assert uploads.library.models() == ()
    assert uploads.library.find(NAME) is None
    assert uploads.library.find(f"_rehub/uploads/{NAME}") is None
    assert uploads.library.version(NAME, 1) is None


def test_blocks_of_a_changed_file_are_all_that_is_asked_for(uploads: Uploads) -> None:
    publishing.publish(uploads)
    weights = bytearray(FILES[WEIGHTS])
    weights[-1] ^= 1

    upload = uploads.begin(NAME, None, write_manifest(manifest_of({**FILES, WEIGHTS: bytes(weights)})))

    assert upload.missing == (sha256(bytes(weights[-(len(weights) % BLOCK) :])),)
