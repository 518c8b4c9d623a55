"""A cache folder with just the models of a lock file."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from urllib.parse import quote

import pytest

import rehub
from rehub import configuration
from rehub.archive.fingerprint import fingerprint, measure
from rehub.cache import layout
from rehub.errors import ChecksumError, TransferError
from rehub.formats.lockfile import Locked, write_lockfile
from rehub.formats.manifest import MEDIA_TYPE, write_manifest
from rehub.resolvers import stock
from rehub.resolvers.chain import resolve_with
from rehub.transport.memory import MemoryResponse, MemoryTransport
from tests import sample
from tests.manifests import manifest_of

NET = "https://hub.test/acme/net"
CONTENT = "https://plain.test/acme/net"
ARCHIVE = "https://files.test/net.tar.gz"
QUERY = "?tf-hub-format=compressed"
MODEL = MemoryResponse(sample.archive())
ANSWERS = {f"{NET}/2{QUERY}": MODEL, CONTENT + QUERY: MODEL, ARCHIVE: MODEL}
RESOLVED = {NET: f"{NET}/2", CONTENT: CONTENT, ARCHIVE: ARCHIVE}


@pytest.fixture
def lockfile(tmp_path: Path) -> Path:
    """Locks an unversioned handle, the content of a server without versions, and an archive."""
    pin = fingerprint(measure(sample.write(tmp_path / "model")))
    file = tmp_path / "rehub.lock"
    file.write_bytes(write_lockfile([Locked(handle, resolved, pin, 7) for handle, resolved in RESOLVED.items()]))
    return file


def fill(folder: Path, lockfile: Path, transport: MemoryTransport) -> list[str]:
    """Returns what was done."""
    with rehub.settings(lockfile=lockfile) as settings:
        plans = [stock.plan(handle, folder, settings, transport) for handle in RESOLVED]
        assert {plan.size_bytes for plan in plans} == {7}
        for plan in plans:
            stock.carry_out(plan, folder, settings, transport)
            assert plan.action == "download" or (plan.target / "saved_model.pb").is_file()
        return [plan.action for plan in plans]


def models(folder: Path) -> list[dict[str, bytes]]:
    with rehub.settings(cache_dir=folder, offline=True):
        return [sample.read(rehub.resolve(handle)) for handle in (*RESOLVED, f"{NET}/2")]


def test_stock_holds_all_models_by_their_handles_when_they_are_downloaded(
    cache: Path, lockfile: Path, tmp_path: Path
) -> None:
    assert fill(tmp_path / "stock", lockfile, MemoryTransport(ANSWERS)) == ["download"] * 3
    assert models(tmp_path / "stock") == [sample.FILES] * 4
    assert not cache.exists()
    assert fill(tmp_path / "stock", lockfile, MemoryTransport({})) == ["keep"] * 3


def test_stock_gets_copies_of_what_the_cache_has(
    lockfile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for handle in (f"{NET}/2", CONTENT, ARCHIVE):
        resolve_with(handle, configuration.current(), MemoryTransport(ANSWERS))
    monkeypatch.chdir(tmp_path)
    assert fill(Path("stock"), lockfile, MemoryTransport({})) == ["copy"] * 3
    assert models(tmp_path / "stock") == [sample.FILES] * 4
    assert list((tmp_path / "stock" / ".staging").iterdir()) == []


def test_stock_gets_copies_with_their_manifests(cache: Path, lockfile: Path, tmp_path: Path) -> None:
    manifest = write_manifest(manifest_of(sample.FILES))
    answers = {f"{NET}/2{QUERY}": MemoryResponse(manifest, headers={"content-type": MEDIA_TYPE})}
    answers |= {
        f"{NET}/2?rehub-file={quote(name, safe='')}": MemoryResponse(data) for name, data in sample.FILES.items()
    }
    resolve_with(f"{NET}/2", configuration.current(), MemoryTransport(answers))
    assert fill(tmp_path / "stock", lockfile, MemoryTransport(ANSWERS)) == ["copy", "download", "download"]
    name = PurePosixPath("hub.test/acme/net/2")
    assert (tmp_path / "stock" / layout.manifest(name)).read_bytes() == (cache / layout.manifest(name)).read_bytes()


def test_stock_takes_no_damaged_copy(cache: Path, lockfile: Path, tmp_path: Path) -> None:
    path = Path(resolve_with(f"{NET}/2", configuration.current(), MemoryTransport(ANSWERS)))
    (path / "saved_model.pb").write_bytes(bytes(4))
    with pytest.raises(ChecksumError, match=r"saved_model\.pb"):
        fill(tmp_path / "stock", lockfile, MemoryTransport(ANSWERS))
    assert not (tmp_path / "stock" / "hub.test").exists()


def test_stock_is_read_again_when_it_is_filled_again(lockfile: Path, tmp_path: Path) -> None:
    fill(tmp_path / "stock", lockfile, MemoryTransport(ANSWERS))
    (tmp_path / "stock/hub.test/acme/net/2/saved_model.pb").write_bytes(bytes(4))
    with pytest.raises(ChecksumError, match=NET):
        fill(tmp_path / "stock", lockfile, MemoryTransport({}))


def test_stock_follows_the_lock_file_when_that_names_another_version(lockfile: Path, tmp_path: Path) -> None:
    fill(tmp_path / "stock", lockfile, MemoryTransport(ANSWERS))
    values = json.loads(lockfile.read_text())
    values["models"][NET]["resolved"] = f"{NET}/3"
    lockfile.write_text(json.dumps(values))
    fill(tmp_path / "stock", lockfile, MemoryTransport({f"{NET}/3{QUERY}": MODEL}))
    with rehub.settings(cache_dir=tmp_path / "stock", offline=True):
        assert Path(rehub.resolve(NET)).name == "3"


def test_stock_says_so_when_its_folder_cannot_be_written(lockfile: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TransferError, match=f"'{tmp_path}/file/stock' cannot be written"):
        fill(tmp_path / "file" / "stock", lockfile, MemoryTransport(ANSWERS))
