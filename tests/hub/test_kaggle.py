"""Models on Kaggle by kagglehub, from a server on this machine that answers its API."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import kagglehub.config
import pytest
from kagglesdk import kaggle_env

import rehub
from rehub.archive.fingerprint import fingerprint, measure
from rehub.cache.resolved import record_of
from rehub.errors import AccessError, HandleError, NotFoundError, OfflineError, TransferError
from tests import sample

MODEL = "https://www.kaggle.com/models/acme/net/tensorFlow2/base"
LONG = "https://www.kaggle.com/models/acme/net/frameworks/tensorFlow2/variations/base/versions/3"
SECRET = "a-secret-token"
SIGNATURE = "X-Goog-Signature=a-secret-of-the-storage"


class Kaggle:
    """The server.

    Attributes:
        newest: The newest version; 0 for none.
        requests: Method and target of each request.
        tokens: What was sent as ``Authorization`` with each of them.
        token: What has to be sent; empty for a public model.
        status: What every request to the API is answered with, if it is set.
        cuts: How often only a part of the archive is sent.
    """

    def __init__(self) -> None:
        self.newest = 3
        self.requests: list[str] = []
        self.bodies: list[dict[str, object]] = []
        self.tokens: list[str] = []
        self.token = ""
        self.status = self.cuts = 0
        self.url = self.storage = ""

    @contextlib.contextmanager
    def running(self) -> Iterator[Kaggle]:
        handler = type("Handler", (_Handler,), {"kaggle": self})
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            self.url = f"http://127.0.0.1:{server.server_port}"
            self.storage = f"http://localhost:{server.server_port}/storage?{SIGNATURE}"
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    kaggle: Kaggle

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.kaggle.bodies.append(body)
        sent = self._note()
        call = self.path.rpartition("/")[2]
        if self.kaggle.status or (self.kaggle.token and sent != self.kaggle.token):
            status = self.kaggle.status or (403 if sent else 401)
            self._send(status, json.dumps({"code": status, "message": SECRET}).encode(), "application/json")
        elif call == "GetModelInstance":
            self._send(200, json.dumps({"versionNumber": self.kaggle.newest}).encode(), "application/json")
        elif call == "DownloadModelInstanceVersion" and 0 < int(str(body["versionNumber"])) <= self.kaggle.newest:
            self.send_response(302)
            self.send_header("Location", self.kaggle.storage)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._send(404, b"{}", "application/json")

    def do_GET(self) -> None:
        sent = self._note()
        if self.path.startswith(("/tfhub/", "/models/")):  # tfhub.dev, and Kaggle's own pages
            page = "/models/acme/net/tensorFlow2/base/3?tf-hub-format=compressed"
            self.send_response(302)
            self.send_header("Location", page if self.path.startswith("/tfhub/") else self.kaggle.storage)
            self.end_headers()
            return
        if sent or SIGNATURE not in self.path:
            self._send(403, b"", "text/plain")
            return
        archive = sample.archive()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-gzip")
        self.send_header("Content-Length", str(len(archive)))
        self.end_headers()
        whole, self.kaggle.cuts = self.kaggle.cuts == 0, max(0, self.kaggle.cuts - 1)
        self.wfile.write(archive if whole else archive[: len(archive) // 2])

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _note(self) -> str:
        sent = str(self.headers.get("Authorization", ""))
        self.kaggle.requests.append(f"{self.command} {self.path}")
        self.kaggle.tokens.append(sent)
        return sent

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kaggle]:
    """Kaggle, of which the client believes that it is the server of its developers; a user without an account."""
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR", "KAGGLE_KERNEL_RUN_TYPE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(kagglehub.config, "DEFAULT_KAGGLE_CREDENTIALS_FOLDER", str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    with Kaggle().running() as kaggle, rehub.settings(retries=1):
        monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, kaggle.url)
        yield kaggle


def test_resolve_gets_a_version_into_the_cache(
    kaggle: Kaggle, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = rehub.resolve(f"{MODEL}/3")

    assert path == str(tmp_path / "cache/www.kaggle.com/models/acme/net") + path[path.index("net") + 3 :]
    assert sample.read(path) == sample.FILES
    record = record_of(path)
    assert record is not None
    assert (record.location, record.url) == (f"{MODEL}/3", kaggle.storage.partition("?")[0])
    assert kaggle.bodies == [
        {
            "ownerSlug": "acme",
            "modelSlug": "net",
            "framework": "MODEL_FRAMEWORK_TENSOR_FLOW_2",
            "instanceSlug": "base",
            "versionNumber": 3,
        }
    ]
    assert capfd.readouterr() == ("", "")


def test_both_spellings_give_the_same_files_at_one_download(kaggle: Kaggle) -> None:
    assert rehub.resolve(LONG) == rehub.resolve(f"{MODEL}/3") == rehub.resolve(f"{MODEL}/3".replace("www.", ""))
    assert len(kaggle.requests) == 2


def test_all_handles_of_a_model_give_the_same_files(kaggle: Kaggle, tmp_path: Path) -> None:
    """By tfhub.dev, whose answer leads to Kaggle, by Kaggle's pages, as without kagglehub, and by kagglehub."""
    mirrors = {"https://tfhub.dev": f"{kaggle.url}/tfhub", "https://www.kaggle.com": kaggle.url}
    with rehub.settings(mirrors=mirrors):
        first = rehub.resolve("https://tfhub.dev/acme/net/1")
        with rehub.settings(cache_dir=str(tmp_path / "without")):
            second = rehub.resolve(f"{MODEL}/3")
    assert not kaggle.bodies
    third = rehub.resolve(LONG)
    assert kaggle.bodies
    assert fingerprint(measure(Path(first))) == fingerprint(measure(Path(second))) == fingerprint(measure(Path(third)))


def test_resolve_asks_for_the_newest_version_and_downloads_only_what_is_new(kaggle: Kaggle) -> None:
    three = rehub.resolve(MODEL)
    assert Path(three).name == "3"
    kaggle.requests.clear()
    with rehub.settings(unversioned_ttl_s=0):
        assert rehub.resolve(MODEL) == three
        assert [request.rpartition("/")[2] for request in kaggle.requests] == ["GetModelInstance"]
        kaggle.newest = 4
        assert Path(rehub.resolve(MODEL)).name == "4"
    with rehub.settings(unversioned_ttl_s=0, offline=True):
        assert Path(rehub.resolve(MODEL)).name == "4"


def test_resolve_offline_opens_no_connection(kaggle: Kaggle) -> None:
    with rehub.settings(offline=True), pytest.raises(OfflineError, match="REHUB_OFFLINE"):
        rehub.resolve(MODEL)
    assert kaggle.requests == []


def test_resolve_checks_a_pin(kaggle: Kaggle) -> None:
    pin = fingerprint(measure(Path(rehub.resolve(f"{MODEL}/3"))))
    assert rehub.resolve(f"{MODEL}#sha256={pin}") == rehub.resolve(f"{MODEL}/3")


def test_resolve_begins_anew_when_the_archive_breaks(kaggle: Kaggle) -> None:
    kaggle.cuts = 1
    assert sample.read(rehub.resolve(f"{MODEL}/3")) == sample.FILES
    kaggle.cuts = 2
    with pytest.raises(TransferError, match="broke"):
        rehub.resolve(f"{MODEL}/2")


def test_resolve_sends_the_account_to_kaggle_and_not_to_its_storage(
    kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", SECRET)
    kaggle.token = f"Bearer {SECRET}"
    assert sample.read(rehub.resolve(f"{MODEL}/3")) == sample.FILES
    assert kaggle.tokens == [f"Bearer {SECRET}", ""]


def test_resolve_knows_the_accounts_that_kagglehub_knows(kaggle: Kaggle, tmp_path: Path) -> None:
    file = tmp_path / "home" / "kaggle.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"username": "me", "key": SECRET}))
    kaggle.token = "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()
    assert sample.read(rehub.resolve(f"{MODEL}/3")) == sample.FILES


def test_resolve_prefers_the_token_that_rehub_has(kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", "another")
    kaggle.token = f"Bearer {SECRET}"
    with rehub.settings(token=SECRET, token_host="www.kaggle.com"):
        assert sample.read(rehub.resolve(f"{MODEL}/3")) == sample.FILES


@pytest.mark.parametrize(("account", "sent"), [("", "without credentials"), ("wrong", "with the account")])
def test_resolve_says_where_terms_are_accepted_and_no_secret(
    kaggle: Kaggle, account: str, sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", account)
    kaggle.token = f"Bearer {SECRET}"
    with pytest.raises(AccessError, match=f"{sent}.*Open {MODEL} in a browser, log in and accept the terms") as caught:
        rehub.resolve(f"{MODEL}/3")
    assert SECRET not in str(caught.value)


def test_resolve_says_that_a_version_is_not_there(kaggle: Kaggle) -> None:
    with pytest.raises(NotFoundError, match=f"{MODEL}/9 does not exist"):
        rehub.resolve(f"{MODEL}/9")
    kaggle.newest = 0
    with pytest.raises(NotFoundError, match="has no version"):
        rehub.resolve(MODEL)


def test_resolve_says_what_status_kaggle_answers_with(kaggle: Kaggle) -> None:
    kaggle.status = 500
    with pytest.raises(TransferError, match="status 500"):
        rehub.resolve(f"{MODEL}/3")


def test_resolve_refuses_a_framework_that_kaggle_does_not_have(kaggle: Kaggle) -> None:
    with pytest.raises(HandleError, match="no framework 'tensorCow'"):
        rehub.resolve("https://www.kaggle.com/models/acme/net/tensorCow/base/1")


def test_resolve_names_the_account_that_cannot_be_read_and_not_what_it_holds(kaggle: Kaggle, tmp_path: Path) -> None:
    file = tmp_path / "home" / "kaggle.json"
    file.parent.mkdir()
    file.write_text(SECRET)
    with pytest.raises(ValueError, match="kagglehub cannot read this user's account") as caught:
        rehub.resolve(f"{MODEL}/3")
    assert SECRET not in str(caught.value)
