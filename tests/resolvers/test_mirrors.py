"""Servers that are asked in place of others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import rehub
from rehub import configuration
from rehub.archive.fingerprint import fingerprint, measure
from rehub.errors import AccessError, ChecksumError, NotFoundError, OfflineError
from rehub.handle import parse
from rehub.resolvers.chain import hub_resolver, resolve_with
from rehub.server import EmbeddedHub
from rehub.transport.memory import MemoryResponse, MemoryTransport
from tests import sample

GONE = "https://gone.test"
HANDLE = f"{GONE}/acme/net/2"
MIRROR = "https://mirror.test/old"
ASKED = f"{MIRROR}/acme/net/2?tf-hub-format=compressed"
NEWEST = f"{MIRROR}/acme/net?tf-hub-format=compressed"
MODEL = MemoryResponse(sample.archive())


def through(transport: MemoryTransport, handle: str = HANDLE, mirrors: Mapping[str, str] | None = None) -> str:
    with rehub.settings(mirrors=mirrors or {GONE: MIRROR}):
        return resolve_with(handle, configuration.current(), transport)


def urls(transport: MemoryTransport) -> list[str]:
    return [url for url, _ in transport.requests]


def redirect(url: str) -> MemoryResponse:
    return MemoryResponse(status=302, headers={"location": url})


def test_resolve_asks_the_mirror_and_caches_under_the_handle(cache: Path) -> None:
    transport = MemoryTransport({ASKED: MODEL})
    path = through(transport)
    assert path == str(cache / "gone.test/acme/net/2")
    assert sample.read(path) == sample.FILES
    assert urls(transport) == [ASKED]
    record = json.loads((cache / "gone.test/acme/net/2.rehub.json").read_text())
    assert (record["location"], record["url"]) == (HANDLE, f"{MIRROR}/acme/net/2")
    with rehub.settings(offline=True):
        assert rehub.resolve(HANDLE) == path


def test_resolve_asks_the_mirror_that_the_variable_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REHUB_MIRRORS", f"{GONE}={MIRROR}")
    transport = MemoryTransport({ASKED: MODEL})
    assert sample.read(resolve_with(HANDLE, configuration.current(), transport)) == sample.FILES


@pytest.mark.parametrize(
    ("mirrors", "handle", "url"),
    [
        ({f"{GONE}/": f"{MIRROR}/"}, HANDLE, f"{MIRROR}/acme/net/2"),
        ({"https://GONE.test": MIRROR}, HANDLE, f"{MIRROR}/acme/net/2"),
        ({f"{GONE}/acme": MIRROR, GONE: "https://no.test"}, HANDLE, f"{MIRROR}/net/2"),
        ({GONE: "https://no.test", f"{GONE}/acme": MIRROR}, HANDLE, f"{MIRROR}/net/2"),
        ({f"{GONE}/ac": MIRROR, "https://gone.te": MIRROR}, HANDLE, HANDLE),
        ({"http://gone.test": MIRROR}, HANDLE, HANDLE),
        ({GONE: MIRROR}, f"{HANDLE}?a=b", f"{MIRROR}/acme/net/2?a=b"),
        ({GONE: MIRROR}, f"{GONE}/acme/net.tar.gz", f"{MIRROR}/acme/net.tar.gz"),
        (
            {"https://kaggle.com": MIRROR},
            "https://www.kaggle.com/models/a/b/frameworks/c/variations/d/versions/1",
            f"{MIRROR}/models/a/b/c/d/1",
        ),
        ({"https://hub.tensorflow.google.cn": MIRROR}, "https://hub.tensorflow.google.cn/a/b/1", f"{MIRROR}/a/b/1"),
    ],
)
def test_resolve_asks_the_mirror_of_the_longest_url_that_fits(
    mirrors: Mapping[str, str], handle: str, url: str
) -> None:
    asked = url if url.endswith("gz") else f"{url}{'&' if '?' in url else '?'}tf-hub-format=compressed"
    transport = MemoryTransport({asked: MODEL})
    assert sample.read(through(transport, handle, mirrors)) == sample.FILES
    assert urls(transport) == [asked]


@pytest.mark.parametrize("location", ["/old/acme/net/2", ASKED], ids=["short", "whole"])
def test_resolve_names_the_newest_version_by_its_own_server(cache: Path, location: str) -> None:
    transport = MemoryTransport({NEWEST: redirect(location), ASKED: MODEL})
    path = through(transport, f"{GONE}/acme/net")
    assert path == str(cache / "gone.test/acme/net/2")
    assert through(transport, HANDLE) == path
    assert through(transport, f"{GONE}/acme/net") == path
    assert urls(transport) == [NEWEST, ASKED]


def test_resolve_asks_a_mirror_for_the_newest_version_where_the_server_has_none(cache: Path) -> None:
    transport = MemoryTransport({NEWEST: redirect(ASKED), ASKED: MODEL})
    path = through(transport, "https://hub.tensorflow.google.cn/acme/net", {"https://hub.tensorflow.google.cn": MIRROR})
    assert path == str(cache / "hub.tensorflow.google.cn/acme/net/2")


def test_offer_names_the_version_by_its_own_server() -> None:
    handle = parse(f"{GONE}/acme/net")
    with rehub.settings(mirrors={GONE: MIRROR}) as settings:
        offer = hub_resolver(handle, settings, MemoryTransport({NEWEST: redirect(ASKED), ASKED: MODEL})).offer(handle)
    assert (offer.handle.location, offer.url) == (HANDLE, f"{MIRROR}/acme/net/2")


def test_resolve_asks_a_mirror_without_versions_what_has_changed_since(cache: Path) -> None:
    path = Path(
        through(MemoryTransport({NEWEST: MemoryResponse(MODEL.body, headers={"etag": '"e"'})}), f"{GONE}/acme/net")
    )
    assert path.parent == cache / "gone.test/acme/net"
    transport = MemoryTransport({NEWEST: lambda headers: MemoryResponse(status=304)})
    with rehub.settings(unversioned_ttl_s=0):
        assert through(transport, f"{GONE}/acme/net") == str(path)
    assert transport.requests[0][1]["If-None-Match"] == '"e"'


def test_resolve_checks_the_pin_of_what_a_mirror_sends(tmp_path: Path) -> None:
    pin = fingerprint(measure(sample.write(tmp_path / "model")))
    assert through(MemoryTransport({ASKED: MODEL}), f"{HANDLE}#sha256={pin}")
    other = f"{GONE}/acme/net/3#sha256={pin}"
    changed = MemoryResponse(sample.archive({**sample.FILES, "more": b"x"}))
    with pytest.raises(ChecksumError, match=f"{GONE}/acme/net/3"):
        through(MemoryTransport({ASKED.replace("/2?", "/3?"): changed}), other)


def test_resolve_asks_the_mirror_where_a_model_can_be_read_in_place() -> None:
    transport = MemoryTransport({ASKED.replace("compressed", "uncompressed"): MemoryResponse(b"gs://b/net/2", 303)})
    with rehub.settings(load_format="UNCOMPRESSED"):
        assert through(transport) == "gs://b/net/2"


@pytest.mark.parametrize("host", ["gone.test", "mirror.test"])
@pytest.mark.parametrize("handle", [HANDLE, f"{GONE}/acme/net"])
def test_resolve_sends_the_mirror_its_own_credentials_only(tmp_path: Path, host: str, handle: str) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {host} login u password p")
    netrc.chmod(0o600)
    transport = MemoryTransport({NEWEST: redirect(ASKED), ASKED: MODEL})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NETRC", str(netrc))
        patch.setenv("REHUB_TOKEN", "secret")
        patch.setenv("REHUB_TOKEN_HOST", "gone.test")
        through(transport, handle)
    sent = {headers.get("Authorization") for _, headers in transport.requests}
    assert sent == ({"Basic dTpw"} if host == "mirror.test" else {None})


def test_resolve_says_which_server_refuses_or_lacks_a_model() -> None:
    with pytest.raises(AccessError, match=f"{HANDLE} may not be read .*403 of https://mirror.test.* login") as caught:
        through(MemoryTransport({ASKED: MemoryResponse(status=403)}))
    assert caught.value.url == f"{MIRROR}/acme/net/2"
    with pytest.raises(NotFoundError, match=rf"{HANDLE} does not exist \(status 404 of https://mirror.test\)"):
        through(MemoryTransport({ASKED: MemoryResponse(status=404)}))
    versions = MemoryResponse(b'{"versions": ["1"]}', 404, {"content-type": "application/json"})
    with pytest.raises(NotFoundError, match=r"no version 2 of 'acme/net' on mirror\.test; there is 1"):
        through(MemoryTransport({ASKED: versions}))


def for_all(transport: MemoryTransport, handle: str, **changes: Any) -> str:
    with rehub.settings(mirror="https://mirror.test/all/", **changes):
        return resolve_with(handle, configuration.current(), transport)


@pytest.mark.parametrize(
    ("handle", "url"),
    [
        (HANDLE, "https://mirror.test/all/gone.test/acme/net/2?tf-hub-format=compressed"),
        (f"{HANDLE}?a=b", "https://mirror.test/all/gone.test/acme/net/2?a=b&tf-hub-format=compressed"),
        ("http://gone.test:80/a/b/1", "https://mirror.test/all/http_gone.test_80/a/b/1?tf-hub-format=compressed"),
        ("https://files.test/m.tgz", "https://mirror.test/all/files.test/m.tgz"),
        ("gs://bucket/m.tar.gz", "https://mirror.test/all/gs_bucket/m.tar.gz"),
        ("https://mirror.test/all/a/b/1", "https://mirror.test/all/a/b/1?tf-hub-format=compressed"),
        ("http://localhost:8000/a/b/1", "http://localhost:8000/a/b/1?tf-hub-format=compressed"),
    ],
)
def test_resolve_asks_one_mirror_for_all_other_servers(handle: str, url: str) -> None:
    transport = MemoryTransport({url: MODEL})
    path = for_all(transport, handle)
    assert sample.read(path) == sample.FILES
    assert urls(transport) == [url]
    with rehub.settings(offline=True):
        assert rehub.resolve(handle) == path


def test_resolve_asks_the_mirror_of_a_server_before_the_one_for_all() -> None:
    transport = MemoryTransport({ASKED: MODEL})
    assert for_all(transport, HANDLE, mirrors={GONE: MIRROR})
    assert urls(transport) == [ASKED]


def test_resolve_finds_all_servers_in_a_hub_for_a_cache_folder(cache: Path, tmp_path: Path) -> None:
    kaggle = "https://www.kaggle.com/models/acme/net/tensorFlow2/base"
    urls = ("https://gone.test/acme/net/2", "https://gone.test/acme/net/10", "http://other.test:8000/acme/net/2")
    for url in (*urls, f"{kaggle}/2", f"{kaggle}/3"):
        resolve_with(url, configuration.current(), MemoryTransport({f"{url}?tf-hub-format=compressed": MODEL}))
    with EmbeddedHub(cache) as hub, rehub.settings(cache_dir=str(tmp_path / "empty"), mirror=hub.url):
        assert rehub.resolve("https://gone.test/acme/net") == str(tmp_path / "empty/gone.test/acme/net/10")
        assert sample.read(rehub.resolve("http://other.test:8000/acme/net/2")) == sample.FILES
        assert sample.read(rehub.resolve(f"{kaggle}/2")) == sample.FILES
        assert Path(rehub.resolve(kaggle)).name == "3"


def test_resolve_names_the_setting_when_a_host_is_unknown() -> None:
    with rehub.settings(retries=0), pytest.raises(OfflineError, match="REHUB_MIRRORS"):
        rehub.resolve("https://gone.invalid/acme/net/2")
