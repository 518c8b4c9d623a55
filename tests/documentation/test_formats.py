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
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import rehub
from rehub.formats import checkpoint_index, saved_model, schema
from rehub.server import EmbeddedHub
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


class _AsIs(urllib.request.HTTPRedirectHandler):
    """Follows no redirect, so that it can be looked at."""

    def redirect_request(self, *_args: object) -> None:
        return None


def _get(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    try:
        answer = urllib.request.build_opener(_AsIs).open(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    """The URL of rehub's own hub, with versions 1 and 2 of the sample."""
    for version in ("1", "2"):
        sample.write(tmp_path / "hub" / "acme" / "net" / version)
    with EmbeddedHub(tmp_path / "hub", uncompressed_base="gs://bucket/models") as running:
        yield running.url


@pytest.mark.parametrize("formats", ["compressed", "compressed,uncompressed"])
def test_client_by_the_page_gets_the_newest_version_from_a_hub(hub: str, formats: str) -> None:
    status, headers, _ = _get(f"{hub}/acme/net?a=b&tf-hub-format={formats}")
    url = urllib.parse.urljoin(hub, headers["location"])
    assert status == 302
    assert urllib.parse.urlsplit(url).path == "/acme/net/2"
    assert urllib.parse.parse_qs(urllib.parse.urlsplit(url).query) == {"a": ["b"], "tf-hub-format": [formats]}

    status, headers, body = _get(url)
    assert status == 200
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as tar:
        members = tar.getmembers()
        files = {m.name.removeprefix("./"): tar.extractfile(m).read() for m in members if m.isfile()}
    assert files == FILES
    seen = {"", "."}
    for member in members:
        name = member.name.removeprefix("./")
        assert name.rpartition("/")[0] in seen  # each folder comes before what is in it
        assert member.isfile() or member.isdir()
        assert (member.uid, member.gid) == (0, 0)
        seen.add(name)

    status, part, rest = _get(url, Range="bytes=100-", If_Range=headers["etag"])
    assert status == 206
    assert part["content-range"] == f"bytes 100-{len(body) - 1}/{len(body)}"
    assert body[:100] + rest == body
    assert _get(url, Range="bytes=100-", If_Range='"other"')[::2] == (200, body)


def test_client_by_the_page_is_told_where_to_read_in_place_and_what_is_not_there(hub: str) -> None:
    status, headers, body = _get(f"{hub}/acme/net/1?tf-hub-format=uncompressed")
    assert (status, body.decode()) == (303, "gs://bucket/models/acme/net/1")
    assert headers["location"] == body.decode()
    assert _get(f"{hub}/acme/other/1?tf-hub-format=compressed")[0] == 404
    assert _get(f"{hub}/acme/net/1?lite-format=tflite")[0] == 404
    assert _get(f"{hub}/acme/net/1")[1]["content-type"].startswith("text/html")


def test_client_by_the_page_gets_a_manifest_and_verifies_the_files(hub: str) -> None:
    url, kind = f"{hub}/acme/net/1", "application/vnd.rehub.manifest+json"
    archive = _get(f"{url}?tf-hub-format=compressed", Accept="*/*, application/*")
    status, headers, body = _get(f"{url}?tf-hub-format=compressed", Accept=f"{kind}, */*")
    assert (status, headers["content-type"]) == (200, kind)
    assert headers["vary"] == archive[1]["vary"] == "Accept"
    assert headers["etag"] != archive[1]["etag"]
    assert "private" in headers["cache-control"].split(", ")
    refused = _get(f"{url}?tf-hub-format=compressed", Accept=f"{kind};q=0, */*")
    assert refused[2] == archive[2]
    again = _get(f"{url}?tf-hub-format=compressed", Accept=f"{kind}, */*", If_None_Match=headers["etag"])
    assert again[0] == 304

    manifest = json.loads(body)
    assert list(manifest) == ["format", "block_bytes", "files"]
    assert (manifest["format"], manifest["block_bytes"]) == (1, 4 << 20)
    names = [file["name"] for file in manifest["files"]]
    assert names == sorted(FILES)
    assert body == json.dumps(manifest, separators=(",", ":"), ensure_ascii=False).encode()
    for file in manifest["files"]:
        place = f"{url}?rehub-file={urllib.parse.quote(file['name'], safe='')}"
        status, headers, data = _get(place)
        assert (status, headers["etag"]) == (200, f'"{file["sha256"]}"')
        assert (len(data), _sha256(data)) == (file["size"], file["sha256"])
        blocks = range(0, len(data), manifest["block_bytes"])
        assert [_sha256(data[start : start + manifest["block_bytes"]]) for start in blocks] == file["blocks"]
        assert headers["cache-control"] == "public, max-age=31536000, immutable"
        if len(data) > 1:
            status, part, rest = _get(place, Range=f"bytes=1-{len(data) - 1}", If_Range=headers["etag"])
            assert (status, rest) == (206, data[1:])
            assert part["content-range"] == f"bytes 1-{len(data) - 1}/{len(data)}"
    assert _get(f"{url}?rehub-file=nothing")[0] == 404
    assert _get(f"{url}?rehub-file=..%2F2%2Fsaved_model.pb")[0] == 404


def test_tool_by_the_page_verifies_what_is_cached(hub: str, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    host = f"http_{urllib.parse.urlsplit(hub).netloc.replace(':', '_')}"
    with rehub.settings(cache_dir=cache):
        folder = Path(rehub.resolve(f"{hub}/acme/net"))

    assert folder == cache / host / "acme" / "net" / "2"
    record = json.loads(folder.with_name("2.rehub.json").read_text(encoding="utf-8"))
    assert set(record) == {"format", "location", "url", "etag", "archive_sha256", "archive_bytes", "files", "time"}
    assert (record["format"], record["location"]) == (1, f"{hub}/acme/net/2")
    assert record["files"] == {
        path.relative_to(folder).as_posix(): [path.stat().st_size, _sha256(path.read_bytes())]
        for path in folder.rglob("*")
        if path.is_file()
    }
    manifest = folder.with_name("2.rehub-manifest.json").read_bytes()
    assert (record["archive_sha256"], record["archive_bytes"]) == (_sha256(manifest), len(manifest))
    pointer = json.loads(folder.with_name("latest.rehub.json").read_text(encoding="utf-8"))
    assert set(pointer) == {"format", "location", "leaf", "leaf_location", "etag", "time"}
    assert pointer["leaf"] == f"{host}/acme/net/2"
    assert (pointer["location"], pointer["leaf_location"]) == (f"{hub}/acme/net", f"{hub}/acme/net/2")
    keys = {_sha256(f"{host}/acme/{path}".encode())[:32] for path in ("net", "net/2")}
    assert {path.name for path in (cache / ".locks").iterdir()} <= {f"{key}.lock" for key in keys}
    assert list((cache / ".staging").iterdir()) == []


@pytest.mark.parametrize(
    "module", sorted((ROOT / "tests/data/tf1_hub").glob("*/tfhub_module.pb")), ids=lambda p: p.parent.name
)
def test_modules_are_what_the_page_says(module: Path) -> None:
    folder = module.parent
    page = text("docs/tf1_hub_files.md")
    table = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?`) \|", page, re.MULTILINE))))
    saved = schema.message("tensorflow.SavedModel")()
    saved.ParseFromString((folder / "saved_model.pb").read_bytes())
    tags = [frozenset(graph.meta_info_def.tags) for graph in saved.meta_graphs]
    assert len(set(tags)) == len(tags)
    variables = set[str]()
    for graph in saved.meta_graphs:
        assert set(graph.collection_def) <= table
        assert not any(node.op in ("SaveV2", "RestoreV2") for node in graph.graph_def.node)
        assert not graph.HasField("object_graph_def")
        assert graph.signature_def
        assert {signature.method_name for signature in graph.signature_def.values()} == {""}
        for data in saved_model.collection(graph, "variables").bytes_list.value:
            variable = schema.message("tensorflow.VariableDef")()
            variable.ParseFromString(data)
            variables.add(re.sub(r"(/part_\d+)?(:0)?$", "", variable.variable_name))  # an entry has all slices
        nodes = {node.name: node for node in graph.graph_def.node}
        for any_message in saved_model.collection(graph, "saved_model_assets").any_list.value:
            asset = schema.message("tensorflow.AssetFileDef")()
            assert any_message.Unpack(asset)
            node = nodes[asset.tensor_info.name.removesuffix(":0")]
            assert list(node.attr["value"].tensor.string_val) == [b"SAVEDMODEL-ASSET"]
            assert (folder / "assets" / asset.filename).is_file()
    index = folder / "variables" / "variables.index"
    assert index.exists() == bool(variables)
    if variables:
        assert {entry.name for entry in checkpoint_index.read(index).entries} == variables
    assert not (folder / "variables" / "checkpoint").exists()
