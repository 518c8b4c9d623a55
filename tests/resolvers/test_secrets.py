"""Credentials over real sockets: sent where they belong, again after a break, and seen nowhere else."""

from __future__ import annotations

import base64
import json
import logging
import pickle
import socket
import ssl
import traceback
from pathlib import Path
from typing import Any

import pytest
import trustme

import rehub
from rehub.errors import AccessError, HubError, TransferError
from tests import sample
from tests.misbehaving import Answer, MisbehavingServer, ranged

BODY = sample.archive({**sample.FILES, "more": sample.FILES["variables/variables.data-00000-of-00001"] * 20})
SECRET = "s3cret-t0ken"
NETRC = "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()
SHOWN = (SECRET, NETRC.removeprefix("Basic "))


@pytest.fixture(params=["token", "netrc"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def log_in(kind: str, server: MisbehavingServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Stores credentials for a server, and returns what has to arrive there."""
    path = folder / "secrets"
    if kind == "token":
        path.write_text(json.dumps({"tokens": {f"127.0.0.1:{server.port}": SECRET}}))
        monkeypatch.setenv("REHUB_CREDENTIALS_FILE", str(path))
    else:
        path.write_text(f"machine 127.0.0.1 login me password {SECRET}\n")
        monkeypatch.setenv("NETRC", str(path))
    path.chmod(0o600)
    return f"Bearer {SECRET}" if kind == "token" else NETRC


def arrived(server: MisbehavingServer) -> list[str | None]:
    return [request.headers.get("authorization") for request in server.requests]


@pytest.mark.parametrize("handle", ["acme/net/1", "acme/net"])
def test_resolve_keeps_credentials_from_another_port(
    handle: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MisbehavingServer(Answer(BODY)) as there:
        target = Answer(status=302, headers={"Location": f"{there.url}/acme/net/1"})
        with MisbehavingServer(target) as here:
            expected = log_in(kind, here, tmp_path, monkeypatch)
            rehub.resolve(f"{here.url}/{handle}")
    assert arrived(here) == [expected]
    assert arrived(there) == [None]


@pytest.mark.parametrize(
    "steps",
    [
        (ranged(BODY, '"1"', cut_at=500_000, end="reset"), ranged(BODY, '"1"')),
        (Answer(BODY, cut_at=500_000), Answer(BODY)),
        (Answer(status=503), Answer(BODY)),
        (Answer(status=302, headers={"Location": "/other"}), Answer(BODY)),
    ],
    ids=["range", "restart", "retry", "redirect"],
)
def test_resolve_sends_credentials_with_each_request(
    steps: tuple[Any, ...], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MisbehavingServer(*steps) as server:
        expected = log_in(kind, server, tmp_path, monkeypatch)
        path = rehub.resolve(f"{server.url}/acme/net/1")
    assert (Path(path) / "more").is_file()
    assert arrived(server) == [expected, expected]


def test_resolve_goes_on_without_credentials_where_a_redirect_led(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = ranged(BODY, '"1"', cut_at=500_000, end="reset"), ranged(BODY, '"1"')
    with (
        MisbehavingServer(*steps) as there,
        MisbehavingServer(Answer(status=302, headers={"Location": f"{there.url}/blob"})) as here,
    ):
        expected = log_in(kind, here, tmp_path, monkeypatch)
        rehub.resolve(f"{here.url}/acme/net/1")
    assert arrived(here) == [expected, expected]
    assert arrived(there) == [None, None]


def test_resolve_keeps_credentials_from_the_proxy(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with MisbehavingServer(Answer(BODY)) as server, MisbehavingServer(Answer(status=403)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        expected = log_in(kind, server, tmp_path, monkeypatch)
        rehub.resolve(f"{server.url}/acme/net/1")
    assert arrived(server) == [expected]
    assert proxy.requests == []


def everything(error: BaseException | None) -> str:
    """Returns all that an error and those behind it hold."""
    texts = []
    while error is not None:
        texts += [repr(error), str(vars(error)), "".join(traceback.format_exception(error))]
        error = error.__cause__ or error.__context__
    return "".join(texts)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(BODY),
        Answer(b"no", 401),
        Answer(b"no", 403, {"Content-Type": "text/plain"}),
        Answer(b"no", 404),
        Answer(status=500),
        Answer(b"<html>"),
        Answer(BODY, cut_at=100),
        Answer(BODY, cut_at=0, end="reset"),
        Answer(status=302, headers={"Location": "https://127.0.0.1:1/"}),
        Answer(status=302, headers={"Location": "/acme/net/1?tf-hub-format=compressed"}),
    ],
)
def test_resolve_shows_no_credentials(
    answer: Answer,
    kind: str,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    seen: list[str] = []
    error: HubError | None = None
    with MisbehavingServer(answer) as server:
        expected = log_in(kind, server, tmp_path, monkeypatch)
        with rehub.settings(retries=1, progress=lambda what, done, total: seen.append(f"{what} {done} {total}")):
            try:
                rehub.resolve(f"{server.url}/acme/net/1")
            except HubError as caught:
                error = caught
        with rehub.settings(progress=None, show_progress=True, cache_dir=str(tmp_path / "second")):
            try:
                rehub.resolve(f"{server.url}/acme/net/1")
            except HubError as caught:
                seen.append(repr(pickle.dumps(caught)))
    assert expected in arrived(server)
    files = [path for path in (*cache.rglob("*"), *(tmp_path / "second").rglob("*")) if path.is_file()]
    seen += [path.read_bytes().decode("latin-1") for path in files]
    seen += [everything(error), caplog.text, *capfd.readouterr(), repr(server.url)]
    assert not [text for text in seen if any(secret in text for secret in SHOWN)]


def test_resolve_says_which_credentials_a_server_refused(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MisbehavingServer(Answer(status=401)) as server:
        log_in(kind, server, tmp_path, monkeypatch)
        with pytest.raises(AccessError, match="secrets") as caught:
            rehub.resolve(f"{server.url}/acme/net/1")
    assert str(tmp_path / "secrets") in caught.value.credentials


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return authority


def pretending(authority: trustme.CA, name: str, *steps: Any) -> MisbehavingServer:
    """Makes a server with the certificate of another."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return MisbehavingServer(*steps, tls=context)


def lead(monkeypatch: pytest.MonkeyPatch, servers: dict[str, MisbehavingServer]) -> None:
    """Makes names lead to servers on this machine, and no name lead anywhere else."""

    def look_up(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        address = ("127.0.0.1", servers[host].port if host in servers else port)
        if host not in servers and host != "127.0.0.1":
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def test_resolve_sends_the_account_to_kaggle_and_not_to_its_storage(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", SECRET)
    signed = Answer(status=302, headers={"Location": "https://storage.test/blob?X-Goog-Signature=1"})
    with (
        pretending(authority, "www.kaggle.com", signed) as kaggle,
        pretending(authority, "storage.test", Answer(BODY)) as storage,
        rehub.settings(ca_bundle=str(tmp_path / "ca.pem")),
    ):
        lead(monkeypatch, {"www.kaggle.com": kaggle, "storage.test": storage})
        rehub.resolve("https://www.kaggle.com/models/o/m/frameworks/tensorFlow2/variations/v/versions/1")
    assert [request.target for request in kaggle.requests] == ["/models/o/m/tensorFlow2/v/1?tf-hub-format=compressed"]
    assert arrived(kaggle) == [f"Bearer {SECRET}"]
    assert arrived(storage) == [None]


def test_resolve_gets_the_same_files_by_tfhub_dev_and_by_both_spellings_of_kaggle(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", SECRET)
    monkeypatch.setattr("rehub.resolvers.kaggle.has", lambda handle: False)  # kagglehub has tests of its own
    short, long = "o/m/tensorFlow2/v/1", "o/m/frameworks/tensorFlow2/variations/v/versions/1"
    page = f"https://www.kaggle.com/models/{long}?tf-hub-format=compressed"
    signed = Answer(status=302, headers={"Location": "https://storage.test/blob?X-Goog-Signature=1"})
    with (
        pretending(authority, "tfhub.dev", Answer(status=301, headers={"Location": page})) as old,
        pretending(authority, "www.kaggle.com", signed, signed) as kaggle,
        pretending(authority, "storage.test", Answer(BODY), Answer(BODY)) as storage,
        rehub.settings(ca_bundle=str(tmp_path / "ca.pem")),
    ):
        lead(monkeypatch, {"tfhub.dev": old, "www.kaggle.com": kaggle, "storage.test": storage})
        by_tfhub = rehub.resolve("https://tfhub.dev/p/m/1")
        by_kaggle = rehub.resolve(f"https://www.kaggle.com/models/{long}")
        assert rehub.resolve(f"https://kaggle.com/models/{short}") == by_kaggle
    assert sample.read(by_tfhub) == sample.read(by_kaggle)
    assert (len(old.requests), len(kaggle.requests), len(storage.requests)) == (1, 2, 2)
    assert arrived(old) == [None]
    assert arrived(kaggle) == [f"Bearer {SECRET}"] * 2
    assert arrived(storage) == [None, None]


def test_resolve_sends_the_account_to_nobody_who_only_claims_to_be_kaggle(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", SECRET)
    with (
        pretending(authority, "evil.test", Answer(BODY)) as evil,
        rehub.settings(ca_bundle=str(tmp_path / "ca.pem"), retries=0),
    ):
        lead(monkeypatch, {"www.kaggle.com": evil})
        with pytest.raises(TransferError):
            rehub.resolve("https://www.kaggle.com/models/o/m/tensorFlow2/v/1")
    assert evil.requests == []
