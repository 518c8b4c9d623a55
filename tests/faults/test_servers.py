"""Servers and ways to them that fail: a whole model or one clear error, and a cache folder as if nothing had been."""

from __future__ import annotations

import email.utils
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

import rehub
from rehub.errors import FormatError, HubError, TransferError
from tests import sample
from tests.faults.models import ARCHIVE, everything, is_model
from tests.manifests import FILES, WEIGHTS, Hub
from tests.misbehaving import Answer, Drip, MisbehavingServer, Request, Step, ranged

HALF = len(ARCHIVE) // 2
OTHER = sample.archive({**FILES, "version": b"other"})
DRIP = {"timeout_s": 0.3, "min_bytes_per_s": 50_000.0}
SILENCE = {"timeout_s": 0.4}
CRC = -8  # where in a gzip it begins; the length follows
CHUNKED = b'HTTP/1.1 200 OK\r\nETag: "1"\r\nTransfer-Encoding: chunked\r\n\r\n'
DRIPS = [
    pytest.param(Drip(b"HTTP/1.1 200 OK\r\nX: ", b"a"), id="drip of headers"),
    pytest.param(Drip(CHUNKED + b"5;", b"a"), id="drip of a chunk's length"),
    pytest.param(Drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), id="drip of informational answers"),
]
whole = ranged(ARCHIVE, '"1"')


def flipped(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


def past() -> str:
    return email.utils.formatdate(time.time() - 1, usegmt=True)


def left(cache: Path) -> set[str]:
    return {name for name in everything(cache) if not name.startswith(".locks/")}


@pytest.mark.parametrize(
    ("steps", "settings"),
    [
        pytest.param([ranged(ARCHIVE, '"1"', cut_at=HALF, end="reset"), whole], {}, id="reset"),
        pytest.param([ranged(ARCHIVE, '"1"', cut_at=HALF, end="stall"), whole], SILENCE, id="stall"),
        pytest.param([ranged(ARCHIVE, '"1"', cut_at=0, end="stall"), whole], SILENCE, id="stall before the body"),
        pytest.param([ranged(ARCHIVE, '"1"', bytes_per_s=1000), whole], DRIP, id="drip"),
        pytest.param([ranged(OTHER, '"2"', cut_at=HALF), whole], {}, id="other content"),
        pytest.param([Answer(ARCHIVE, headers={"Content-Length": str(len(ARCHIVE) + 9)}), whole], {}, id="too long"),
        pytest.param([Answer(ARCHIVE, chunked=True)], {}, id="chunked"),
        pytest.param([Answer(ARCHIVE, headers={"Content-Length": ""})], {}, id="no length"),
        pytest.param([Answer(status=429, headers={"Retry-After": "0"}), whole], {}, id="429 with seconds"),
        pytest.param([Answer(status=429, headers={"Retry-After": past()}), whole], {}, id="429 with a date"),
        pytest.param([Answer(status=302, headers={"Location": "/a"}), whole], {}, id="redirect"),
    ],
)
def test_resolve_gives_a_whole_model_when_a_failure_passes(
    cache: Path, steps: list[Step], settings: dict[str, Any]
) -> None:
    with MisbehavingServer(*steps) as server, rehub.settings(retries=8, **settings):
        path = rehub.resolve(f"{server.url}/acme/net/1")
        assert is_model(path)
        with rehub.settings(offline=True):
            assert rehub.resolve(f"{server.url}/acme/net/1") == path
    assert list((cache / ".staging").iterdir()) == []


@pytest.mark.parametrize("drip", DRIPS)
def test_resolve_ends_in_time_when_a_server_draws_its_answer_out(cache: Path, drip: Drip) -> None:
    with rehub.settings(**SILENCE), MisbehavingServer(drip, whole) as server:
        assert is_model(rehub.resolve(f"{server.url}/acme/net/1"))
    says = pytest.raises(TransferError, match=r"no answer|broke after 0 bytes")
    with rehub.settings(**SILENCE, retries=1), MisbehavingServer(drip) as server, says:
        rehub.resolve(f"{server.url}/acme/net/2")


@pytest.mark.parametrize(
    ("step", "settings", "kind", "says"),
    [
        pytest.param(Answer(ARCHIVE, cut_at=HALF, end="reset"), {}, TransferError, "broke", id="reset"),
        pytest.param(Answer(ARCHIVE, cut_at=HALF, end="stall"), SILENCE, TransferError, "broke", id="stall"),
        pytest.param(ranged(ARCHIVE, '"1"', cut_at=0, end="stall"), SILENCE, TransferError, "TIMEOUT_S", id="silence"),
        pytest.param(ranged(ARCHIVE, '"1"', bytes_per_s=1000), DRIP, TransferError, "MIN_BYTES_PER_S", id="drip"),
        pytest.param(
            Answer(ARCHIVE, headers={"Content-Length": str(len(ARCHIVE) + 9)}),
            {},
            TransferError,
            "broke",
            id="too long",
        ),
        pytest.param(
            Answer(ARCHIVE, headers={"Content-Length": str(HALF)}), {}, FormatError, "ends early", id="too short"
        ),
        pytest.param(Answer(ARCHIVE, chunked=True, cut_at=HALF), {}, TransferError, "broke", id="chunked and cut"),
        pytest.param(
            Answer(ARCHIVE, headers={"Content-Length": ""}, cut_at=HALF), {}, FormatError, "ends early", id="no length"
        ),
        pytest.param(Answer(flipped(ARCHIVE, CRC)), {}, FormatError, "damaged compressed data", id="crc"),
        pytest.param(Answer(flipped(ARCHIVE, CRC + 4)), {}, FormatError, "damaged compressed data", id="gzip length"),
        pytest.param(Answer(flipped(ARCHIVE, HALF)), {}, FormatError, "damaged", id="flipped bit"),
        pytest.param(Answer(ARCHIVE + b"garbage"), {}, FormatError, "goes on after its end", id="garbage at the end"),
        pytest.param(
            Answer(status=302, headers={"Location": "/acme/net/1?tf-hub-format=compressed"}),
            {},
            TransferError,
            "in a circle",
            id="redirects in a circle",
        ),
        pytest.param(
            Answer(status=429, headers={"Retry-After": "999"}), {}, TransferError, "Try again in 999 s", id="429"
        ),
        pytest.param(
            Answer(b"<html><form>Log in</form></html>", headers={"Content-Type": "text/html"}),
            {},
            TransferError,
            "log in",
            id="login page",
        ),
    ],
)
def test_resolve_fails_clearly_and_leaves_nothing(
    cache: Path, step: Step, settings: dict[str, Any], kind: type[HubError], says: str
) -> None:
    behaviour: list[Step] = [step]

    def answer(request: Request) -> Answer:
        now = behaviour[-1]
        return now if isinstance(now, Answer) else now(request)

    with MisbehavingServer(answer) as server:
        with rehub.settings(retries=1, **settings), pytest.raises(kind, match=says):
            rehub.resolve(f"{server.url}/acme/net/1")
        assert left(cache) == {".staging/"}
        behaviour.append(whole)
        assert is_model(rehub.resolve(f"{server.url}/acme/net/1"))
    assert list((cache / ".staging").iterdir()) == []


Change = Callable[[Answer], Answer]
FAILURES = [
    pytest.param(lambda answer: replace(answer, cut_at=1000, end="reset"), {}, id="reset"),
    pytest.param(lambda answer: replace(answer, cut_at=1000, end="stall"), SILENCE, id="stall"),
    pytest.param(lambda answer: replace(answer, bytes_per_s=1000), DRIP, id="drip"),
    pytest.param(lambda answer: replace(answer, chunked=True, cut_at=1000), {}, id="chunked and cut"),
    pytest.param(lambda answer: replace(answer, body=flipped(answer.body, 9)), {}, id="flipped bit"),
    pytest.param(lambda _: Answer(status=429, headers={"Retry-After": "0"}), {}, id="429"),
    pytest.param(lambda _: Answer(b"<html>", headers={"Content-Type": "text/html"}), {}, id="login page"),
]


@pytest.mark.parametrize(
    ("change", "settings"),
    [
        *FAILURES,
        pytest.param(lambda answer: replace(answer, body=answer.body + b"more"), {}, id="too long"),
        pytest.param(lambda answer: replace(answer, cut_at=300_000), {}, id="cut"),
    ],
)
def test_resolve_gives_a_whole_model_when_a_failure_of_a_file_passes(
    cache: Path, change: Change, settings: dict[str, Any]
) -> None:
    hub, changes = Hub(), [change]
    hub.change = lambda name, answer: changes.pop()(answer) if name == WEIGHTS and changes else answer
    with MisbehavingServer(hub) as server, rehub.settings(retries=8, **settings):
        assert is_model(rehub.resolve(f"{server.url}/acme/net/1"))
    assert changes == []
    assert list((cache / ".staging").iterdir()) == []


@pytest.mark.parametrize(("change", "settings"), FAILURES)
def test_resolve_fails_clearly_when_a_file_fails_every_time(
    cache: Path, change: Change, settings: dict[str, Any]
) -> None:
    hub = Hub()
    hub.change = lambda name, answer: change(answer) if name == WEIGHTS else answer
    with MisbehavingServer(hub) as server:
        url = f"{server.url}/acme/net/1"
        with rehub.settings(retries=1, **settings), pytest.raises(TransferError):
            rehub.resolve(url)
        assert not list(cache.glob("http*"))
        hub.change = lambda _, answer: answer
        assert is_model(rehub.resolve(url))
    assert list((cache / ".staging").iterdir()) == []


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> Iterator[None]:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with rehub.settings(ca_bundle=str(tmp_path / "ca.pem")):
        yield


@pytest.mark.usefixtures("bundle")
def test_resolve_trusts_the_authorities_of_the_bundle(tls: ssl.SSLContext) -> None:
    with MisbehavingServer(whole, tls=tls) as server:
        assert is_model(rehub.resolve(f"{server.url}/acme/net/1"))


def test_resolve_refuses_a_certificate_that_nobody_vouches_for(cache: Path, tls: ssl.SSLContext) -> None:
    with MisbehavingServer(whole, tls=tls) as server, pytest.raises(TransferError, match="REHUB_CA_BUNDLE"):
        rehub.resolve(f"{server.url}/acme/net/1")
    assert server.requests == []
    assert left(cache) == {".staging/"}


@pytest.mark.usefixtures("bundle")
@pytest.mark.parametrize("version", ["/1", ""])
def test_resolve_refuses_to_leave_encryption(cache: Path, tls: ssl.SSLContext, version: str) -> None:
    with MisbehavingServer(whole) as there:
        away = Answer(status=302, headers={"Location": f"{there.url}/acme/net/1"})
        with MisbehavingServer(away, tls=tls) as server, pytest.raises(TransferError, match="not encrypted"):
            rehub.resolve(f"{server.url}/acme/net{version}")
    assert there.requests == []
    assert left(cache) == {".staging/"}


NEEDS_LOGIN = Answer(status=407, headers={"Proxy-Authenticate": 'Basic realm="proxy"'})


def _proxy(request: Request) -> Answer:
    # Of user:p@ss
    return Answer(ARCHIVE) if request.headers.get("proxy-authorization") == "Basic dXNlcjpwQHNz" else NEEDS_LOGIN


@pytest.mark.parametrize("login", ["", "user:wrong@", "user:p%40ss@"])
def test_resolve_shows_the_login_to_a_proxy_that_needs_one(
    cache: Path, monkeypatch: pytest.MonkeyPatch, login: str
) -> None:
    with MisbehavingServer(_proxy) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("//", f"//{login}"))
        if login == "user:p%40ss@":
            assert is_model(rehub.resolve("http://hub.invalid/acme/net/1"))
            return
        with pytest.raises(TransferError, match=r"status 407.*HTTP_PROXY") as caught:
            rehub.resolve("http://hub.invalid/acme/net/1")
    assert "wrong" not in str(caught.value)
    assert left(cache) == {".staging/"}


def test_resolve_names_the_proxy_when_its_login_fails_on_the_way_to_https(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MisbehavingServer(NEEDS_LOGIN) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        with rehub.settings(retries=0), pytest.raises(TransferError, match=r"the proxy failed .*407.*HTTPS_PROXY"):
            rehub.resolve("https://hub.invalid/acme/net/1")
    assert left(cache) == {".staging/"}


@pytest.mark.parametrize("end", ["reset", "refused"])
def test_resolve_names_the_proxy_when_it_fails(cache: Path, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    with MisbehavingServer(Answer(status=502)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        if end == "reset":
            with rehub.settings(retries=0), pytest.raises(TransferError, match="status 502"):
                rehub.resolve("http://hub.invalid/acme/net/1")
    if end == "refused":
        with rehub.settings(retries=0), pytest.raises(TransferError, match=r"proxy.*HTTP_PROXY"):
            rehub.resolve("http://hub.invalid/acme/net/1")
    assert left(cache) == {".staging/"}
