"""Cache folders that are read-only, full, or were filled by tensorflow_hub."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import rehub
from rehub import configuration
from rehub.archive.fingerprint import fingerprint, measure
from rehub.errors import CacheError, OfflineError
from rehub.resolvers.chain import resolve_with
from rehub.transport.memory import MemoryResponse, MemoryTransport
from tests import sample
from tests.misbehaving import Answer, MisbehavingServer

HANDLE = "https://hub.test/acme/net/2"
ASKED = f"{HANDLE}?tf-hub-format=compressed"
MODEL = MemoryResponse(sample.archive(), headers={"content-length": str(len(sample.archive()))})


def through(transport: MemoryTransport, handle: str = HANDLE) -> str:
    return resolve_with(handle, configuration.current(), transport)


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A cache folder that holds one model, as a user sees it who may only read it."""
    # Not below tmp_path, whose parents only their owner may pass.
    root = Path(tempfile.mkdtemp())
    with rehub.settings(cache_dir=str(root)):
        through(MemoryTransport({ASKED: MODEL}))
        through(MemoryTransport({ASKED.replace("/2", ""): MODEL}), HANDLE.removesuffix("/2"))
        for path in (root, *root.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        is_root = os.geteuid() == 0
        if is_root:
            os.seteuid(65534)  # root may write everywhere
        try:
            yield root
        finally:
            if is_root:
                os.seteuid(0)
            for path in (root, *root.rglob("*")):
                path.chmod(0o755)
            shutil.rmtree(root)


def test_resolve_needs_no_write_permission_for_a_hit(read_only: Path) -> None:
    with pytest.raises(PermissionError):
        (read_only / "new").mkdir()
    nothing = MemoryTransport({})
    assert sample.read(through(nothing)) == sample.FILES
    assert sample.read(through(nothing, HANDLE.removesuffix("/2"))) == sample.FILES
    with rehub.settings(unversioned_ttl_s=0), pytest.warns(UserWarning, match="may not be the newest"):
        assert sample.read(through(nothing, HANDLE.removesuffix("/2"))) == sample.FILES


@pytest.mark.parametrize("handle", ["https://hub.test/acme/net/3", "https://hub.test/acme/other"])
def test_resolve_fails_before_it_downloads_when_the_cache_is_read_only(read_only: Path, handle: str) -> None:
    transport = MemoryTransport({f"{handle}?tf-hub-format=compressed": MODEL})
    with pytest.raises(CacheError, match=r"TFHUB_CACHE_DIR.*REHUB_READONLY_CACHE=temporary") as caught:
        through(transport, handle)
    assert str(read_only) in str(caught.value)
    assert transport.requests == []


def test_resolve_downloads_to_a_temporary_folder_by_setting(read_only: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handles = ["https://hub.test/acme/net/3", "https://hub.test/acme/other"]
    transport = MemoryTransport({f"{handle}?tf-hub-format=compressed": MODEL for handle in handles})
    monkeypatch.setenv("HOME", str(read_only))  # that of the fixture is below tmp_path, too
    with rehub.settings(readonly_cache="temporary"):
        assert through(MemoryTransport({})).startswith(str(read_only))
        with pytest.warns(UserWarning, match=f"{read_only} may not be written") as caught:
            paths = [through(transport, handle) for handle in handles]
        assert len(caught) == 1
        assert [through(transport, handle) for handle in handles] == paths
    assert [sample.read(path) for path in paths] == [sample.FILES] * 2
    assert len(transport.requests) == 2
    place = Path(paths[0]).parents[3]
    assert place.stat().st_mode & 0o077 == 0
    assert not place.is_relative_to(read_only)


_IN_PROCESSES = """
import multiprocessing, rehub, sys, warnings
warnings.simplefilter("ignore")
def work(url):
    with rehub.settings(readonly_cache="temporary", cache_dir="/sys/rehub"):
        print(rehub.resolve(url), flush=True)
child = multiprocessing.get_context("fork").Process(target=work, args=(sys.argv[1] + "/a/b/1",))
child.start()
child.join()
work(sys.argv[1] + "/a/b/1")
"""


def test_temporary_folders_go_with_their_processes() -> None:
    with MisbehavingServer(Answer(sample.archive())) as server:
        done = subprocess.run(
            [sys.executable, "-c", _IN_PROCESSES, server.url], capture_output=True, text=True, check=True, timeout=60
        )
    paths = done.stdout.split()
    assert (len(set(paths)), len(server.requests)) == (2, 2)
    assert not [path for path in paths if Path(path).parents[3].exists()]


def test_resolve_says_how_much_space_a_model_needs(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(CacheError, match=f"at least {len(MODEL.body)} bytes"):
            through(MemoryTransport({ASKED: MODEL}))
    assert list((cache / ".staging").iterdir()) == []
    assert sample.read(through(MemoryTransport({ASKED: MODEL}))) == sample.FILES


def legacy(root: Path, handle: str, *, age_s: float = 0.0) -> Path:
    """Makes an entry as tensorflow_hub does."""
    folder = root / hashlib.sha1(handle.encode()).hexdigest()
    sample.write(folder)
    descriptor = root / f"{folder.name}.descriptor.txt"
    descriptor.write_text(f"Module: {handle}\nDownload Time: 2020\nDownloader Hostname: h (PID:1)")
    then = descriptor.stat().st_mtime - age_s
    os.utime(descriptor, (then, then))
    return folder


@pytest.mark.parametrize("handle", [HANDLE, f"{HANDLE}/", "https://www.kaggle.com/models/o/m/tensorFlow2/v/1"])
def test_resolve_uses_what_tensorflow_hub_left(cache: Path, handle: str) -> None:
    folder = legacy(cache, handle)
    before = sorted(cache.rglob("*"))
    assert through(MemoryTransport({}), handle) == str(folder)
    assert sorted(cache.rglob("*")) == before


def test_resolve_downloads_again_when_what_tensorflow_hub_left_is_damaged(cache: Path) -> None:
    folder = legacy(cache, HANDLE)
    (folder / "saved_model.pb").unlink()
    path = through(MemoryTransport({ASKED: MODEL}))
    assert sample.read(path) == sample.FILES
    assert path != str(folder)


def test_resolve_downloads_again_when_what_tensorflow_hub_left_does_not_fit_the_pin(cache: Path) -> None:
    pinned = sample.write(cache.parent / "model")
    handle = f"{HANDLE}#sha256={fingerprint(measure(pinned))}"
    folder = legacy(cache, HANDLE)
    assert through(MemoryTransport({}), handle) == str(folder)
    (folder / "extra").write_text("")
    assert through(MemoryTransport({ASKED: MODEL}), handle) != str(folder)


def test_resolve_asks_for_a_newer_version_than_tensorflow_hub_left(cache: Path) -> None:
    handle = HANDLE.removesuffix("/2")
    asked = ASKED.replace("/2", "")
    folder = legacy(cache, handle, age_s=1000)
    assert through(MemoryTransport({}), handle) == str(folder)
    with rehub.settings(unversioned_ttl_s=500):
        with pytest.warns(UserWarning, match="may not be the newest"):
            assert through(MemoryTransport({}), handle) == str(folder)
        with rehub.settings(offline=True):
            assert rehub.resolve(handle) == str(folder)
        assert through(MemoryTransport({asked: MODEL}), handle) != str(folder)


@pytest.fixture
def temp_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The old default folder, with the new default folder elsewhere."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    with rehub.settings(cache_dir=None, offline=True):
        yield tmp_path / "tfhub_modules"


def test_resolve_uses_the_old_temp_folder(temp_cache: Path) -> None:
    folder = legacy(temp_cache, HANDLE)
    assert rehub.resolve(HANDLE) == str(folder)


def test_resolve_ignores_what_others_left_in_the_temp_folder(temp_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    legacy(temp_cache, HANDLE)
    uid = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: uid + 1)
    with pytest.raises(OfflineError):
        rehub.resolve(HANDLE)
