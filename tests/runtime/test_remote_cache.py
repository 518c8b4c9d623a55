"""Cache folders that only TensorFlow's filesystem layer opens: in its memory, and a folder by its URL."""

from __future__ import annotations

import concurrent.futures
import hashlib
import os
import pickle
import posixpath
import shutil
import threading
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import tensorflow as tf

import rehub as hub
from rehub import configuration
from rehub.archive.fingerprint import fingerprint, measure
from rehub.cache.remote_store import RemoteStore
from rehub.cache.store import Store
from rehub.errors import CacheError, ChecksumError, DependencyError, FormatError, OfflineError
from rehub.formats.record import Latest, Record
from rehub.resolvers import lockfile
from rehub.resolvers.chain import resolve_with
from rehub.server.embedded import EmbeddedHub
from rehub.transport.memory import MemoryResponse, MemoryTransport
from tests import sample

HANDLE = "https://hub.test/acme/net/2"
ASKED = f"{HANDLE}?tf-hub-format=compressed"
UNVERSIONED = HANDLE.removesuffix("/2")
LEAF = PurePosixPath("hub.test/acme/net/2")
RECORD = f"{LEAF}.rehub.json"
IN_CACHE = {RECORD, *(f"{LEAF}/{name}" for name in sample.FILES)}
OTHER = {**sample.FILES, "assets/words.txt": b"HELLO\nWORLD\n"}
X = tf.constant([10.0, 20.0])


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    return tmp_path / "own" / "rehub"


@pytest.fixture
def cache() -> Iterator[str]:
    url = f"ram://{uuid.uuid4().hex}"
    with hub.settings(cache_dir=f"{url}/", show_progress=False, retries=0):
        yield url


def serving() -> MemoryTransport:
    redirect = MemoryResponse(b"", 302, {"location": ASKED})
    return MemoryTransport(
        {ASKED: MemoryResponse(sample.archive()), f"{UNVERSIONED}?tf-hub-format=compressed": redirect}
    )


def through(transport: MemoryTransport, handle: str = HANDLE) -> str:
    return resolve_with(handle, configuration.current(), transport)


def read(url: str) -> dict[str, bytes]:
    found = {}
    for place, _, names in tf.io.gfile.walk(url):
        for name in names:
            path = posixpath.join(place, name)
            if tf.io.gfile.exists(path):  # ram:// lists "folder.json" as ".json" in "folder", too
                with tf.io.gfile.GFile(path, "rb") as file:
                    found[path.removeprefix(f"{url}/")] = file.read()
    return found


def write(url: str, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        tf.io.gfile.makedirs(posixpath.dirname(f"{url}/{name}"))
        with tf.io.gfile.GFile(f"{url}/{name}", "wb") as file:
            file.write(data)


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def uploading(monkeypatch: pytest.MonkeyPatch, function: Any) -> None:
    """Lets a function take the place of copying a file; it gets the function that copies first."""
    real = tf.io.gfile.copy
    monkeypatch.setattr(tf.io.gfile, "copy", lambda *args, **options: function(real, *args, **options))


def test_resolve_puts_a_model_into_a_remote_cache_folder(cache: str, own: Path) -> None:
    path = through(serving())
    assert path == f"{cache}/{LEAF}"
    assert read(path) == sample.FILES
    assert read(cache).keys() == IN_CACHE
    assert files_of(own) == []


def test_resolve_finds_it_there_on_another_machine(cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = through(serving())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    assert through(MemoryTransport({})) == path
    with hub.settings(offline=True):
        assert hub.resolve(HANDLE) == path
    assert not (tmp_path / "another").exists()


def test_resolve_downloads_once_for_all_threads(cache: str) -> None:
    transport = serving()
    settings = configuration.current()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: resolve_with(HANDLE, settings, transport), range(4)))
    assert (set(paths), len(transport.requests)) == ({f"{cache}/{LEAF}"}, 1)


def test_resolve_remembers_the_newest_version(cache: str) -> None:
    transport = serving()
    path = through(transport, UNVERSIONED)
    assert path == f"{cache}/{LEAF}"
    assert through(MemoryTransport({}), UNVERSIONED) == path
    asked = len(transport.requests)
    tf.io.gfile.remove(f"{path}/saved_model.pb")
    assert read(through(transport, UNVERSIONED)) == sample.FILES
    assert len(transport.requests) > asked


@pytest.mark.parametrize("damage", ["no record", "half a record", "file lost", "file cut"])
def test_resolve_repairs_what_is_not_whole(cache: str, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = read(cache) if through(serving()) else {}
    name = f"{LEAF}/assets/words.txt" if damage.startswith("file") else RECORD
    if damage in ("no record", "file lost"):
        tf.io.gfile.remove(f"{cache}/{name}")
    else:
        write(cache, {name: before[name][:5]})
    with hub.settings(offline=True), pytest.raises(OfflineError):
        hub.resolve(HANDLE)
    copied = []
    uploading(monkeypatch, lambda real, *args, **options: (copied.append(args[1]), real(*args, **options)))

    assert read(through(serving())) == sample.FILES

    assert through(MemoryTransport({})) == f"{cache}/{LEAF}"
    if damage.startswith("file"):
        assert copied == [f"{cache}/{name}"]  # the good ones stay, under whoever reads them


@pytest.mark.parametrize("error", [tf.errors.UnavailableError(None, None, "gone"), KeyboardInterrupt()])
def test_resolve_finds_nothing_in_a_copy_that_was_cut_short(
    cache: str, own: Path, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(real: Any, source: str, target: str, **options: Any) -> None:
        if target.endswith("words.txt"):
            raise error
        real(source, target, **options)

    with monkeypatch.context() as patch:
        uploading(patch, fail)
        with pytest.raises((CacheError, KeyboardInterrupt)) as caught:
            through(serving())
    assert isinstance(caught.value, KeyboardInterrupt) or cache in str(caught.value)
    assert RECORD not in read(cache)
    with hub.settings(offline=True), pytest.raises(OfflineError, match=f"cache folder {cache},"):
        hub.resolve(HANDLE)

    assert read(through(serving())) == sample.FILES

    assert read(cache).keys() == IN_CACHE
    assert files_of(own) == []


def test_resolve_takes_only_what_fits_the_pin(cache: str, tmp_path: Path) -> None:
    good = fingerprint(measure(sample.write(tmp_path / "model")))
    with pytest.raises(ChecksumError):
        through(serving(), f"{HANDLE}#sha256={'0' * 64}")
    assert read(cache) == {}
    path = through(serving(), f"{HANDLE}#sha256={good}")
    assert through(MemoryTransport({}), f"{HANDLE}#sha256={good}") == path
    with pytest.raises(ChecksumError):
        through(MemoryTransport({}), f"{HANDLE}#sha256={'0' * 64}")


def test_lock_reads_the_record_in_a_remote_cache_folder(cache: str, tmp_path: Path) -> None:
    locked = lockfile.lock(UNVERSIONED, through(serving(), UNVERSIONED))
    assert (locked.resolved, locked.sha256) == (HANDLE, fingerprint(measure(sample.write(tmp_path / "model"))))


def legacy(cache: str, files: Mapping[str, bytes]) -> str:
    """Makes an entry as tensorflow_hub does."""
    name = hashlib.sha1(HANDLE.encode()).hexdigest()
    write(f"{cache}/{name}", files)
    write(cache, {f"{name}.descriptor.txt": f"Module: {HANDLE}\n".encode()})
    return f"{cache}/{name}"


def test_resolve_uses_what_tensorflow_hub_left_there(cache: str, tmp_path: Path) -> None:
    folder = legacy(cache, sample.FILES)
    good = fingerprint(measure(sample.write(tmp_path / "model")))
    assert through(MemoryTransport({})) == folder
    assert through(MemoryTransport({}), f"{HANDLE}#sha256={good}") == folder
    assert lockfile.lock(HANDLE, folder).sha256 == good
    with pytest.raises(ChecksumError):
        through(serving(), f"{HANDLE}#sha256={'0' * 64}")


@pytest.mark.parametrize("lost", ["saved_model.pb", "variables/variables.data-00000-of-00001"])
def test_resolve_downloads_again_when_that_is_damaged(cache: str, lost: str, half_plus_two: Path) -> None:
    folder = legacy(cache, sample.read(half_plus_two))
    assert through(MemoryTransport({})) == folder
    tf.io.gfile.remove(f"{folder}/{lost}")
    path = through(serving())
    assert path != folder
    assert read(path) == sample.FILES


def test_models_are_loaded_from_a_remote_cache_folder(cache: str, half_plus_two: Path, tmp_path: Path) -> None:
    shutil.copytree(half_plus_two, tmp_path / "models" / "acme" / "half" / "3")
    with EmbeddedHub(tmp_path / "models") as server:
        handle = f"{server.url}/acme/half/3"
        model = hub.load(f"{server.url}/acme/half")
    with hub.settings(offline=True):
        assert model(X).numpy().tolist() == [7.0, 12.0]
        assert pickle.loads(pickle.dumps(model))(X).numpy().tolist() == [7.0, 12.0]
        assert hub.KerasLayer(handle)(X).numpy().tolist() == [7.0, 12.0]
        assert hub.resolve(handle).startswith(cache)
        with pytest.raises(FormatError, match=f"'{cache}.* is not on this machine"):
            hub.inspect(handle)


@pytest.mark.parametrize("policy", ["error", "temporary"])
def test_resolve_fails_before_it_downloads_when_a_remote_cache_folder_is_read_only(policy: str) -> None:
    transport = serving()
    with hub.settings(cache_dir="file:///sys/rehub", readonly_cache=policy):
        if policy == "error":
            with pytest.raises(CacheError, match=r"file:///sys/rehub.* cannot be written.*TFHUB_CACHE_DIR"):
                through(transport)
            assert transport.requests == []
        else:
            with pytest.warns(UserWarning, match="file:///sys/rehub may not be written"):
                assert sample.read(through(transport)) == sample.FILES


def test_resolve_says_what_the_folder_of_this_machine_is_for(cache: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/sys/own")
    with pytest.raises(CacheError, match=rf"/sys/own/rehub.*on their way to {cache}.*XDG_CACHE_HOME"):
        through(serving())


def test_resolve_refuses_a_cache_folder_of_a_scheme_that_tensorflow_lacks() -> None:
    with hub.settings(cache_dir="nothing://bucket"), pytest.raises(DependencyError, match="cannot open nothing://"):
        through(serving())


class Machine:
    """One of several that fill a cache folder, with a model in its staging folder."""

    def __init__(self, cache: str, own: Path, files: Mapping[str, bytes]) -> None:
        self.store = RemoteStore(cache, Store(own, 10))
        self._files = files

    def install(self) -> str:
        with self.store.lock(LEAF), self.store.staging(LEAF) as staging:
            files = measure(sample.write(staging, self._files))
            return self.store.install(staging, LEAF, Record(HANDLE, HANDLE, "", "", 0, files, 0.0))


def test_find_takes_no_model_of_another_location(cache: str, tmp_path: Path) -> None:
    machine = Machine(cache, tmp_path / "a", sample.FILES)
    machine.install()
    assert machine.store.find(LEAF, HANDLE) is not None
    assert machine.store.find(LEAF, f"{HANDLE}?other") is None


def test_forget_lost_removes_the_note_of_a_version_that_is_not_whole(cache: str, tmp_path: Path) -> None:
    machine = Machine(cache, tmp_path / "a", sample.FILES)
    machine.install()
    note = Latest(UNVERSIONED, str(LEAF), HANDLE, "", 0.0)
    for _ in range(2):
        machine.store.point(LEAF.parent, note)
    machine.store.forget_lost(LEAF.parent, UNVERSIONED)
    assert machine.store.latest(LEAF.parent, UNVERSIONED) == note
    tf.io.gfile.remove(f"{cache}/{LEAF}/saved_model.pb")
    machine.store.forget_lost(LEAF.parent, UNVERSIONED)
    assert machine.store.latest(LEAF.parent, UNVERSIONED) is None


def test_machines_that_bring_the_same_files_do_not_disturb_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cache"
    together = threading.Barrier(2)

    def copy_together(real: Any, source: str, target: str, **options: Any) -> None:
        if target.endswith("words.txt"):
            together.wait(30)
        real(source, target, **options)

    uploading(monkeypatch, copy_together)
    machines = [Machine(folder.as_uri(), tmp_path / name, sample.FILES) for name in "ab"]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert set(pool.map(Machine.install, machines)) == {f"{folder.as_uri()}/{LEAF}"}
    assert sample.read(folder / LEAF) == sample.FILES
    assert sample.read(folder).keys() == IN_CACHE


def test_machine_brings_a_file_again_that_another_one_has_removed(
    cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brought = []

    def copy_while_another_begins(real: Any, source: str, target: str, **options: Any) -> None:
        brought.append(target)
        real(source, target, **options)
        if brought.count(target) == 1 and target.endswith("words.txt"):
            tf.io.gfile.remove(target)

    uploading(monkeypatch, copy_while_another_begins)
    Machine(cache, tmp_path / "a", sample.FILES).install()
    assert read(f"{cache}/{LEAF}") == sample.FILES
    assert len(brought) == len(sample.FILES) + 1


def test_machines_that_bring_different_files_exclude_each_other(
    cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Machine(cache, tmp_path / "a", sample.FILES), Machine(cache, tmp_path / "b", OTHER)
    refused = []

    def copy_while_another_tries(real: Any, *args: Any, **options: Any) -> None:
        monkeypatch.setattr(tf.io.gfile, "copy", real)
        with pytest.raises(CacheError, match=r"process \d+ of .* is bringing other files") as caught:
            second.install()
        refused.append(caught.value)
        real(*args, **options)

    uploading(monkeypatch, copy_while_another_tries)
    first.install()
    assert len(refused) == 1
    with pytest.raises(CacheError, match="another machine has put other files"):
        second.install()
    assert read(f"{cache}/{LEAF}") == sample.FILES
    assert read(cache).keys() == IN_CACHE


@pytest.mark.parametrize(("age_s", "place"), [(1000, "b"), (4000, "b"), (0, "a")])
def test_a_killed_process_keeps_other_files_of_other_machines_away_for_an_hour(
    age_s: int, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cache"
    first = Machine(folder.as_uri(), tmp_path / "a", sample.FILES)
    second = Machine(folder.as_uri(), tmp_path / place, OTHER)
    claims: list[Path] = []

    def remember(real: Any, *args: Any, **options: Any) -> None:
        claims.extend(files_of(folder / ".locks"))
        raise tf.errors.AbortedError(None, None, "killed")

    with monkeypatch.context() as patch:
        uploading(patch, remember)
        with pytest.raises(CacheError, match="killed"):
            first.install()
    claim = claims[0]
    claim.write_text("process 7 of a\n")
    then = claim.stat().st_mtime - age_s
    os.utime(claim, (then, then))
    if age_s == 1000:
        with pytest.raises(CacheError, match=f"delete {claim.as_uri()}"):
            second.install()
        first.install()
        assert sample.read(folder / LEAF) == sample.FILES
    else:
        second.install()
        assert sample.read(folder / LEAF) == OTHER
    assert files_of(folder / ".locks") == []


def test_a_copy_of_other_files_leaves_none_of_the_old_ones(cache: str, tmp_path: Path) -> None:
    Machine(cache, tmp_path / "a", {**sample.FILES, "tfhub_module.pb": b"\x08\x03"}).install()
    tf.io.gfile.remove(f"{cache}/{RECORD}")
    Machine(cache, tmp_path / "b", OTHER).install()
    assert read(f"{cache}/{LEAF}") == OTHER
