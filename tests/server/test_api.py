"""The API: publishing over HTTP, what is refused, and looking for models."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rehub.errors import StoreError
from rehub.formats.card import SIZE_LIMIT_BYTES
from rehub.formats.manifest import BLOCK_BYTES, Manifest, ManifestFile, write_manifest
from rehub.server import EmbeddedHub, HubOptions, bodies, bridge, running_commits
from rehub.server.gc import collect
from rehub.server.library import Library
from rehub.server.removal import remove
from rehub.server.tokens import Tokens
from rehub.storage.bucket import BucketStore
from rehub.storage.folder import FolderStore
from rehub.storage.interface import ObjectStore
from tests import sample
from tests.manifests import BLOCK, file_of, manifest_of, sha256
from tests.server.client import API, Client, said
from tests.server.conftest import ask_hub
from tests.server.publishing import FILES, LATER, NAME, Watched, blocks_of, check_whole, content, files_with, keys

NOTHING = "0" * 64


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    (tmp_path / "store").mkdir()
    return FolderStore(tmp_path / "store") if request.param == "folder" else BucketStore("memory://")


@pytest.fixture
def token(store: ObjectStore) -> str:
    return Tokens(store).create("ci of acme", ["acme"])


@pytest.fixture
def hub(store: ObjectStore) -> Iterator[EmbeddedHub]:
    with EmbeddedHub(store) as hub:
        yield hub


@pytest.fixture
def client(hub: EmbeddedHub, token: str) -> Client:
    return Client(hub, token)


def test_publish_makes_a_version_of_what_was_sent(client: Client, hub: EmbeddedHub, store: ObjectStore) -> None:
    answer = client.publish(card="---\ntitle: A net\n---\n")

    assert answer.status == 201
    assert said(answer) == {"name": NAME, "version": 1, "handle": f"{hub.url}/{NAME}/1"}
    check_whole(store)
    shown = said(ask_hub(hub, f"{API}/{NAME}/1"))
    assert shown["card"]["title"] == "A net"
    assert {file["name"] for file in shown["files"]} == set(FILES)
    assert "ci of acme" not in json.dumps(shown)


def test_begin_names_the_blocks_that_are_missing(client: Client) -> None:
    answer = client.begin()

    blocks = blocks_of(FILES)
    assert (answer.status, said(answer)["upload"], said(answer)["version"]) == (200, content(), None)
    assert set(said(answer)["missing"]) == set(blocks)
    sent = next(iter(blocks))
    assert client.put_block(sent, blocks[sent]).status == 204
    assert set(said(client.begin())["missing"]) == set(blocks) - {sent}


def test_publish_sends_only_what_changed_of_the_next_version(client: Client) -> None:
    client.publish()

    changed = said(client.begin(files_with(b"other")))

    assert changed["missing"] == [sha256(b"other")]
    answer = client.publish(files_with(b"other"))
    assert (answer.status, said(answer)["version"]) == (201, 2)


def test_commit_answers_200_when_the_version_has_these_files(client: Client) -> None:
    client.publish()

    answer = client.publish()

    assert (answer.status, said(answer)["version"]) == (200, 1)


def test_publish_takes_the_version_that_is_asked_for(client: Client) -> None:
    assert said(client.publish(version=7))["version"] == 7
    assert said(client.begin(files_with(b"b"), query="?version=9"))["version"] == 9


@pytest.mark.parametrize("query", ["?version=7", ""])
def test_publish_answers_409_when_the_version_has_other_files(client: Client, query: str) -> None:
    client.publish(version=7)

    answer = client.begin(files_with(b"b"), query=query) if query else client.publish(files_with(b"b"), version=7)

    assert answer.status == 409
    assert "version 7 of acme/net exists" in said(answer)["error"]
    assert said(answer)["hint"]
    assert said(answer)["request_id"] == answer.headers["X-Request-ID"]


def test_publish_answers_409_when_the_version_was_removed(client: Client, store: ObjectStore) -> None:
    client.publish()
    remove(Library(store), NAME, 1, "wrong")

    answer = client.publish(version=1)

    assert answer.status == 409
    assert "removed" in said(answer)["error"]


def test_publish_gives_one_of_two_that_race_the_version(client: Client, store: ObjectStore) -> None:
    many = [files_with(str(number).encode()) for number in range(4)]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda files: client.publish(files, version=1), many))

    assert sorted(answer.status for answer in answers) == [201, 409, 409, 409]
    winner = next(files for files, answer in zip(many, answers, strict=True) if answer.status == 201)
    check_whole(store, 1, winner)


def test_publish_gives_all_that_race_a_version_when_none_is_named(client: Client) -> None:
    with ThreadPoolExecutor(4) as pool:
        many = [files_with(str(number).encode()) for number in range(4)]
        answers = list(pool.map(client.publish, many))

    assert sorted(said(answer)["version"] for answer in answers) == [1, 2, 3, 4]


def test_commit_names_the_blocks_that_are_missing(client: Client) -> None:
    client.begin()

    answer = client.commit()

    assert answer.status == 409
    assert set(said(answer)["missing"]) == set(blocks_of(FILES))


def test_put_block_answers_422_when_it_is_another_block(client: Client) -> None:
    missing = said(client.begin())["missing"][0]

    answer = client.put_block(missing, b"other")

    assert answer.status == 422
    assert said(client.begin())["missing"][0] == missing


@pytest.mark.parametrize("upload", [content(files_with(b"never begun")), "x", "..", "a" * 500])
def test_put_block_answers_404_when_there_is_no_such_upload(client: Client, upload: str) -> None:
    assert client.put_block(NOTHING, b"", upload=upload).status == 404


@pytest.mark.parametrize(
    "name",
    [
        "acme",
        "acme/..",
        "acme/%2e%2e/x",
        "acme/net/1",
        "acme/collection/x",
        "acme/n%00t",
        "acme/con",
        f"acme/{'n' * 300}",
        "acme/a:b",
        "acme/%F0%9F%92%A9%0A",
    ],
)
def test_begin_is_refused_for_names_that_nothing_may_have(client: Client, store: ObjectStore, name: str) -> None:
    answer = client.begin(name=name)

    assert answer.status in (404, 422)
    assert said(answer)["error"]
    assert {key for key in keys(store) if not key.startswith("_rehub/tokens/")} == set()


@pytest.mark.parametrize("version", ["-1", "01", "x", "1" * 30, "", "1.0", "%D9%A3"])
def test_begin_answers_422_when_the_version_is_no_number(client: Client, version: str) -> None:
    assert client.begin(query=f"?version={version}").status == 422


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"format": 1}', b"\xff", b"[" * 100_000])
def test_begin_answers_422_when_the_manifest_is_damaged(client: Client, body: bytes) -> None:
    answer = client.ask("POST", f"{NAME}/uploads", body)

    assert (answer.status, bool(said(answer)["hint"])) == (422, True)


@pytest.mark.parametrize(
    "body", [b"[]", b"{", b'{"version": "1"}', b'{"version": true}', b'{"version": -1}', b'{"card": 1}', b"\xff", b"["]
)
def test_commit_answers_422_when_the_body_is_damaged(client: Client, body: bytes) -> None:
    client.begin()

    assert client.ask("POST", f"{NAME}/uploads/{content()}/commit", body).status == 422


def test_commit_answers_422_when_the_card_is_damaged(client: Client) -> None:
    answer = client.publish(card="---\n&a [*a]\n---\n")

    assert answer.status == 422


def test_commit_answers_422_when_the_model_is_damaged(client: Client, store: ObjectStore) -> None:
    answer = client.publish({"saved_model.pb": b"\xff\xff"})

    assert answer.status == 422
    assert Library(store).find(NAME) is None


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Digest x"])
def test_publishing_answers_401_without_a_token(hub: EmbeddedHub, authorization: str | None) -> None:
    headers = {} if authorization is None else {"authorization": authorization}

    answer = ask_hub(hub, f"{API}/{NAME}/uploads", "POST", body=b"{}", **headers)

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "token" in said(answer)["error"]


def test_publishing_answers_401_when_the_token_was_revoked(hub: EmbeddedHub, store: ObjectStore) -> None:
    token = Tokens(store).create("old", ["acme"])
    Tokens(store).revoke("old")

    assert Client(hub, token).begin().status == 401


def test_publishing_answers_403_when_the_token_is_for_another_publisher(hub: EmbeddedHub, store: ObjectStore) -> None:
    other = Client(hub, Tokens(store).create("other", ["other"]))
    reader = Client(hub, Tokens(store).create("reader", ["acme"], can_publish=False))

    for answer in (other.begin(), other.put_block(NOTHING, b""), other.commit(), reader.begin()):
        assert answer.status == 403
    assert "'other'" in said(other.begin())["error"]


def test_publishing_answers_401_when_the_token_is_sent_as_a_password(hub: EmbeddedHub, token: str) -> None:
    basic = base64.b64encode(f"user:{token}".encode()).decode()

    assert ask_hub(hub, f"{API}/{NAME}/uploads", "POST", body=b"{}", authorization=f"Basic {basic}").status == 401


def test_begin_answers_401_also_when_much_is_sent(hub: EmbeddedHub) -> None:
    assert ask_hub(hub, f"{API}/{NAME}/uploads", "POST", body=bytes(12 << 20)).status == 401


def test_put_block_answers_413_when_it_is_too_large(client: Client) -> None:
    client.begin()

    assert client.put_block(NOTHING, bytes(BLOCK_BYTES + 1)).status == 413


def test_commit_answers_413_when_the_card_is_too_large(client: Client) -> None:
    client.begin()

    assert client.commit(card="x" * (2 * SIZE_LIMIT_BYTES + 2000)).status == 413


def test_begin_answers_413_when_the_model_is_larger_than_the_hub_takes(store: ObjectStore, token: str) -> None:
    with EmbeddedHub(store, options=HubOptions(upload_limit_bytes=100)) as hub:
        answer = Client(hub, token).begin()

    assert answer.status == 413
    assert "this hub takes 100" in said(answer)["error"]


def test_begin_answers_422_when_little_is_to_become_very_much(client: Client, store: ObjectStore) -> None:
    blocks = [sha256(bytes(BLOCK_BYTES))] * 16_385  # of 64 GiB, and one more
    bomb = ManifestFile("saved_model.pb", len(blocks) * BLOCK_BYTES, "0" * 64, tuple(blocks))
    before = keys(store)

    answer = client.ask("POST", f"{NAME}/uploads", write_manifest(Manifest((bomb,))))

    assert answer.status == 422
    assert f"{len(blocks) * BLOCK_BYTES} bytes" in said(answer)["error"]
    assert keys(store) == before


def test_put_block_answers_411_when_the_size_is_not_told(hub: EmbeddedHub, token: str) -> None:
    connection = http.client.HTTPConnection(hub.url.removeprefix("http://"), timeout=30)
    headers = {"Authorization": f"Bearer {token}"}
    connection.request("POST", f"{API}/{NAME}/uploads", iter([b"{}"]), headers, encode_chunked=True)

    assert connection.getresponse().status == 411
    connection.close()


def begun_block(hub: EmbeddedHub, token: str, sha: str, size_bytes: int) -> socket.socket:
    """A connection that has sent all of a block but the block."""
    host, _, port = hub.url.removeprefix("http://").partition(":")
    connection = socket.create_connection((host, int(port)), timeout=30)
    head = f"PUT {API}/{NAME}/uploads/{content()}/blocks/{sha} HTTP/1.1\r\nHost: h\r\n"
    connection.sendall(f"{head}Authorization: Bearer {token}\r\nContent-Length: {size_bytes}\r\n\r\n".encode())
    return connection


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_an_upload_that_is_cut_leaves_what_was_sent_before(
    client: Client, hub: EmbeddedHub, token: str, store: ObjectStore, share: float
) -> None:
    missing = said(client.begin())["missing"]
    blocks = blocks_of(FILES)
    client.put_block(missing[0], blocks[missing[0]])
    data = blocks[missing[1]]
    with begun_block(hub, token, missing[1], len(data)) as cut:
        cut.sendall(data[: int(share * len(data))])

    assert said(client.begin())["missing"] == missing[1:]
    assert Library(store).find(NAME) is None
    assert client.publish().status == 201
    check_whole(store)


def test_put_block_answers_408_when_the_rest_of_it_does_not_come(
    client: Client, hub: EmbeddedHub, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "_PATIENCE_S", 0.05)
    monkeypatch.setattr(bridge, "_DRAINED_S", 0.05)
    with begun_block(hub, token, said(client.begin())["missing"][0], 9) as slow:
        slow.sendall(b"only")

        assert slow.recv(100).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(("is_full", "status"), [(True, 507), (False, 503)])
def test_publishing_goes_on_after_the_store_has_failed(is_full: bool, status: int) -> None:
    inner = BucketStore("memory://")
    token = Tokens(inner).create("ci", None)

    def fail_once() -> None:
        store.at += 1
        if store.calls[-1] == "put":
            store.at = 0
            raise StoreError("/secret/place is full.", is_full=is_full)

    store = Watched(inner, happen=fail_once)
    with EmbeddedHub(store) as hub:
        client = Client(hub, token)
        missing = said(client.begin())["missing"][0]
        store.at = len(store.calls) + 1
        answer = client.put_block(missing, blocks_of(FILES)[missing])
        done = client.publish()

    assert answer.status == status
    assert b"secret" not in answer.body
    assert done.status == 201
    check_whole(inner)


def test_commit_answers_202_while_it_runs_and_the_result_to_the_same_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_commits, "_PATIENCE_S", 0.05)
    inner = BucketStore("memory://")
    token = Tokens(inner).create("ci", None)
    go = threading.Event()
    store = Watched(inner, happen=lambda: go.wait(30))
    with EmbeddedHub(store) as hub:
        client = Client(hub, token)
        blocks = blocks_of(FILES)
        for missing in said(client.begin())["missing"]:
            client.put_block(missing, blocks[missing])
        store.at = len(store.calls) + 20
        first = client.commit()
        second = client.commit()
        go.set()
        last = client.commit()
        while last.status == 202:
            last = client.commit()

    assert (first.status, second.status) == (202, 202)
    assert first.headers["Retry-After"] == "1"
    assert last.status == 201
    assert store.calls.count("create") == 1


def test_search_finds_models_by_words_and_labels(client: Client, hub: EmbeddedHub) -> None:
    client.publish(card="---\ntitle: Sentences\ntask: text-embedding\n---\n")
    client.publish({"net.tflite": b"x"}, "acme/lite")

    answer = said(ask_hub(hub, f"{API}?q=sentences&task=text-embedding"))

    assert [model["name"] for model in answer["models"]] == [NAME]
    assert answer["models"][0]["url"] == f"{hub.url}/{NAME}/1"
    assert said(ask_hub(hub, API))["total"] == 2


def test_show_tells_the_versions_of_a_model(client: Client, hub: EmbeddedHub, store: ObjectStore) -> None:
    client.publish()
    client.publish(files_with(b"b"))
    remove(Library(store), NAME, 1, "It was wrong.")

    with EmbeddedHub(store) as hub:
        shown, removed = said(ask_hub(hub, f"{API}/{NAME}")), ask_hub(hub, f"{API}/{NAME}/1")

    assert (shown["versions"], shown["removed"], shown["newest"]["version"]) == ([2], [1], 2)
    assert removed.status == 410
    assert "It was wrong." in said(removed)["error"]


@pytest.mark.parametrize("path", [f"{API}/acme/none", f"{API}/acme/none/1", f"{API}/x", "/api/v1/", "/api/v1/other"])
def test_get_answers_404_as_json_when_there_is_nothing(hub: EmbeddedHub, path: str) -> None:
    answer = ask_hub(hub, path)

    assert (answer.status, answer.headers["Content-Type"]) == (404, "application/json")
    assert said(answer)["request_id"]


def test_other_methods_answer_405_as_json(hub: EmbeddedHub) -> None:
    answer = ask_hub(hub, f"{API}/{NAME}/uploads", "DELETE")

    assert (answer.status, answer.headers["Content-Type"]) == (405, "application/json")
    assert answer.headers["Allow"]


def test_describe_names_the_endpoints_that_there_are(client: Client, hub: EmbeddedHub) -> None:
    described = said(ask_hub(hub, "/api/v1/openapi.json"))

    assert described["openapi"].startswith("3.1")
    assert described["servers"] == [{"url": hub.url}]
    client.publish()
    for path, item in described["paths"].items():
        for method, operation in item.items():
            place = path.replace("{name}", NAME).replace("{upload}", content()).replace("{sha256}", NOTHING)
            answer = client.ask(method.upper(), place.removeprefix(f"{API}/"), b"{}") if "models/" in place else None
            answer = answer or ask_hub(hub, place, method.upper())
            assert str(answer.status) in operation["responses"], (method, path, answer)


def test_gc_clears_uploads_that_nobody_finished(client: Client, store: ObjectStore) -> None:
    begun = said(client.begin())
    client.put_block(begun["missing"][0], blocks_of(FILES)[begun["missing"][0]])

    collect(Library(store), now=LATER)

    assert not [key for key in keys(store) if "uploads" in key]


def test_publish_takes_blocks_of_the_largest_size(client: Client, store: ObjectStore) -> None:
    data = bytes(BLOCK_BYTES)
    files = {"saved_model.pb": sample.SAVED_MODEL, "zeros": data}
    manifest = manifest_of(files)
    assert manifest.block_bytes == BLOCK < BLOCK_BYTES
    assert file_of("zeros", data).size_bytes == BLOCK_BYTES
    assert client.publish(files).status == 201
    check_whole(store, 1, files)
