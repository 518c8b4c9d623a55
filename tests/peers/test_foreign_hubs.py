"""Our client, answered by hubs that are not ours and know only the oldest form of the hosting protocol."""

from __future__ import annotations

import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import rehub
from rehub.errors import NotFoundError


class _OldHub(http.server.BaseHTTPRequestHandler):
    """Answers HTTP/1.0 without any validator or length: the end of the connection is the end of the archive."""

    archive: bytes
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        url = urlsplit(self.path)
        if "tf-hub-format=compressed" not in url.query:
            self._answer_page()
        elif url.path == "/old/half_plus_two":
            self.send_response(302)
            self.send_header("Location", f"/old/half_plus_two/3?{url.query}")
            self.end_headers()
        elif url.path in ("/old/half_plus_two/3", "/old/half_plus_two/unnumbered"):
            self._answer_archive()
        else:
            self.send_error(404)

    def _answer_page(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<html>A page for people</html>")

    def _answer_archive(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.archive)

    def log_message(self, format: str, *args: object) -> None:
        pass


class _ChunkedHub(_OldHub):
    """The same, in chunks."""

    protocol_version = "HTTP/1.1"

    def _answer_archive(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        for start in range(0, len(self.archive), 1000):
            part = self.archive[start : start + 1000]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")


@contextmanager
def _running(kind: type[_OldHub], archive: bytes) -> Iterator[tuple[str, list[str]]]:
    """Runs a hub; gives its URL and the targets that it was asked for."""
    asked: list[str] = []
    handler = type("Handler", (kind,), {"archive": archive, "asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(params=["with folders", "files only"])
def archive(request: pytest.FixtureRequest, half_plus_two: Path) -> bytes:
    """The model as other tools pack it: with members for folders, or without."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        if request.param == "with folders":
            tar.add(half_plus_two, ".")
        else:
            for path in half_plus_two.rglob("*"):
                if path.is_file():
                    tar.add(path, path.relative_to(half_plus_two).as_posix())
    return packed.getvalue()


@pytest.mark.parametrize("kind", [_OldHub, _ChunkedHub])
@pytest.mark.parametrize("path", ["/old/half_plus_two/3", "/old/half_plus_two", "/old/half_plus_two/unnumbered"])
def test_resolve_downloads_from_an_old_hub(
    kind: type[_OldHub], path: str, archive: bytes, half_plus_two: Path, tmp_path: Path
) -> None:
    with _running(kind, archive) as (url, asked), rehub.settings(cache_dir=str(tmp_path), show_progress=False):
        folder = Path(rehub.resolve(url + path))
        requests = len(asked)

        assert _files(folder) == _files(half_plus_two)
        assert folder.is_relative_to(tmp_path)
        assert rehub.resolve(url + path) == str(folder)
        assert len(asked) == requests


def test_resolve_says_that_a_version_does_not_exist_on_an_old_hub(tmp_path: Path) -> None:
    with (
        _running(_OldHub, b"") as (url, _),
        rehub.settings(cache_dir=str(tmp_path), show_progress=False),
        pytest.raises(NotFoundError, match="404"),
    ):
        rehub.resolve(f"{url}/old/half_plus_two/4")


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
