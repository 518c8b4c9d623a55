"""Handles without a version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

import rehub
from rehub import configuration
from rehub.archive.fingerprint import fingerprint, measure
from rehub.errors import ChecksumError, NotFoundError, TransferError
from rehub.resolvers.chain import lasting, resolve_with
from rehub.transport.memory import MemoryResponse, MemoryTransport
from tests import sample

HANDLE = "https://hub.test/acme/net"
ASKED = f"{HANDLE}?tf-hub-format=compressed"


def version(number: int) -> MemoryResponse:
    return MemoryResponse(sample.archive({**sample.FILES, "version": b"%d" % number}), headers={"etag": f'"e{number}"'})


def redirect(url: str) -> MemoryResponse:
    return MemoryResponse(status=302, headers={"location": url})


def answers(newest: int) -> dict[str, MemoryResponse]:
    """What a hub answers that redirects to the newest version."""
    versions = {f"{HANDLE}/{i}?tf-hub-format=compressed": version(i) for i in range(1, newest + 1)}
    return {ASKED: redirect(f"/acme/net/{newest}?tf-hub-format=compressed"), **versions}


def through(transport: MemoryTransport, handle: str = HANDLE) -> str:
    return resolve_with(handle, configuration.current(), transport)


def test_resolve_gets_the_version_that_the_server_redirects_to(cache: Path) -> None:
    transport = MemoryTransport(answers(3))
    path = through(transport)
    assert path == str(cache / "hub.test" / "acme" / "net" / "3")
    assert sample.read(path)["version"] == b"3"
    assert through(transport) == path
    assert through(transport, f"{HANDLE}/3") == path
    assert len(transport.requests) == 2


def test_resolve_asks_again_when_its_time_is_over_and_downloads_only_what_is_new(cache: Path) -> None:
    through(MemoryTransport(answers(3)))
    with rehub.settings(unversioned_ttl_s=0):
        same = MemoryTransport(answers(3))
        assert through(same) == str(cache / "hub.test/acme/net/3")
        assert [url for url, _ in same.requests] == [ASKED]
        newer = MemoryTransport(answers(4))
        assert through(newer) == str(cache / "hub.test/acme/net/4")
    assert sample.read(cache / "hub.test/acme/net/3")["version"] == b"3"


def test_resolve_follows_several_redirects_to_a_version(cache: Path) -> None:
    table = answers(3)
    table[ASKED] = redirect("/moved")
    table["https://hub.test/moved"] = redirect("/acme/net/3")
    assert through(MemoryTransport(table)) == str(cache / "hub.test/acme/net/3")


def test_resolve_stops_when_redirects_go_in_a_circle() -> None:
    with pytest.raises(TransferError):
        through(MemoryTransport({ASKED: redirect(ASKED)}))
    with pytest.raises(TransferError, match="not encrypted"):
        through(MemoryTransport({ASKED: redirect("http://hub.test/acme/net/3")}))


def test_resolve_names_an_entry_by_its_content_when_the_server_does_not_redirect(cache: Path) -> None:
    transport = MemoryTransport({ASKED: version(1)})
    path = Path(through(transport))
    assert path.parent == cache / "hub.test/acme/net"
    assert len(path.name) == 12
    assert through(transport) == str(path)
    assert len(transport.requests) == 1


def test_resolve_asks_only_for_what_has_changed_since(cache: Path) -> None:
    first = through(MemoryTransport({ASKED: version(1)}))

    def unchanged(headers: Mapping[str, str]) -> MemoryResponse:
        assert headers["If-None-Match"] == '"e1"'
        return MemoryResponse(status=304)

    with rehub.settings(unversioned_ttl_s=0):
        assert through(MemoryTransport({ASKED: unchanged})) == first
        assert through(MemoryTransport({ASKED: version(1)})) == first
        second = through(MemoryTransport({ASKED: version(2)}))
    assert second != first
    assert [sample.read(path)["version"] for path in (first, second)] == [b"1", b"2"]
    pointer = json.loads((cache / "hub.test/acme/net/latest.rehub.json").read_text())
    assert pointer["etag"] == '"e2"'


def test_resolve_asks_for_everything_when_its_entry_is_damaged() -> None:
    path = Path(through(MemoryTransport({ASKED: version(1)})))
    (path / "version").unlink()
    transport = MemoryTransport({ASKED: version(1)})
    assert through(transport) == str(path)
    assert "If-None-Match" not in transport.requests[0][1]
    assert sample.read(path)["version"] == b"1"


@pytest.mark.parametrize(
    "table", [{}, {ASKED: MemoryResponse(status=503)}, {ASKED: MemoryResponse(b"<html>log in</html>")}]
)
def test_resolve_uses_what_it_has_when_the_server_cannot_be_asked(table: dict[str, MemoryResponse]) -> None:
    path = through(MemoryTransport(answers(3)))
    with rehub.settings(unversioned_ttl_s=0):
        with pytest.warns(UserWarning, match="may not be the newest"):
            assert through(MemoryTransport(table)) == path
        with pytest.raises(TransferError):
            through(MemoryTransport({}), "https://hub.test/acme/other")


def test_resolve_says_so_when_the_model_is_gone() -> None:
    through(MemoryTransport(answers(3)))
    with rehub.settings(unversioned_ttl_s=0), pytest.raises(NotFoundError):
        through(MemoryTransport({ASKED: MemoryResponse(status=404)}))


def test_resolve_never_asks_when_offline() -> None:
    path = through(MemoryTransport(answers(3)))
    with rehub.settings(unversioned_ttl_s=0, offline=True):
        assert rehub.resolve(HANDLE) == path


@pytest.mark.parametrize("damage", [b"", b"{}", b"null"])
def test_resolve_asks_again_when_its_pointer_is_damaged(cache: Path, damage: bytes) -> None:
    path = through(MemoryTransport(answers(3)))
    (cache / "hub.test/acme/net/latest.rehub.json").write_bytes(damage)
    transport = MemoryTransport(answers(3))
    assert through(transport) == path
    assert len(transport.requests) == 1


def pinned(path: str) -> str:
    return f"{HANDLE}#sha256={fingerprint(measure(Path(path)))}"


def test_resolve_refuses_a_newest_version_that_does_not_fit_the_pin() -> None:
    for table in (answers(1), {ASKED: version(1)}):
        for _ in range(2):
            with pytest.raises(ChecksumError):
                through(MemoryTransport(table), f"{HANDLE}#sha256={'0' * 64}")


def test_resolve_need_not_ask_when_what_it_has_fits_the_pin() -> None:
    path = through(MemoryTransport(answers(1)))
    with rehub.settings(unversioned_ttl_s=0):
        assert through(MemoryTransport({}), pinned(path)) == path


def test_resolve_asks_when_what_it_has_does_not_fit_the_pin() -> None:
    first = through(MemoryTransport({ASKED: version(1)}))
    with rehub.settings(unversioned_ttl_s=0):
        second = through(MemoryTransport({ASKED: version(2)}))
        assert through(MemoryTransport({ASKED: version(1)}), pinned(first)) == first
        with pytest.raises(ChecksumError):
            through(MemoryTransport({ASKED: version(1)}), pinned(second))


def test_lasting_handle_names_the_version_that_was_the_newest() -> None:
    path = through(MemoryTransport(answers(3)))
    assert lasting(HANDLE, path) == f"{HANDLE}/3"
    assert lasting(f"{HANDLE}/3", path) == f"{HANDLE}/3"


def test_lasting_handle_pins_the_files_when_the_server_names_no_version() -> None:
    path = through(MemoryTransport({ASKED: version(1)}))
    pinned = lasting(HANDLE, path)
    assert pinned == f"{HANDLE}#sha256={fingerprint(measure(Path(path)))}"
    with rehub.settings(unversioned_ttl_s=0):
        through(MemoryTransport({ASKED: version(2)}))
        with pytest.raises(ChecksumError):
            through(MemoryTransport({ASKED: version(2)}), pinned)
