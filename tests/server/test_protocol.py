"""The hosting protocol: formats, versions, errors."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from urllib.parse import quote

import pytest

from rehub.server import EmbeddedHub
from tests.server.conftest import COMPRESSED, Ask, ask_hub


def test_get_compressed_answers_a_tar_of_the_folder(ask: Ask, models: Path) -> None:
    answer = ask(f"/acme/net/2{COMPRESSED}")

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/x-tar-gz"
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    with tarfile.open(fileobj=io.BytesIO(answer.body), mode="r:gz") as tar:
        members = {member.name: member for member in tar.getmembers()}
        assert set(members) == {"./saved_model.pb", "./variables", "./variables/variables.index"}
        assert members["./variables"].isdir()
        assert {(member.uid, member.gid) for member in members.values()} == {(0, 0)}
        content = tar.extractfile("./variables/variables.index")
        assert content is not None
        assert content.read() == (models / "acme/net/2/variables/variables.index").read_bytes()


def test_get_compressed_answers_for_a_deeply_nested_model(ask: Ask) -> None:
    assert ask(f"/acme/text/encoder/4{COMPRESSED}").status == 200


def test_get_compressed_answers_for_a_text_saved_model(ask: Ask, models: Path) -> None:
    (models / "acme/net/2/saved_model.pb").rename(models / "acme/net/2/saved_model.pbtxt")

    assert ask(f"/acme/net/2{COMPRESSED}").status == 200


@pytest.mark.parametrize("value", ["uncompressed,compressed", "compressed,other", " compressed"])
def test_get_answers_compressed_when_the_list_of_formats_has_it(ask: Ask, value: str) -> None:
    answer = ask(f"/acme/net/2?tf-hub-format={value.replace(' ', '%20')}")

    assert answer.body == ask(f"/acme/net/2{COMPRESSED}").body


def test_get_ignores_the_rest_of_the_query(ask: Ask) -> None:
    assert ask("/acme/net/2?a=1&tf-hub-format=compressed&b=%26").status == 200


@pytest.mark.parametrize("value", ["zip", "", "zip,tar"])
def test_get_is_refused_when_no_format_is_known(ask: Ask, value: str) -> None:
    answer = ask(f"/acme/net/2?tf-hub-format={value}")

    assert answer.status == 400
    assert "compressed and uncompressed" in json.loads(answer.body)["error"]


def test_get_unversioned_redirects_to_the_newest_version_with_the_same_query(ask: Ask) -> None:
    answer = ask("/acme/net?x=%C3%A9&tf-hub-format=compressed&y")

    assert answer.status == 302
    assert answer.headers["Location"] == "/acme/net/10?x=%C3%A9&tf-hub-format=compressed&y"
    assert answer.headers["Cache-Control"] == "no-cache"


def test_get_unversioned_names_a_newer_version_as_soon_as_it_holds_a_model(ask: Ask, models: Path) -> None:
    (models / "acme/net/11/variables").mkdir(parents=True)
    assert ask(f"/acme/net{COMPRESSED}").headers["Location"].startswith("/acme/net/10?")

    (models / "acme/net/11/saved_model.pb").write_bytes(b"graph")

    assert ask(f"/acme/net{COMPRESSED}").headers["Location"].startswith("/acme/net/11?")


@pytest.mark.parametrize(("path", "version"), [("/acme/net/2", 2), ("/acme/net", 10)])
def test_get_uncompressed_answers_the_remote_folder(models: Path, path: str, version: int) -> None:
    with EmbeddedHub(models, uncompressed_base="gs://bucket/prefix/") as hub:
        answer = ask_hub(hub, f"{path}?tf-hub-format=uncompressed")

    assert answer.status == 303
    assert answer.body.decode() == f"gs://bucket/prefix/acme/net/{version}"
    assert answer.headers["Location"] == f"gs://bucket/prefix/acme/net/{version}"
    assert answer.headers["Cache-Control"] == "no-cache"


def test_get_uncompressed_says_that_there_is_none_when_no_base_is_configured(ask: Ask) -> None:
    answer = ask("/acme/net/2?tf-hub-format=uncompressed")

    assert answer.status == 406
    assert "tf-hub-format=compressed" in json.loads(answer.body)["error"]


def test_get_lists_the_versions_when_the_version_does_not_exist(ask: Ask) -> None:
    answer = ask(f"/acme/net/3{COMPRESSED}")

    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/json"
    body = json.loads(answer.body)
    assert body["versions"] == ["1", "2", "10"]
    assert "No version 3 of acme/net" in body["error"]


@pytest.mark.parametrize("path", ["/acme/nothing", "/acme/nothing/1", "/acme", "/other/net/1", "/acme/net/2/variables"])
def test_get_answers_404_when_there_is_no_such_model(ask: Ask, path: str) -> None:
    answer = ask(path + COMPRESSED)

    assert (answer.status, json.loads(answer.body)["versions"]) == (404, [])


@pytest.mark.parametrize("number", ["010", "+10", "-1", "1e1", "٣", "9" * 5000])
def test_get_answers_404_when_the_version_is_not_plain_digits(ask: Ask, number: str) -> None:
    assert ask(f"/acme/net/{quote(number)}").status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_answer_405(ask: Ask, method: str) -> None:
    answer = ask(f"/acme/net/2{COMPRESSED}", method)

    assert answer.status == 405
    assert "GET" in answer.headers["Allow"]


def test_get_healthz_answers_ok(ask: Ask) -> None:
    answer = ask("/healthz")

    assert (answer.status, answer.body) == (200, b"ok")


def test_head_answers_the_headers_of_get_without_a_body(ask: Ask) -> None:
    for target in (f"/acme/net/2{COMPRESSED}", f"/acme/net{COMPRESSED}", "/acme/net", "/", f"/acme/net/3{COMPRESSED}"):
        get, head = ask(target), ask(target, "HEAD")

        assert head.body == b""
        assert head.status == get.status
        for name in ("Content-Length", "Content-Type", "ETag", "Location", "Cache-Control", "Last-Modified"):
            assert head.headers[name] == get.headers[name], (target, name)
