"""The pages about formats and protocols suffice to write what rehub reads: these tests do it by the pages alone."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import io
import json
import re
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import rehub
from rehub.formats import schema
from tests import sample
from tests.documentation.pages import ROOT, blocks, text

FILES = sample.FILES


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _fill(cache: Path, leaf: str, url: str) -> Path:
    """Puts a model into a cache, as docs/cache_layout.md says."""
    for name, data in FILES.items():
        path = cache / leaf / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    record = {
        "format": 1,
        "location": url,
        "url": url,
        "etag": "",
        "archive_sha256": "0" * 64,
        "archive_bytes": 1,
        "files": {name: [len(data), _sha256(data)] for name, data in FILES.items()},
        "time": "2026-01-31T12:00:00+00:00",
    }
    (cache / f"{leaf}.rehub.json").write_text(json.dumps(record))
    return cache / leaf


@pytest.mark.parametrize(
    ("handle", "leaf"),
    [
        ("https://hub.example.com/acme/net/1", "hub.example.com/acme/net/1"),
        ("https://Hub.Example.com:8443/acme/net/12/", "hub.example.com_8443/acme/net/12"),
        ("http://127.0.0.1:8000/acme/net/1", "http_127.0.0.1_8000/acme/net/1"),
        ("https://hub.example.com/acme/Net/1", f"hub.example.com/acme/net-{_sha256(b'acme/Net')[:12]}/1"),
        (
            "https://example.com/a/Big%20model.tar.gz",
            f"example.com/big_20model-{_sha256(b'https://example.com/a/Big%20model.tar.gz')[:12]}",
        ),
        (
            "https://www.kaggle.com/models/o/m/frameworks/f/variations/v/versions/3",
            "www.kaggle.com/models/o/m/f/v/3",
        ),
        (f"hf://acme/Net@{'1' * 40}", f"hf/acme/net-{_sha256(b'acme/Net')[:12]}/{'1' * 40}"),
        (
            f"hf://acme/net@{'1' * 40}/saved_model/2",
            f"hf/net_2-{_sha256(b'hf://acme/net/saved_model/2')[:12]}/{'1' * 40}",
        ),
    ],
)
def test_model_that_is_cached_by_the_page_is_found(handle: str, leaf: str, tmp_path: Path) -> None:
    location = {
        "https://Hub.Example.com:8443/acme/net/12/": "https://hub.example.com:8443/acme/net/12",
        "https://www.kaggle.com/models/o/m/frameworks/f/variations/v/versions/3": (
            "https://www.kaggle.com/models/o/m/f/v/3"
        ),
    }.get(handle, handle)
    folder = _fill(tmp_path, leaf, location)
    with rehub.settings(cache_dir=tmp_path, offline=True):
        assert rehub.resolve(handle) == str(folder)


def test_pointer_of_the_page_says_which_version_is_the_newest(tmp_path: Path) -> None:
    url = "https://hub.example.com/acme/net"
    folder = _fill(tmp_path, "hub.example.com/acme/net/2", f"{url}/2")
    pointer = {
        "format": 1,
        "location": url,
        "leaf": "hub.example.com/acme/net/2",
        "leaf_location": f"{url}/2",
        "etag": "",
        "time": "2026-01-31T12:00:00+00:00",
    }
    (folder.parent / "latest.rehub.json").write_text(json.dumps(pointer))
    with rehub.settings(cache_dir=tmp_path, offline=True):
        assert rehub.resolve(url) == str(folder)


def test_pin_of_the_page_is_that_of_the_model(tmp_path: Path) -> None:
    lines = sorted(f"{_sha256(data)}  {name}\n" for name, data in FILES.items())
    pin = _sha256("".join(lines).encode())
    folder = _fill(tmp_path, "hub.example.com/acme/net/1", "https://hub.example.com/acme/net/1")
    with rehub.settings(cache_dir=tmp_path, offline=True):
        assert rehub.resolve(f"https://hub.example.com/acme/net/1#sha256={pin}") == str(folder)
        with pytest.raises(rehub.errors.ChecksumError):
            rehub.resolve(f"https://hub.example.com/acme/net/1#sha256={'0' * 64}")


@contextlib.contextmanager
def _server(answer: Callable[[str], tuple[int, dict[str, str], bytes]]) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = answer(self.path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *_args: object) -> None:
            """Says nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _archive() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, data in FILES.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def test_server_by_the_page_gives_the_newest_version_its_archive_and_its_place(tmp_path: Path) -> None:
    def answer(path: str) -> tuple[int, dict[str, str], bytes]:
        return {
            "/acme/net?a=b&tf-hub-format=compressed": (
                302,
                {"Location": "/acme/net/7?a=b&tf-hub-format=compressed"},
                b"",
            ),
            "/acme/net/7?a=b&tf-hub-format=compressed": (200, {"Content-Type": "application/x-tar"}, _archive()),
            "/acme/net/7?tf-hub-format=uncompressed": (303, {}, b"gs://bucket/acme/net/7"),
        }.get(path, (404, {}, b""))

    with _server(answer) as url, rehub.settings(cache_dir=tmp_path):
        folder = Path(rehub.resolve(f"{url}/acme/net?a=b"))
        assert sample.read(folder) == FILES
        with rehub.settings(load_format="UNCOMPRESSED"):
            assert rehub.resolve(f"{url}/acme/net/7") == "gs://bucket/acme/net/7"
        with pytest.raises(rehub.errors.NotFoundError):
            rehub.resolve(f"{url}/acme/other/1")


def test_messages_of_the_tf1_hub_format_are_those_that_are_read() -> None:
    (proto,) = [code for _, info, code in blocks("docs/tf1_hub_files.md") if info == "proto"]
    for name, body in re.findall(r"message (\w+) \{\n(.*?)\}", proto, re.DOTALL):
        fields = [(field, int(number)) for field, number in re.findall(r"(\w+) = (\d+);", body)]
        known = schema.message(f"tensorflow_hub.{name}").DESCRIPTOR.fields
        assert fields == [(field.name, field.number) for field in known]


def test_mark_of_the_tf1_hub_format_is_that_of_modules() -> None:
    assert "the two bytes `08 03`" in text("docs/tf1_hub_files.md")
    for path in (ROOT / "tests/data/tf1_hub").glob("*/tfhub_module.pb"):
        assert path.read_bytes() == bytes([0x08, 0x03])
