"""Manifests and files over HTTP: what they hold, validators, ranges, and what is refused."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

import rehub
from rehub.cache import layout
from rehub.formats.manifest import BLOCK_BYTES, MEDIA_TYPE, read_manifest
from rehub.server import EmbeddedHub
from tests import sample
from tests.server.conftest import COMPRESSED, Answer, Ask, ask_hub, write_version

TARGET = f"/acme/net/2{COMPRESSED}"
INDEX = "/acme/net/2?rehub-file=variables%2Fvariables.index"


@pytest.fixture
def index(models: Path) -> bytes:
    return (models / "acme/net/2/variables/variables.index").read_bytes()


def manifest(ask: Ask, target: str = TARGET) -> Answer:
    return ask(target, accept=f"{MEDIA_TYPE}, */*")


def test_get_answers_a_manifest_of_the_folder(ask: Ask, models: Path) -> None:
    answer = manifest(ask)

    assert (answer.status, answer.headers["Content-Type"]) == (200, MEDIA_TYPE)
    assert answer.headers["ETag"] == f'"{hashlib.sha256(answer.body).hexdigest()}"'
    assert answer.headers["Vary"] == "Accept"
    facts = read_manifest(answer.body).facts
    files = sample.read(models / "acme/net/2")
    assert facts == {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items()}


def test_get_lists_the_sha256_of_each_block(tmp_path: Path) -> None:
    content = os.urandom(2 * BLOCK_BYTES) + b"end"
    write_version(tmp_path, "acme/big/1", content)
    with EmbeddedHub(tmp_path) as hub:
        answer = ask_hub(hub, f"/acme/big/1{COMPRESSED}", accept=MEDIA_TYPE)

    (file,) = (file for file in read_manifest(answer.body).files if file.name == "variables/variables.index")
    blocks = (content[start : start + BLOCK_BYTES] for start in range(0, len(content), BLOCK_BYTES))
    assert file.blocks == tuple(hashlib.sha256(block).hexdigest() for block in blocks)


@pytest.mark.parametrize("accept", ["*/*", "", "application/*", "application/json", f"{MEDIA_TYPE};q=0, */*"])
def test_get_answers_an_archive_when_no_manifest_is_asked_for(ask: Ask, accept: str) -> None:
    answer = ask(TARGET, accept=accept)

    assert answer.headers["Content-Type"] == "application/x-tar-gz"
    assert answer.headers["Vary"] == "Accept"


@pytest.mark.parametrize("accept", [MEDIA_TYPE.upper(), f"text/html, {MEDIA_TYPE} ; q=0.5", f"*/*,{MEDIA_TYPE};v=1"])
def test_get_answers_a_manifest_however_it_is_asked_for(ask: Ask, accept: str) -> None:
    assert ask(TARGET, accept=accept).headers["Content-Type"] == MEDIA_TYPE


def test_get_answers_304_when_the_client_has_the_manifest(ask: Ask) -> None:
    etag = manifest(ask).headers["ETag"]

    assert ask(TARGET, accept=MEDIA_TYPE, if_none_match=etag).status == 304
    assert ask(TARGET, if_none_match=etag).status == 200


def test_get_answers_archives_but_no_manifests_to_caches_that_many_use(ask: Ask) -> None:
    answers = manifest(ask), ask(TARGET)

    assert [answer.headers["Vary"] for answer in answers] == ["Accept", "Accept"]
    assert [answer.headers["Cache-Control"].partition(",")[0] for answer in answers] == ["private", "public"]


def test_get_answers_a_new_manifest_when_a_file_has_changed(ask: Ask, models: Path, index: bytes) -> None:
    before = manifest(ask)
    file = models / "acme/net/2/variables/variables.index"
    file.write_bytes(bytes(reversed(index)))
    os.utime(file, ns=(0, 0))

    after = manifest(ask)

    assert after.headers["ETag"] != before.headers["ETag"]
    assert ask(INDEX, if_none_match=ask(INDEX).headers["ETag"]).status == 304
    assert ask(INDEX, if_range=f'"{hashlib.sha256(index).hexdigest()}"', range="bytes=0-9").status == 200


def test_get_computes_once_when_many_ask_first(hub: EmbeddedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    path_open = Path.open

    def counting(self: Path, *args: object, **options: object) -> object:
        opened.append(self.name)
        return path_open(self, *args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", counting)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask_hub(hub, TARGET, accept=MEDIA_TYPE), range(16)))

    assert len({answer.body for answer in answers}) == 1
    assert sorted(opened) == ["saved_model.pb", "variables.index"]


def test_get_answers_503_while_a_version_is_written(
    hub: EmbeddedHub, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path_open, over = Path.open, threading.Event()

    def written_meanwhile(self: Path, *args: object, **options: object) -> object:
        if not over.is_set():
            over.set()
            (models / "acme/net/2/variables/late").write_bytes(b"late")
        return path_open(self, *args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", written_meanwhile)
    answer = ask_hub(hub, TARGET, accept=MEDIA_TYPE)

    assert (answer.status, int(answer.headers["Retry-After"]) > 0) == (503, True)
    assert ask_hub(hub, TARGET, accept=MEDIA_TYPE).status == 200


def test_get_answers_an_error_when_a_version_holds_a_link(ask: Ask, models: Path) -> None:
    (models / "acme/net/2/assets").symlink_to("/etc")

    for answer in (manifest(ask), ask("/acme/net/2?rehub-file=assets%2Fpasswd")):
        assert answer.status == 500
        assert b"neither a file nor a folder" in answer.body


def test_get_file_answers_its_bytes_and_sha256(ask: Ask, index: bytes) -> None:
    answer = ask(INDEX)

    assert (answer.status, answer.body) == (200, index)
    assert answer.headers["ETag"] == f'"{hashlib.sha256(index).hexdigest()}"'
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("bytes=0-4999", slice(None)),
        ("bytes=0-", slice(None)),
        ("bytes=0-99999", slice(None)),
        ("bytes=1-4999", slice(1, None)),
        ("bytes=0-0", slice(0, 1)),
    ],
)
@pytest.mark.parametrize("condition", ["none", "same"])
def test_get_file_answers_the_part(ask: Ask, index: bytes, wanted: str, part: slice, condition: str) -> None:
    same = {"if_range": f'"{hashlib.sha256(index).hexdigest()}"'} if condition == "same" else {}

    answer = ask(INDEX, range=wanted, **same)

    start, expected = part.start or 0, index[part]
    assert (answer.status, answer.body) == (206, expected)
    assert answer.headers["Content-Range"] == f"bytes {start}-{start + len(expected) - 1}/{len(index)}"
    assert int(answer.headers["Content-Length"]) == len(expected)


@pytest.mark.parametrize("wanted", ["bytes=0-4999", "bytes=5-9"])
def test_get_file_answers_the_whole_when_if_range_names_another(ask: Ask, index: bytes, wanted: str) -> None:
    answer = ask(INDEX, range=wanted, if_range='"other"')

    assert (answer.status, answer.body) == (200, index)


def test_get_file_answers_an_empty_one_also_to_caches_that_ask_for_parts(ask: Ask, models: Path) -> None:
    (models / "acme/net/2/nothing").touch()

    for headers in ({}, {"range": "bytes=0-16777215"}):
        answer = ask("/acme/net/2?rehub-file=nothing", **headers)
        assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "/", "variables", "../1/saved_model.pb", "/etc/passwd", "variables/../saved_model.pb", "nothing"],
)
def test_get_file_answers_404_when_the_manifest_has_no_such_name(ask: Ask, name: str) -> None:
    answer = ask(f"/acme/net/2?rehub-file={quote(name, safe='')}")

    assert answer.status == 404
    assert "no file of that name" in json.loads(answer.body)["error"]


def test_get_file_of_an_unversioned_url_redirects_to_the_newest(ask: Ask) -> None:
    answer = ask("/acme/net?rehub-file=saved_model.pb")

    assert (answer.status, answer.headers["Location"]) == (302, "/acme/net/10?rehub-file=saved_model.pb")


def test_get_file_answers_404_when_there_is_no_such_version(ask: Ask) -> None:
    answer = ask("/acme/net/3?rehub-file=saved_model.pb")

    assert (answer.status, json.loads(answer.body)["versions"]) == (404, ["1", "2", "10"])


def test_head_of_a_file_answers_the_headers_of_get(ask: Ask) -> None:
    get, head = ask(INDEX, range="bytes=0-"), ask(INDEX, "HEAD", range="bytes=0-")

    assert (head.status, head.body) == (get.status, b"")
    assert head.headers["Content-Range"] == get.headers["Content-Range"]


@pytest.fixture
def cached(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.mark.parametrize("version", ["/1", ""])
def test_resolve_fetches_a_model_block_by_block(tmp_path: Path, cached: Path, version: str) -> None:
    files = {**sample.FILES, "assets/a b&c=ü#?.txt": b"name", "assets/big": os.urandom(BLOCK_BYTES + 1), "empty": b""}
    sample.write(tmp_path / "models/acme/net/1", files)
    with EmbeddedHub(tmp_path / "models") as hub, rehub.settings(cache_dir=str(cached), show_progress=False):
        path = rehub.resolve(f"{hub.url}/acme/net{version}")

        assert sample.read(path) == files
        assert Path(path + layout.MANIFEST_SUFFIX).exists()
