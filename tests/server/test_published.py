"""What programs get of versions that were published, wherever these lie."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import rehub
from rehub.errors import StoreError
from rehub.formats.manifest import MEDIA_TYPE, read_manifest
from rehub.server import EmbeddedHub, HubOptions
from rehub.server.library import Library
from rehub.server.removal import remove
from rehub.server.uploads import Uploads
from rehub.storage.bucket import BucketStore
from rehub.storage.folder import FolderStore
from rehub.storage.interface import ObjectStore
from tests import sample
from tests.manifests import BLOCK
from tests.server import publishing
from tests.server.conftest import COMPRESSED, Ask, ask_hub
from tests.server.publishing import FILES, NAME, WEIGHTS, Watched, files_with, published

FILE = f"/{NAME}/1?rehub-file=variables%2Fvariables.data-00000-of-00001"
SECOND = files_with(b"second")


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """A store with versions 1 and 2 of acme/net, and version 3 removed."""
    (tmp_path / "store").mkdir()
    store = FolderStore(tmp_path / "store") if request.param == "folder" else BucketStore("memory://")
    uploads = Uploads(Library(store))
    for words in (FILES, SECOND, files_with(b"third")):
        publishing.publish(uploads, words)
    remove(Library(store), NAME, 3, "It was wrong.")
    return store


@pytest.fixture
def hub(store: ObjectStore) -> Iterator[EmbeddedHub]:
    with EmbeddedHub(store) as hub:
        yield hub


@pytest.fixture
def archive(store: ObjectStore) -> bytes:
    return store.read(published(Library(store), 1).archive_key)


def test_get_compressed_answers_the_archive_that_was_made_when_it_was_published(ask: Ask, archive: bytes) -> None:
    answer = ask(f"/{NAME}/1{COMPRESSED}")

    assert (answer.status, answer.body) == (200, archive)
    assert answer.headers["ETag"] == f'"{hashlib.sha256(archive).hexdigest()}"'
    assert int(answer.headers["Content-Length"]) == len(archive)
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Last-Modified"].endswith("GMT")
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as tar:
        assert "./saved_model.pb" in tar.getnames()


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("bytes=0-", slice(None)),
        ("bytes=5-9", slice(5, 10)),
        ("bytes = 5 - 9", slice(5, 10)),
        ("bytes=7-", slice(7, None)),
        ("bytes=-3", slice(-3, None)),
        ("bytes=-999999999", slice(None)),
        (f"bytes={BLOCK - 1}-{BLOCK + 1}", slice(BLOCK - 1, BLOCK + 2)),
        ("bytes=3-999999999", slice(3, None)),
    ],
)
def test_get_file_answers_one_range(ask: Ask, wanted: str, part: slice) -> None:
    answer = ask(FILE, range=wanted)

    content = FILES[WEIGHTS]
    start = part.indices(len(content))[0]
    assert (answer.status, answer.body) == (206, content[part])
    assert answer.headers["Content-Range"] == f"bytes {start}-{start + len(answer.body) - 1}/{len(content)}"


@pytest.mark.parametrize("wanted", ["bytes=0-1,5-6", "bytes=9-5", "bytes=-", "bytes=a-b", "items=0-1", "bytes=٣-٤"])
def test_get_file_answers_all_when_no_single_range_is_asked_for(ask: Ask, wanted: str) -> None:
    answer = ask(FILE, range=wanted.encode().decode("latin-1"))

    assert (answer.status, answer.body) == (200, FILES[WEIGHTS])


@pytest.mark.parametrize("wanted", ["bytes=999999999-", "bytes=-0"])
def test_get_file_answers_416_when_the_range_is_behind_the_end(ask: Ask, wanted: str) -> None:
    answer = ask(FILE, range=wanted)

    assert (answer.status, answer.body) == (416, b"")
    assert answer.headers["Content-Range"] == f"bytes */{len(FILES[WEIGHTS])}"
    assert answer.headers["Cache-Control"] == "no-cache"


def test_get_file_heeds_the_validators(ask: Ask) -> None:
    etag = ask(FILE).headers["ETag"]

    assert ask(FILE, if_none_match=etag).status == 304
    assert ask(FILE, range="bytes=0-1", if_range=etag).status == 206
    assert ask(FILE, range="bytes=0-1", if_range='"other"').status == 200


@pytest.mark.parametrize("target", [FILE, f"/{NAME}/1{COMPRESSED}"])
def test_head_answers_the_headers_of_get(ask: Ask, target: str) -> None:
    for headers in ({}, {"range": "bytes=5-9"}):
        get, head = ask(target, **headers), ask(target, "HEAD", **headers)

        assert (head.status, head.body) == (get.status, b"")
        for name in ("Content-Length", "Content-Range", "ETag", "Last-Modified", "Content-Type"):
            assert head.headers[name] == get.headers[name], name


def test_get_answers_the_manifest_to_those_who_accept_it(ask: Ask) -> None:
    answer = ask(f"/{NAME}/1{COMPRESSED}", accept=MEDIA_TYPE)

    assert answer.headers["Content-Type"] == MEDIA_TYPE
    assert answer.headers["ETag"] == f'"{hashlib.sha256(answer.body).hexdigest()}"'
    assert {file.name for file in read_manifest(answer.body).files} == set(FILES)
    assert ask(f"/{NAME}/1{COMPRESSED}", accept=MEDIA_TYPE, if_none_match=answer.headers["ETag"]).status == 304


def test_get_unversioned_redirects_to_the_newest_that_was_not_removed(ask: Ask) -> None:
    assert ask(f"/{NAME}{COMPRESSED}").headers["Location"] == f"/{NAME}/2{COMPRESSED}"


@pytest.mark.parametrize("query", [COMPRESSED, "?rehub-file=saved_model.pb", "?tf-hub-format=uncompressed"])
def test_get_answers_410_with_the_reason_when_the_version_was_removed(ask: Ask, query: str) -> None:
    answer = ask(f"/{NAME}/3{query}")

    body = json.loads(answer.body)
    assert answer.status == 410
    assert "It was wrong." in body["error"]
    assert body["versions"] == ["1", "2"]


def test_get_answers_410_when_all_versions_were_removed(ask: Ask, store: ObjectStore) -> None:
    for number in (1, 2):
        remove(Library(store), NAME, number, "None is left.")

    with EmbeddedHub(store) as again:
        assert ask_hub(again, f"/{NAME}{COMPRESSED}").status == 410


def test_get_uncompressed_answers_where_the_files_lie(store: ObjectStore) -> None:
    with EmbeddedHub(store, uncompressed_base="gs://bucket/hub") as hub:
        answer = ask_hub(hub, f"/{NAME}?tf-hub-format=uncompressed")

    key = published(Library(store), 2).file_key("saved_model.pb")
    assert (answer.status, answer.body.decode()) == (303, f"gs://bucket/hub/{key.removesuffix('/saved_model.pb')}")


def test_resolve_fetches_a_published_version(hub: EmbeddedHub, tmp_path: Path) -> None:
    with rehub.settings(cache_dir=str(tmp_path / "cache"), show_progress=False):
        assert sample.read(rehub.resolve(f"{hub.url}/{NAME}")) == SECOND


def _publish(store: ObjectStore, name: str, *files: str) -> None:
    publishing.publish(Uploads(Library(store)), {file: file.encode() for file in files}, name)


def test_get_answers_the_file_for_tensorflow_lite(ask: Ask, store: ObjectStore) -> None:
    _publish(store, "acme/lite", "net.tflite", "labels.txt")
    _publish(store, "acme/lites", "a.tflite", "model.tflite")
    _publish(store, "acme/many", "a.tflite", "b.tflite")

    assert ask("/acme/lite/1?lite-format=tflite").body == b"net.tflite"
    assert ask("/acme/lites/1?lite-format=tflite").body == b"model.tflite"
    assert ask("/acme/lite?lite-format=tflite").headers["Location"] == "/acme/lite/1?lite-format=tflite"
    for target in ("/acme/many/1?lite-format=tflite", f"/{NAME}/1?lite-format=tflite"):
        assert ask(target).status == 404
    assert ask("/acme/lite/1?lite-format=zip").status == 400


def test_get_answers_the_files_for_tensorflow_js(ask: Ask, store: ObjectStore) -> None:
    _publish(store, "acme/js", "model.json", "group1-shard1of1.bin", "more/part.bin")

    model = ask("/acme/js/1/model.json?tfjs-format=file")
    assert (model.body, model.headers["Content-Type"]) == (b"model.json", "application/json")
    assert model.headers["Access-Control-Allow-Origin"] == "*"
    assert ask("/acme/js/1/group1-shard1of1.bin?tfjs-format=file").body == b"group1-shard1of1.bin"
    assert ask("/acme/js/1/more/part.bin?tfjs-format=file").body == b"more/part.bin"
    newest = ask("/acme/js/model.json?tfjs-format=file")
    assert newest.headers["Location"] == "/acme/js/1/model.json?tfjs-format=file"
    assert ask("/acme/js/1?tfjs-format=compressed").body == ask(f"/acme/js/1{COMPRESSED}").body
    for target in (f"/{NAME}/1/saved_model.pb?tfjs-format=file", "/acme/js/1/other?tfjs-format=file"):
        assert ask(target).status == 404


class _Signing(Watched):
    """A store whose objects have URLs that are signed."""

    def signed_url(self, key: str, seconds: int) -> str:
        return f"https://bucket.example/{key}?signature=s&seconds={seconds}"

    def local_path(self, key: str) -> None:
        return None


def test_get_redirects_to_signed_urls_when_the_operator_wants_it() -> None:
    store = _Signing(BucketStore("memory://"))
    publishing.publish(Uploads(Library(store)))
    with EmbeddedHub(store, options=HubOptions(redirects=True)) as hub:
        answer = ask_hub(hub, FILE, range="bytes=0-4")
        head = ask_hub(hub, FILE, "HEAD")
        known = ask_hub(hub, FILE, if_none_match=head.headers["ETag"])
        manifest = ask_hub(hub, f"/{NAME}/1{COMPRESSED}", accept=MEDIA_TYPE)

    key = published(Library(store), 1).file_key(WEIGHTS)
    assert (answer.status, answer.body) == (302, b"")
    assert answer.headers["Location"].startswith(f"https://bucket.example/{key}?signature=s")
    assert answer.headers["Cache-Control"] == "no-store"
    assert int(head.headers["Content-Length"]) == len(FILES[WEIGHTS])
    assert (known.status, manifest.status) == (304, 200)


def test_get_file_asks_the_store_no_more_often_when_there_are_other_versions() -> None:
    inner = BucketStore("memory://")
    counts = []
    for words in (FILES, SECOND):
        publishing.publish(Uploads(Library(inner)), words)
        store = Watched(inner)
        with EmbeddedHub(store) as hub:
            assert ask_hub(hub, FILE).status == 200
        counts.append(len(store.calls))

    assert counts[0] == counts[1]


def _fail(what: Callable[[], object] = lambda: None) -> None:
    raise StoreError("s3://secret-bucket does not answer.", hint="Check s3://secret-bucket.")


@pytest.mark.parametrize("target", [f"/{NAME}/1{COMPRESSED}", FILE, f"/api/v1/models/{NAME}"])
def test_get_answers_503_when_the_store_fails(target: str) -> None:
    inner = BucketStore("memory://")
    publishing.publish(Uploads(Library(inner)))
    store = Watched(inner, at=1, happen=_fail)
    with EmbeddedHub(store) as hub:
        answer = ask_hub(hub, target)

    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert "does not answer" in json.loads(answer.body)["error"]
    assert b"secret-bucket" not in answer.body


BOTH = pytest.mark.parametrize("target", [f"/{NAME}/1{COMPRESSED}", f"/{NAME}/1"], ids=["program", "browser"])


@BOTH
def test_log_tells_the_operator_why_the_store_fails(target: str, caplog: pytest.LogCaptureFixture) -> None:
    inner = BucketStore("memory://")
    publishing.publish(Uploads(Library(inner)))
    with EmbeddedHub(Watched(inner, at=1, happen=_fail)) as hub:
        ask_hub(hub, target)

    assert f"'/{NAME}/1': s3://secret-bucket does not answer. Check s3://secret-bucket." in caplog.text


@BOTH
def test_log_tells_the_operator_which_record_is_damaged(target: str, caplog: pytest.LogCaptureFixture) -> None:
    store = BucketStore("memory://")
    store.put(f"{NAME}/1/manifest.json", b"{")
    with EmbeddedHub(store) as hub:
        assert ask_hub(hub, target).status == 500

    assert f"'/{NAME}/1': the record of the version is no JSON" in caplog.text


@pytest.mark.parametrize("target", [f"/{NAME}/1{COMPRESSED}", FILE])
def test_get_answers_410_also_when_the_server_has_not_noticed_yet_that_a_version_was_removed(target: str) -> None:
    store = BucketStore("memory://")
    publishing.publish(Uploads(Library(store)))
    with EmbeddedHub(store) as hub:
        assert ask_hub(hub, target).status == 200
        remove(Library(store), NAME, 1, "It was wrong.")
        answer = ask_hub(hub, target)

    assert answer.status == 410
    assert "It was wrong." in json.loads(answer.body)["error"]
