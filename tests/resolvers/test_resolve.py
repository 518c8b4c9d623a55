"""What each kind of handle leads to, with servers that exist only in memory."""

from __future__ import annotations

import json
import pickle
import re
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import rehub
from rehub import configuration
from rehub.archive.fingerprint import fingerprint, measure
from rehub.errors import (
    AccessError,
    ChecksumError,
    DependencyError,
    FormatError,
    HandleError,
    NotFoundError,
    OfflineError,
    TransferError,
)
from rehub.resolvers.chain import lasting, resolve_with
from rehub.transport.memory import MemoryResponse, MemoryTransport
from tests import sample

MODEL = MemoryResponse(sample.archive(), headers={"etag": '"e1"'})
ASKED = "https://hub.test/acme/net/2?tf-hub-format=compressed"


def through(transport: MemoryTransport, handle: str) -> str:
    return resolve_with(handle, configuration.current(), transport)


def urls(transport: MemoryTransport) -> list[str]:
    return [url for url, _ in transport.requests]


@pytest.mark.parametrize("as_path", [str, Path])
def test_resolve_gives_a_path_back(tmp_path: Path, as_path: type) -> None:
    assert rehub.resolve(as_path(tmp_path)) == str(tmp_path)
    assert rehub.resolve(tmp_path.as_uri()) == str(tmp_path)


def test_resolve_fails_when_a_path_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="does not exist") as caught:
        rehub.resolve(tmp_path / "none")
    assert "https://" not in str(caught.value)
    with pytest.raises(NotFoundError, match=r"write https://tfhub\.dev/google/nnlm/1"):
        rehub.resolve("tfhub.dev/google/nnlm/1")


@pytest.mark.parametrize("handle", ["hdfs://host/folder", "viewfs://host/a/b/1/"])
def test_resolve_gives_a_remote_folder_back(handle: str, cache: Path) -> None:
    assert rehub.resolve(handle) == handle
    assert not cache.exists()


def test_resolve_fetches_a_version_once(cache: Path) -> None:
    transport = MemoryTransport({ASKED: MODEL})
    path = through(transport, "https://hub.test/acme/net/2")
    assert path == str(cache / "hub.test" / "acme" / "net" / "2")
    assert sample.read(path) == sample.FILES
    assert through(transport, "https://hub.test/acme/net/2/") == path
    assert urls(transport) == [ASKED]
    assert list((cache / ".staging").iterdir()) == []


def test_resolve_keeps_the_query_of_a_handle() -> None:
    url = "https://hub.test/acme/net/2?key=a%20b&tf-hub-format=compressed"
    transport = MemoryTransport({url.replace("%20", "+"): MODEL})
    assert sample.read(through(transport, "https://hub.test/acme/net/2?key=a%20b")) == sample.FILES


def test_resolve_notes_where_a_model_came_from_without_secrets(cache: Path) -> None:
    signed = "https://store.test/blob?signature=secret"
    transport = MemoryTransport({ASKED: MemoryResponse(status=302, headers={"location": signed}), signed: MODEL})
    through(transport, "https://hub.test/acme/net/2")
    text = (cache / "hub.test/acme/net/2.rehub.json").read_text()
    assert json.loads(text)["url"] == "https://store.test/blob"
    assert json.loads(text)["location"] == "https://hub.test/acme/net/2"
    assert "secret" not in text


@pytest.mark.parametrize(
    ("handle", "url"),
    [
        ("https://files.test/a/m.tar.gz", "https://files.test/a/m.tar.gz"),
        ("https://files.test/a/m.tgz?x=1", "https://files.test/a/m.tgz?x=1"),
        ("gs://bucket/a/m.tar", "https://storage.googleapis.com/bucket/a/m.tar"),
        (
            "https://hub.tensorflow.google.cn/google/nnlm/1",
            "https://gcs.tensorflow.google.cn/tfhub-modules/google/nnlm/1.tar.gz",
        ),
    ],
)
@pytest.mark.parametrize("body", [sample.archive(), sample.tar()])
def test_resolve_fetches_an_archive(handle: str, url: str, body: bytes) -> None:
    transport = MemoryTransport({url: MemoryResponse(body)})
    path = through(transport, handle)
    assert sample.read(path) == sample.FILES
    assert through(transport, handle) == path
    assert urls(transport) == [url]


def test_resolve_refuses_an_archive_that_it_cannot_fetch() -> None:
    with pytest.raises(HandleError, match="hdfs"):
        rehub.resolve("hdfs://host/m.tar.gz")


def test_resolve_refuses_a_collection() -> None:
    with pytest.raises(HandleError, match="collection"):
        rehub.resolve("https://hub.test/acme/collection/nets")


def test_resolve_needs_tensorflow_for_a_cache_folder_that_is_not_here() -> None:
    with (
        rehub.settings(cache_dir="gs://bucket/cache"),
        pytest.raises(DependencyError, match=r"gs://bucket/cache/hub\.test.*pip install tensorflow.*TFHUB_CACHE_DIR"),
    ):
        rehub.resolve("https://hub.test/acme/net/2")


PIN = "#sha256=" + fingerprint({})


@pytest.fixture
def good_pin(tmp_path: Path) -> str:
    return "#sha256=" + fingerprint(measure(sample.write(tmp_path / "model")))


def test_resolve_takes_a_model_that_fits_its_pin(good_pin: str) -> None:
    transport = MemoryTransport({ASKED: MODEL})
    path = through(transport, "https://hub.test/acme/net/2" + good_pin)
    assert through(transport, "https://hub.test/acme/net/2" + good_pin) == path
    assert len(transport.requests) == 1


def test_resolve_refuses_a_model_that_does_not_fit_its_pin(cache: Path, good_pin: str) -> None:
    transport = MemoryTransport({ASKED: MODEL})
    with pytest.raises(ChecksumError) as caught:
        through(transport, "https://hub.test/acme/net/2" + PIN)
    assert ("#sha256=" + caught.value.actual, "#sha256=" + caught.value.expected) == (good_pin, PIN)
    assert not (cache / "hub.test").exists()
    through(transport, "https://hub.test/acme/net/2")
    with pytest.raises(ChecksumError):
        through(transport, "https://hub.test/acme/net/2" + PIN)
    assert len(transport.requests) == 2


def test_resolve_checks_the_pin_of_a_folder(tmp_path: Path, good_pin: str) -> None:
    folder = tmp_path / "model"
    assert rehub.resolve(folder.as_uri() + good_pin) == str(folder)
    (folder / "saved_model.pb").write_bytes(b"other")
    with pytest.raises(ChecksumError) as caught:
        rehub.resolve(folder.as_uri() + good_pin)
    assert "#sha256=" + caught.value.expected == good_pin


def test_lasting_handle_keeps_the_pin(tmp_path: Path, good_pin: str) -> None:
    folder = tmp_path / "model"
    assert lasting(folder.as_uri() + good_pin, str(folder)) == folder.as_uri() + good_pin
    redirect = MemoryResponse(status=302, headers={"location": ASKED})
    transport = MemoryTransport({"https://hub.test/acme/net?tf-hub-format=compressed": redirect, ASKED: MODEL})
    newest = "https://hub.test/acme/net" + good_pin
    assert lasting(newest, through(transport, newest)) == "https://hub.test/acme/net/2" + good_pin


@pytest.mark.parametrize("handle", ["https://hub.test/acme/net/2", "https://hub.test/acme/net"])
def test_resolve_refuses_a_pin_that_it_cannot_check(handle: str) -> None:
    transport = MemoryTransport({UNCOMPRESSED: MemoryResponse(b"gs://bucket/net/2", 303)})
    with (
        rehub.settings(load_format="UNCOMPRESSED"),
        pytest.raises(HandleError, match="Unset TFHUB_MODEL_LOAD_FORMAT") as caught,
    ):
        through(transport, handle + PIN)
    assert caught.value.handle == handle + PIN
    assert transport.requests == []


@pytest.mark.parametrize("status", [401, 403])
def test_resolve_says_what_is_missing_when_access_is_refused(status: int) -> None:
    kaggle = "https://www.kaggle.com/models/google/bert/tensorFlow2/base/1"
    for handle, word in (("https://hub.test/acme/net/2", "hub.test"), (kaggle, "terms")):
        refused = MemoryTransport({f"{handle}?tf-hub-format=compressed": MemoryResponse(b"<html>", status)})
        with pytest.raises(AccessError, match=word) as caught:
            through(refused, handle)
        assert (caught.value.status, caught.value.handle) == (status, handle)
        assert isinstance(pickle.loads(pickle.dumps(caught.value)), PermissionError)


def _json(status: int, values: object) -> MemoryResponse:
    return MemoryResponse(json.dumps(values).encode(), status, {"content-type": "application/json; charset=utf-8"})


def test_resolve_lists_the_versions_that_exist() -> None:
    transport = MemoryTransport({ASKED: _json(404, {"error": "no", "versions": ["3", "4", "6"]})})
    with pytest.raises(NotFoundError, match=r"no version 2 of 'acme/net' on hub\.test; there are 3, 4 and 6") as caught:
        through(transport, "https://hub.test/acme/net/2")
    assert caught.value.versions == ("3", "4", "6")


@pytest.mark.parametrize(
    "answer",
    [
        MemoryResponse(b"no \x1b[2J\xc2\x9b31m such", 404, {"content-type": "text/plain"}),
        _json(404, {"error": "no \x1b[2J\x9b31m such"}),
        _json(404, {"versions": ["no [2J 31m such", "\x1b]0;"]}),
    ],
)
def test_resolve_tells_what_a_server_says_without_what_a_terminal_obeys(answer: MemoryResponse) -> None:
    with pytest.raises(NotFoundError, match=r"no \[2J 31m such") as caught:
        through(MemoryTransport({ASKED: answer}), "https://hub.test/acme/net/2")
    assert not re.search(r"[\x1b\x9b]", str(caught.value) + "".join(caught.value.versions))


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (MemoryResponse(b"No such\n model.", 404, {"content-type": "text/plain"}), "status 404.: No such model"),
        (MemoryResponse(b"<html>long page</html>", 404, {"content-type": "text/html"}), r"status 404\)\. Check"),
        (MemoryResponse(b"", 404), "REHUB_MIRRORS=https://hub.test=https://OTHER-HOST"),
        (MemoryResponse(b"", 410), "is gone"),
        (_json(404, {"error": "gone fishing"}), "gone fishing"),
        (_json(404, ["odd"]), "does not exist"),
        (MemoryResponse(b"{", 404, {"content-type": "application/json"}), "does not exist"),
    ],
)
def test_resolve_says_that_a_model_does_not_exist(answer: MemoryResponse, text: str) -> None:
    with pytest.raises(NotFoundError, match=text):
        through(MemoryTransport({ASKED: answer}), "https://hub.test/acme/net/2")


def test_resolve_says_why_a_version_was_removed() -> None:
    said = {"error": "Version 2 of acme/net was removed: It had no licence.", "versions": ["1", "3"]}
    with pytest.raises(NotFoundError, match=r"is gone \(status 410\): .* removed: It had no licence\.") as caught:
        through(MemoryTransport({ASKED: _json(410, said)}), "https://hub.test/acme/net/2")
    assert caught.value.versions == ("1", "3")
    assert "there are 1 and 3" in caught.value.hint


def test_resolve_says_how_to_log_in_where_a_private_model_looks_like_none() -> None:
    said = {"error": "No such model on this hub.", "versions": []}
    with pytest.raises(NotFoundError) as caught:
        through(MemoryTransport({ASKED: _json(404, said)}), "https://hub.test/acme/net/2")
    assert "If it is private, run: rehub login https://hub.test" in caught.value.hint


@pytest.mark.parametrize("status", [429, 500, 503, 418, 204, 304])
def test_resolve_says_what_a_server_answered(status: int) -> None:
    answer = MemoryResponse(b"", status, {"retry-after": "77"})
    with pytest.raises(TransferError, match="77 s") as caught:
        through(MemoryTransport({ASKED: answer}), "https://hub.test/acme/net/2")
    assert caught.value.status == status


@pytest.mark.parametrize("body", [b"<!DOCTYPE html><title>Log in</title>", b"", b"{}" * 1000])
def test_resolve_shows_the_beginning_of_what_is_no_archive(cache: Path, body: bytes) -> None:
    answer = MemoryResponse(body, headers={"content-type": "text/html; charset=utf-8"})
    with pytest.raises(TransferError, match="status 200, content type 'text/html") as caught:
        through(MemoryTransport({ASKED: answer}), "https://hub.test/acme/net/2")
    assert repr(body[:60]) in str(caught.value)
    assert "log in" in caught.value.hint
    assert list((cache / ".staging").iterdir()) == []


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({"README.md": b"", "model.tflite": b"x"}, "contains README.md, model.tflite"),
        ({"net/saved_model.pb": sample.SAVED_MODEL}, "lacks saved_model.pb; it contains net/saved_model.pb"),
        ({f"f{i}": b"" for i in range(30)}, "and 10 more"),
        ({}, "contains nothing"),
        ({"saved_model.pb": b"damaged"}, "saved_model.pb"),
    ],
)
def test_resolve_refuses_an_archive_without_a_model(cache: Path, files: Mapping[str, bytes], text: str) -> None:
    with pytest.raises(FormatError, match=text):
        through(MemoryTransport({ASKED: MemoryResponse(sample.archive(files))}), "https://hub.test/acme/net/2")
    assert not (cache / "hub.test").exists()
    assert list((cache / ".staging").iterdir()) == []


def test_resolve_refuses_an_archive_that_was_cut(cache: Path) -> None:
    with pytest.raises(FormatError, match="ends early"):
        through(MemoryTransport({ASKED: MemoryResponse(MODEL.body[:-100])}), "https://hub.test/acme/net/2")
    assert not (cache / "hub.test").exists()


def test_resolve_heals_a_model_that_a_cleaner_took_apart() -> None:
    transport = MemoryTransport({ASKED: MODEL})
    path = Path(through(transport, "https://hub.test/acme/net/2"))
    kept = (path / "saved_model.pb").stat().st_ino
    (path / "assets" / "words.txt").unlink()
    assert through(transport, "https://hub.test/acme/net/2") == str(path)
    assert sample.read(path) == sample.FILES
    assert (path / "saved_model.pb").stat().st_ino == kept


def test_resolve_needs_no_network_when_the_cache_has_it() -> None:
    path = through(MemoryTransport({ASKED: MODEL}), "https://hub.test/acme/net/2")
    with rehub.settings(offline=True):
        assert rehub.resolve("https://hub.test/acme/net/2") == path
        for handle in ("https://hub.test/acme/net/3", "https://hub.test/acme/net", "https://files.test/m.tar"):
            with pytest.raises(OfflineError, match="not in the cache folder"):
                rehub.resolve(handle)


def test_resolve_tells_a_program_how_far_it_is() -> None:
    calls: list[tuple[str, int, int | None]] = []
    answer = MemoryResponse(MODEL.body, headers={"content-length": str(len(MODEL.body))})
    with rehub.settings(progress=lambda *call: calls.append(call)):
        through(MemoryTransport({ASKED: answer}), "https://hub.test/acme/net/2")
        assert calls[-1] == ("https://hub.test/acme/net/2", len(MODEL.body), len(MODEL.body))
        calls.clear()
        unknown = MemoryTransport({ASKED.replace("/2", "/3"): MODEL})
        through(unknown, "https://hub.test/acme/net/3")
        assert [call[1:] for call in calls] == [(len(MODEL.body), None), (len(MODEL.body), len(MODEL.body))]


def test_resolve_shows_a_bar_when_it_is_asked_to(capsys: pytest.CaptureFixture[str]) -> None:
    with rehub.settings(show_progress=True):
        through(MemoryTransport({ASKED: MODEL}), "https://hub.test/acme/net/2")
    assert "hub.test/acme/net/2" in capsys.readouterr().err


class SlowResponse(MemoryResponse):
    """Takes longer than a person wants to wait without a sign."""

    def chunks(self) -> Iterator[bytes]:
        yield self.body[:1000]
        time.sleep(0.6)
        yield self.body[1000:]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_resolve_shows_a_bar_only_where_somebody_looks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    with rehub.settings(show_progress=None):
        through(MemoryTransport({ASKED: SlowResponse(MODEL.body)}), "https://hub.test/acme/net/2")
    out, err = capsys.readouterr()
    assert out == ""
    assert ("hub.test/acme/net/2" in err) is is_terminal


@pytest.mark.parametrize("handle", ["httpx://hub.test/acme/net/1", "ftp://hub.test/net", "htps://tfhub.dev/a/b/1"])
def test_resolve_refuses_a_scheme_that_nobody_knows(handle: str) -> None:
    with pytest.raises(HandleError, match="is unknown"):
        rehub.resolve(handle)


UNCOMPRESSED = "https://hub.test/acme/net/2?tf-hub-format=uncompressed"


@pytest.mark.parametrize(
    ("body", "location"),
    [(b"gs://bucket/net/2\n", ""), (b"", "gs://bucket/net/2"), (b"see other", "gs://bucket/net/2")],
)
def test_resolve_uncompressed_gives_the_folder_that_the_server_names(cache: Path, body: bytes, location: str) -> None:
    answer = MemoryResponse(body, 303, {"location": location})
    with rehub.settings(load_format="UNCOMPRESSED"):
        assert through(MemoryTransport({UNCOMPRESSED: answer}), "https://hub.test/acme/net/2") == "gs://bucket/net/2"
    assert not cache.exists()


def test_resolve_uncompressed_follows_redirects_to_the_server_that_names_the_folder() -> None:
    moved = "https://new.test/acme/net/2?tf-hub-format=uncompressed"
    table = {
        UNCOMPRESSED: MemoryResponse(b"", 302, {"location": moved}),
        moved: MemoryResponse(b"gs://bucket/net/2", 303),
    }
    with rehub.settings(load_format="UNCOMPRESSED"):
        assert through(MemoryTransport(table), "https://hub.test/acme/net/2") == "gs://bucket/net/2"


@pytest.mark.parametrize(
    "answer",
    [
        MODEL,
        MemoryResponse(b"https://elsewhere.test/net/2", 303),
        MemoryResponse(b"/etc", 303, {"location": "file:///etc"}),
        MemoryResponse(b"gs://bucket/net/2", 302, {"location": "gs://bucket/net/2"}),
        MemoryResponse(b"", 302, {"location": UNCOMPRESSED}),
        MemoryResponse(b"", 302, {"location": "http://hub.test/acme/net/2"}),
        MemoryResponse(b"", 500),
    ],
)
def test_resolve_uncompressed_fails_when_the_server_names_no_folder(answer: MemoryResponse) -> None:
    with rehub.settings(load_format="UNCOMPRESSED"), pytest.raises(TransferError):
        through(MemoryTransport({UNCOMPRESSED: answer}), "https://hub.test/acme/net/2")


@pytest.mark.parametrize("status", [200, 400, 406, 501])
def test_resolve_uncompressed_says_how_to_download_when_the_server_offers_nothing_else(status: int) -> None:
    answer = MemoryResponse(b"Ask with tf-hub-format=compressed.", status, {"content-type": "text/plain"})
    with rehub.settings(load_format="UNCOMPRESSED"), pytest.raises(TransferError, match=f"status {status}") as caught:
        through(MemoryTransport({UNCOMPRESSED: answer}), "https://hub.test/acme/net/2")
    assert caught.value.hint == "Unset TFHUB_MODEL_LOAD_FORMAT, so that the model is downloaded."
    assert "tf-hub-format" not in caught.value.message


def test_resolve_uncompressed_never_asks_when_offline(cache: Path) -> None:
    transport = MemoryTransport({})
    with (
        rehub.settings(load_format="UNCOMPRESSED", offline=True),
        pytest.raises(OfflineError, match="rehub is offline") as caught,
    ):
        through(transport, "https://hub.test/acme/net/2")
    assert str(cache) not in str(caught.value)
    assert "TFHUB_MODEL_LOAD_FORMAT" in caught.value.hint
    assert transport.requests == []
