from __future__ import annotations

import email.utils
import os
import random
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import trustme

import rehub
from rehub.configuration import Settings
from rehub.errors import OfflineError, TransferError
from rehub.transport.http import HttpTransport
from rehub.transport.interface import ContentLost
from tests.misbehaving import Answer, MisbehavingServer, Request, Step, ranged

BODY = random.Random(0).randbytes(3_000_000)
QUICK = Settings(timeout_s=5, retries=2)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def fetched(url: str, settings: Settings = QUICK, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    with HttpTransport(settings, sleep=lambda _: None).get(url, headers) as response:
        return response.status, b"".join(response.chunks())


@pytest.fixture
def serve() -> Iterator[Callable[..., MisbehavingServer]]:
    running: list[MisbehavingServer] = []

    def start(*steps: Step, tls: ssl.SSLContext | None = None) -> MisbehavingServer:
        server = MisbehavingServer(*steps, tls=tls)
        running.append(server)
        return server.__enter__()

    yield start
    for server in running:
        server.__exit__()


Serve = Callable[..., MisbehavingServer]


def test_get_brings_status_headers_and_body(serve: Serve) -> None:
    server = serve(Answer(BODY, headers={"X-Kind": "model"}))
    with HttpTransport(QUICK).get(f"{server.url}/m?a=b", {"Accept": "x/y"}) as response:
        assert (response.status, response.url, response.headers["x-kind"]) == (200, f"{server.url}/m?a=b", "model")
        assert b"".join(response.chunks()) == BODY
    (request,) = server.requests
    assert (request.method, request.target) == ("GET", "/m?a=b")
    assert request.headers["user-agent"] == f"rehub/{rehub.__version__}"
    assert (request.headers["accept"], request.headers["accept-encoding"]) == ("x/y", "identity")


def test_get_does_not_undo_a_content_encoding(serve: Serve) -> None:
    server = serve(Answer(b"not gzip", headers={"Content-Encoding": "gzip"}))
    assert fetched(server.url) == (200, b"not gzip")


@pytest.mark.parametrize("status", [401, 403, 404, 410, 501])
def test_get_returns_a_status_at_once_when_it_will_last(serve: Serve, status: int) -> None:
    server = serve(Answer(b"why", status))
    assert fetched(server.url) == (status, b"why")
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_get_tries_again_when_a_status_may_pass(serve: Serve, status: int) -> None:
    server = serve(Answer(status=status), Answer(status=status), Answer(b"ok"))
    assert fetched(server.url) == (200, b"ok")


def test_get_returns_the_last_status_when_it_does_not_pass(serve: Serve) -> None:
    server = serve(Answer(b"broken", 500))
    assert fetched(server.url) == (500, b"broken")
    assert len(server.requests) == 1 + QUICK.retries


@pytest.mark.parametrize("ahead", [lambda: "7", lambda: email.utils.formatdate(time.time() + 8)])
def test_get_waits_as_long_as_the_server_says(serve: Serve, ahead: Callable[[], str]) -> None:
    server = serve(Answer(status=429, headers={"Retry-After": ahead()}), Answer(b"ok"))
    waits: list[float] = []
    with HttpTransport(QUICK, sleep=waits.append).get(server.url) as response:
        assert response.status == 200
    assert len(waits) == 1
    assert 5 < waits[0] <= 8


@pytest.mark.parametrize("ahead_s", [-1e9, 1e9])
def test_get_waits_by_the_clock_of_the_server(serve: Serve, ahead_s: float) -> None:
    now_s = time.time() + ahead_s
    date, until = email.utils.formatdate(now_s), email.utils.formatdate(now_s + 7)
    server = serve(Answer(status=429, headers={"Date": date, "Retry-After": until}), Answer(b"ok"))
    waits: list[float] = []
    with HttpTransport(QUICK, sleep=waits.append).get(server.url) as response:
        assert response.status == 200
    assert waits == [7]


def test_get_gives_up_when_the_wait_is_too_long(serve: Serve) -> None:
    server = serve(Answer(status=429, headers={"Retry-After": "3600"}))
    assert fetched(server.url)[0] == 429
    assert len(server.requests) == 1


def test_get_waits_longer_from_try_to_try(serve: Serve) -> None:
    server = serve(Answer(status=500))
    waits: list[float] = []
    with HttpTransport(Settings(retries=4), sleep=waits.append).get(server.url):
        pass
    assert len(waits) == 4
    assert waits == sorted(waits)
    assert sum(waits) < 10


def test_get_fails_when_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(TransferError) as caught:
        fetched(f"http://127.0.0.1:{port}/m")
    assert caught.value.url == f"http://127.0.0.1:{port}/m"
    assert f"nothing answers at 127.0.0.1:{port}" in caught.value.message
    assert "is the port right" in caught.value.hint
    assert not isinstance(caught.value, OfflineError)


def test_get_fails_without_a_retry_when_the_host_is_unknown() -> None:
    waits: list[float] = []
    with (
        pytest.raises(OfflineError, match=r"no-such-host\.invalid"),
        HttpTransport(QUICK, sleep=waits.append).get("http://no-such-host.invalid/m"),
    ):
        pass
    assert waits == []


def test_get_opens_no_connection_when_offline(serve: Serve) -> None:
    server = serve(Answer(b"x"))
    with pytest.raises(OfflineError, match="REHUB_OFFLINE"):
        fetched(server.url, Settings(offline=True))
    assert server.requests == []


@pytest.mark.parametrize("timeout_s", [0, float("inf")])
def test_get_brings_a_body_when_there_is_no_limit(serve: Serve, timeout_s: float) -> None:
    assert fetched(serve(Answer(b"x")).url, Settings(timeout_s=timeout_s, retries=0)) == (200, b"x")


def test_get_fails_when_a_server_keeps_silent(serve: Serve) -> None:
    server = serve(Answer(b"x" * 100, cut_at=10, end="stall"))
    with pytest.raises(TransferError, match=r"after 10 of 100 bytes: no answer from 127.* for 0\.2 s.*REHUB_TIMEOUT_S"):
        fetched(server.url, Settings(timeout_s=0.2, retries=0))


def test_get_tells_that_it_tries_again_when_a_server_keeps_silent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(TransferError, match="could not be fetched: no answer"):
            fetched(f"http://{place}/m?signature=secret", Settings(timeout_s=0.1, retries=2))
    assert [(record.name, record.levelname, record.getMessage()) for record in caplog.records] == [
        ("rehub", "WARNING", f"no answer from {place} for 0.1 s; trying again ({i} of 3)") for i in (2, 3)
    ]


def test_send_fails_without_speaking_of_fetching_when_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/m"
    transport = HttpTransport(Settings(retries=0))
    with pytest.raises(TransferError, match="could not be reached: nothing answers"), transport.send("POST", url, b"x"):
        pass


def test_get_tells_why_it_tries_again_and_when(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    busy = Answer(status=503, headers={"Retry-After": "7"})
    broken = ranged(BODY, '"v1"', cut_at=1_500_000)
    server = serve(busy, broken, ranged(BODY, '"v1"'))
    assert fetched(f"{server.url}/m?signature=secret") == (200, BODY)
    assert [record.getMessage() for record in caplog.records] == [
        f"{server.url}/m answers with status 503; trying again in 7 s (2 of 3)",
        f"{server.url}/m broke after 1500000 of 3000000 bytes: the connection to 127.0.0.1:{server.port} ended early; "
        "trying again (2 of 3)",
    ]


def test_get_tells_a_terminal_that_it_tries_again(serve: Serve) -> None:
    program = "import sys, rehub; rehub.resolve(sys.argv[1])"
    server = serve(Answer(status=500), Answer(status=404))
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", program, server.url], env=variables, capture_output=True, text=True)
    assert run.stderr.startswith(f"{server.url} answers with status 500; trying again (2 of 5)\n")


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("cut_at", [1, 1_048_576, 1_500_000, 2_999_999])
def test_chunks_go_on_where_a_body_broke(serve: Serve, cut_at: int, end: str) -> None:
    server = serve(ranged(BODY, '"v1"', cut_at=cut_at, end=end), ranged(BODY, '"v1"'))
    assert fetched(server.url) == (200, BODY)
    assert len(server.requests) == 2
    assert server.requests[1].headers["if-range"] == '"v1"'


def test_chunks_go_on_as_often_as_there_is_progress(serve: Serve) -> None:
    server = serve(ranged(BODY, '"v1"', cut_at=1_100_000), ranged(BODY, '"v1"', cut_at=1_100_000), ranged(BODY, '"v1"'))
    assert fetched(server.url, Settings(retries=1)) == (200, BODY)


def test_chunks_go_on_by_date_when_there_is_no_etag(serve: Serve) -> None:
    date = "Wed, 21 Oct 2015 07:28:00 GMT"

    def rest(request: Request) -> Answer:
        assert request.headers["if-range"] == date
        start = int(request.headers["range"][6:-1])
        return Answer(BODY[start:], 206, {"Content-Range": f"bytes {start}-2999999/3000000"})

    server = serve(Answer(BODY, headers={"Last-Modified": date}, cut_at=2_000_000), rest)
    assert fetched(server.url) == (200, BODY)


@pytest.mark.parametrize(
    "second",
    [
        ranged(BODY[::-1], '"v2"'),
        Answer(BODY),
        Answer(status=404),
        Answer(BODY[5:], 206, {"Content-Range": "bytes 5-2999999/3000000"}),
        Answer(BODY[1_500_000:], 206, {"Content-Range": "bytes 1500000-2999999/4000000"}),
        Answer(BODY[1_500_000:], 206, {"Content-Range": "bytes 1500000-2999999/3000000", "ETag": '"v2"'}),
        Answer(BODY, 206),
    ],
)
def test_chunks_fail_when_the_rest_is_not_of_the_same_content(serve: Serve, second: Step) -> None:
    server = serve(ranged(BODY, '"v1"', cut_at=1_500_000), second)
    with pytest.raises(ContentLost, match="1500000 of 3000000 bytes"):
        fetched(server.url)


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"v1"'}])
def test_chunks_fail_when_the_rest_cannot_be_named(serve: Serve, headers: dict[str, str]) -> None:
    server = serve(Answer(BODY, headers=headers, cut_at=1_500_000))
    with pytest.raises(ContentLost):
        fetched(server.url)
    assert len(server.requests) == 1


def test_chunks_fail_when_the_length_is_wrong(serve: Serve) -> None:
    server = serve(Answer(BODY, headers={"Content-Length": str(len(BODY) + 1)}))
    with pytest.raises(ContentLost):
        fetched(server.url)


def test_chunked_body_arrives(serve: Serve) -> None:
    assert fetched(serve(Answer(BODY, chunked=True)).url) == (200, BODY)


def test_chunked_body_fails_when_it_is_cut(serve: Serve) -> None:
    with pytest.raises(ContentLost):
        fetched(serve(Answer(BODY, chunked=True, cut_at=5000)).url)


def test_chunks_fail_when_the_server_is_gone_for_good(serve: Serve) -> None:
    server = serve(ranged(BODY, '"v1"', cut_at=1_500_000), ranged(BODY, '"v1"', cut_at=0, end="reset"))
    with pytest.raises(TransferError):
        fetched(server.url)
    assert len(server.requests) <= 2 + QUICK.retries


def test_get_follows_redirects_and_goes_on_from_the_first_url(serve: Serve) -> None:
    there = serve(ranged(BODY, '"v1"', cut_at=1_500_000), ranged(BODY, '"v1"'))
    here = serve(Answer(status=302, headers={"Location": f"{there.url}/signed?once=1"}))
    with HttpTransport(QUICK, sleep=lambda _: None).get(f"{here.url}/m") as response:
        assert response.url == f"{there.url}/signed?once=1"
        assert b"".join(response.chunks()) == BODY
    assert [len(here.requests), len(there.requests)] == [2, 2]


def test_get_keeps_secrets_from_other_hosts(serve: Serve) -> None:
    there = serve(Answer(b"x"))
    here = serve(
        Answer(status=307, headers={"Location": "/next"}), Answer(status=302, headers={"Location": f"{there.url}/m"})
    )
    fetched(here.url, headers={"Authorization": "secret", "X-Token": "secret", "Accept": "a/b"})
    assert here.requests[1].headers["authorization"] == "secret"
    assert "secret" not in there.requests[0].headers.values()
    assert there.requests[0].headers["accept"] == "a/b"


@pytest.fixture
def proxied(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> MisbehavingServer:
    proxy = serve(Answer(b"by proxy"))
    monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//user:p%40ss@"))
    return proxy


def test_get_goes_through_the_proxy(proxied: MisbehavingServer) -> None:
    assert fetched("http://models.invalid/m") == (200, b"by proxy")
    assert proxied.requests[0].target == "http://models.invalid/m"
    assert proxied.requests[0].headers["proxy-authorization"] == "Basic dXNlcjpwQHNz"


def test_get_goes_past_the_proxy_when_no_proxy_names_the_host(
    proxied: MisbehavingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "models.invalid")
    with pytest.raises(OfflineError):
        fetched("http://models.invalid/m")
    assert proxied.requests == []


def test_get_goes_past_the_proxy_when_the_host_is_this_machine(serve: Serve, proxied: MisbehavingServer) -> None:
    assert fetched(serve(Answer(b"direct")).url) == (200, b"direct")
    assert proxied.requests == []


def test_get_asks_the_proxy_for_a_tunnel_when_the_url_is_https(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = serve(Answer(status=403))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    with pytest.raises(TransferError, match="HTTPS_PROXY"):
        fetched("https://models.invalid/m", Settings(retries=0))
    assert (proxy.requests[0].method, proxy.requests[0].target) == ("CONNECT", "models.invalid:443")


def test_get_names_the_proxy_when_it_is_of_an_unknown_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://user:secret@127.0.0.1:1")
    with pytest.raises(TransferError, match=r"socks5://127\.0\.0\.1") as caught:
        fetched("http://models.invalid/m")
    assert "secret" not in str(caught.value)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(serve: Serve, authority: trustme.CA) -> MisbehavingServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return serve(Answer(b"secure"), tls=context)


def test_get_trusts_the_authorities_of_the_settings(
    secure: MisbehavingServer, authority: trustme.CA, tmp_path: Path
) -> None:
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    assert fetched(secure.url, Settings(ca_bundle=str(bundle))) == (200, b"secure")


def test_get_refuses_an_unknown_certificate_at_once(secure: MisbehavingServer) -> None:
    waits: list[float] = []
    with (
        pytest.raises(TransferError, match="REHUB_CA_BUNDLE"),
        HttpTransport(QUICK, sleep=waits.append).get(secure.url),
    ):
        pass
    assert (secure.requests, waits) == ([], [])


def test_get_warns_once_at_every_call_when_certificates_are_not_checked(secure: MisbehavingServer) -> None:
    for _ in range(2):
        with pytest.warns(UserWarning, match="TFHUB_DISABLE_CERT_VALIDATION") as caught:
            assert fetched(secure.url, Settings(verify_tls=False)) == (200, b"secure")
        assert len(caught) == 1


def test_get_says_at_once_that_a_server_speaks_no_tls() -> None:
    waits: list[float] = []
    with socketserver.TCPServer(("127.0.0.1", 0), _PlainHandler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        place = f"127.0.0.1:{server.server_address[1]}"
        with (
            pytest.raises(TransferError, match=f"{place} speaks no TLS.* write http://"),
            HttpTransport(QUICK, sleep=waits.append).get(f"https://{place}/m"),
        ):
            pass
        thread.join()
    assert waits == []


class _PlainHandler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.request.recv(65_536)
        self.wfile.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_get_fails_when_the_authorities_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for name in ("ca.pem", "missing.pem"):
        with pytest.raises(TransferError, match=name):
            fetched("https://127.0.0.1:1/m", Settings(ca_bundle=str(tmp_path / name)))
