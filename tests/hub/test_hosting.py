"""docs/hosting.md does what it says: files on web servers, and a hub behind nginx with the blocks of the documents."""

from __future__ import annotations

import contextlib
import functools
import gzip
import http.client
import http.server
import io
import json
import os
import random
import re
import ssl
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import trustme

import rehub
from rehub.errors import NotFoundError
from rehub.formats.manifest import BLOCK_BYTES
from rehub.server.tokens import Tokens
from rehub.storage.folder import FolderStore
from tests import sample
from tests.documentation.pages import ROOT
from tests.hub.nginx import Nginx
from tests.publishers import model, push_to, read_from
from tests.serving import Server

PAGE = "docs/hosting.md"
TEXT = (ROOT / PAGE).read_text(encoding="utf-8")
WEIGHTS = random.Random(7).randbytes(2 * BLOCK_BYTES + 1)
Asked = tuple[int, http.client.HTTPMessage, bytes]
Ask = Callable[..., Asked]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def certificate(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the documents call the certificate and its key, and where they are here."""
    folder = tmp_path_factory.mktemp("certificate")
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(str(folder / "hub.crt"))
    issued.private_key_pem.write_to_path(str(folder / "hub.key"))
    return {f"/etc/nginx/{name}": str(folder / name) for name in ("hub.crt", "hub.key")}


@pytest.fixture(autouse=True)
def _trusted(authority: trustme.CA, tmp_path: Path) -> Iterator[None]:
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    with rehub.settings(ca_bundle=str(tmp_path / "authority.pem")):
        yield


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Server]:
    """A hub over a folder, as one behind a proxy is started."""
    (tmp_path / "hub").mkdir()
    options = ("--behind-proxy", "--access-log")
    with Server(tmp_path / "hub", *options, log=tmp_path / "log", environment={}) as server:
        yield server


@pytest.fixture
def token(tmp_path: Path, hub: Server) -> str:
    return Tokens(FolderStore(tmp_path / "hub")).create("tests", None)


@pytest.fixture
def nginx(tmp_path: Path, hub: Server, certificate: dict[str, str]) -> Iterator[Nginx]:
    here = {"127.0.0.1:8000": hub.url.removeprefix("http://"), "https://$host": "https://$host:{port_443}"}
    with Nginx(PAGE, "proxy_pass", tmp_path / "nginx", {**here, **certificate}) as nginx:
        yield nginx


@pytest.fixture
def url(nginx: Nginx) -> str:
    return f"https://localhost:{nginx.ports['443']}"


@pytest.fixture
def ask(authority: trustme.CA, nginx: Nginx) -> Ask:
    """Sends one request to nginx, from an address of its own, and follows no redirect."""
    return functools.partial(get, authority, nginx.ports["443"])


def get(authority: trustme.CA, port: int, target: str, headers: Mapping[str, str] | None = None) -> Asked:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    connection = http.client.HTTPSConnection(
        "localhost", port, timeout=60, source_address=("127.0.0.2", 0), context=context
    )
    with contextlib.closing(connection):
        connection.request("GET", target, headers=dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


@contextlib.contextmanager
def files_at(folder: Path) -> Iterator[str]:
    """A server that knows nothing but files."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def shell(code: str, folder: Path) -> str:
    """Runs what a page tells to type in a folder, and returns what is printed."""
    environment = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(ROOT / "src")}
    command = ["bash", "-euc", f'rehub() {{ "$PYTHON" -m rehub "$@"; }}\n{code}']
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def typed(folder: Path) -> None:
    """Makes the files that the page makes of the model ``net``."""
    sample.write(folder / "net")
    shell("\n".join(re.findall(r"^```sh\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)), folder)


def test_examples_print_what_their_comments_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    typed(tmp_path)
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE))
    with files_at(tmp_path / "www") as url, contextlib.redirect_stdout(io.StringIO()) as printed:
        names: dict[str, str] = {}
        exec(compile(code.replace("https://models.example.com", url), "hosting.md", "exec"), names)

    promised = re.findall(r"^print\(.*\)  # (.*)$", code, flags=re.MULTILINE)
    assert len(promised) == 2
    assert printed.getvalue().splitlines() == promised
    assert sample.read(names["one"]) == sample.read(names["other"]) == sample.FILES


def test_tensorflow_hub_takes_files_of_any_web_server(tmp_path: Path, peer_python: Path) -> None:
    typed(tmp_path)
    code = "import sys, tensorflow_hub\nfor url in sys.argv[1:]: print(tensorflow_hub.resolve(url))"
    environment = {"PATH": os.environ["PATH"], "TFHUB_CACHE_DIR": str(tmp_path / "cache"), "CUDA_VISIBLE_DEVICES": "-1"}
    with files_at(tmp_path / "www") as url:
        command = [peer_python, "-W", "ignore", "-c", code, f"{url}/acme/net/1", f"{url}/net-1.tar.gz"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=300)
    assert [sample.read(folder) for folder in done.stdout.split()] == [sample.FILES, sample.FILES]


def test_nginx_serves_files_and_sends_handles_without_a_version_to_the_newest(tmp_path: Path) -> None:
    typed(tmp_path)
    (tmp_path / "www/acme/net/2").write_bytes(sample.archive({**sample.FILES, "assets/words.txt": b"other"}))
    pin = json.loads(shell("rehub publish pack --json net -o again", tmp_path))["pin"]
    with Nginx(PAGE, "root", tmp_path / "nginx", {"/srv/www": str(tmp_path / "www")}) as nginx:
        url = f"http://127.0.0.1:{nginx.ports['80']}"
        with urllib.request.urlopen(f"{url}/acme/net/1") as response:
            assert response.headers["Content-Type"] == "application/gzip"
        for handle in (f"{url}/acme/net/1", f"{url}/acme/net/1#sha256={pin}", f"{url}/net-1.tar.gz#sha256={pin}"):
            assert read_from(handle, tmp_path / "cache") == sample.FILES
        assert read_from(f"{url}/acme/net", tmp_path / "cache")["assets/words.txt"] == b"other"
        with pytest.raises(NotFoundError):
            rehub.resolve(f"{url}/acme/net/3")


def test_model_is_published_and_fetched_through_nginx(url: str, token: str, tmp_path: Path) -> None:
    folder = model(tmp_path / "model", b"large", WEIGHTS)
    pushed = push_to(url, token, folder, "acme/net")

    assert pushed.handle == f"{url}/acme/net/1"
    assert read_from(pushed.handle, tmp_path / "first") == sample.read(folder)
    assert read_from(f"{url}/acme/net", tmp_path / "second") == sample.read(folder)


def test_archives_and_parts_of_files_come_through_nginx(url: str, token: str, ask: Ask, tmp_path: Path) -> None:
    push_to(url, token, model(tmp_path / "model", b"large", WEIGHTS), "acme/net")

    status, headers, archive = ask("/acme/net/1?tf-hub-format=compressed")
    assert (status, len(archive)) == (200, int(headers["Content-Length"]))
    assert WEIGHTS in gzip.decompress(archive)
    status, headers, part = ask("/acme/net/1?rehub-file=weights", {"Range": "bytes=5-9"})
    assert (status, part) == (206, WEIGHTS[5:10])
    assert not headers["ETag"].startswith("W/")


def test_hub_names_the_host_and_scheme_of_nginx(url: str, token: str, ask: Ask, tmp_path: Path) -> None:
    push_to(url, token, model(tmp_path / "model", b"small"), "acme/net")

    for target in ("/", "/acme", "/acme/net/1"):
        status, _, page = ask(target)
        assert (status, b"127.0.0.1" in page) == (200, False)
    assert f"{url}/acme/net/1" in page.decode()
    assert json.loads(ask("/api/v1/openapi.json")[2])["servers"] == [{"url": url}]
    status, headers, _ = ask("/acme/net?tf-hub-format=compressed")
    assert (status, headers["Location"].removeprefix(url)) == (302, "/acme/net/1?tf-hub-format=compressed")


def test_hub_notes_the_client_of_nginx_whatever_that_claims(nginx: Nginx, ask: Ask, tmp_path: Path) -> None:
    ask("/acme/net/1", {"X-Forwarded-For": "192.0.2.1"})

    (line,) = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines() if '"/acme/net/1"' in line]
    assert line["client"] == "127.0.0.2"


def test_nginx_sends_those_who_ask_without_encryption_to_the_encrypted_address(
    nginx: Nginx, url: str, token: str, tmp_path: Path
) -> None:
    folder = model(tmp_path / "model", b"small")
    push_to(url, token, folder, "acme/net")

    assert read_from(f"http://localhost:{nginx.ports['80']}/acme/net/1", tmp_path / "cache") == sample.read(folder)


def test_private_models_come_through_nginx_for_those_with_a_token(url: str, token: str, tmp_path: Path) -> None:
    folder = model(tmp_path / "model", b"small")
    push_to(url, token, folder, "acme/net")
    for line in re.findall(r"^rehub serve (?:publisher|token) .*$", TEXT, flags=re.MULTILINE):
        said = shell(f"{line} --store hub", tmp_path)
    reader = said.split()[-1]

    with pytest.raises(NotFoundError):
        rehub.resolve(f"{url}/acme/net/1")
    with rehub.settings(token=reader, token_host=url):
        assert sample.read(rehub.resolve(f"{url}/acme/net/1")) == sample.read(folder)


def test_nginx_that_keeps_models_sends_them_while_the_hub_is_away(
    hub: Server, token: str, authority: trustme.CA, certificate: dict[str, str], tmp_path: Path
) -> None:
    folder = model(tmp_path / "model", b"large", WEIGHTS)
    archive, file = "/acme/net/1?tf-hub-format=compressed", "/acme/net/1?rehub-file=weights"
    here = {"10.0.0.5:8000": hub.url.removeprefix("http://"), "/var/cache/nginx/hub": str(tmp_path / "kept")}
    with Nginx("docs/hub_scale.md", "proxy_cache_path", tmp_path / "nginx", {**here, **certificate}) as nginx:
        ask = functools.partial(get, authority, nginx.ports["443"])
        url = f"https://localhost:{nginx.ports['443']}"
        push_to(url, token, folder, "acme/net")
        assert read_from(f"{url}/acme/net/1", tmp_path / "cache") == sample.read(folder)
        assert ask(file)[2] == WEIGHTS
        packed = ask(archive)[2]
        assert gzip.decompress(packed)

        hub.kill()
        assert ask(archive)[::2] == (200, packed)
        assert ask(file)[::2] == (200, WEIGHTS)
        assert ask(archive, {"Accept": "application/vnd.rehub.manifest+json"})[0] == 502
        assert ask(file, {"Authorization": "Bearer other"})[0] == 502


def test_nginx_is_a_mirror_with_the_block_of_the_page(hub: Server, token: str, tmp_path: Path) -> None:
    folder = model(tmp_path / "model", b"small")
    push_to(hub.url, token, folder, "acme/net")
    with Nginx("docs/offline.md", "proxy_redirect", tmp_path / "nginx", {"https://$server": hub.url}) as nginx:
        mirror = f"http://127.0.0.1:{nginx.ports['80']}"
        with rehub.settings(mirror=mirror, cache_dir=str(tmp_path / "cache")):
            for handle in ("https://hub.example.com/acme/net", "https://tfhub.dev/acme/net/1"):
                assert sample.read(rehub.resolve(handle)) == sample.read(folder)
            with pytest.raises(NotFoundError):
                rehub.resolve("https://other.example.com/acme/net/1")
