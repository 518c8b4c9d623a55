from __future__ import annotations

import errno
import fcntl
import json
import multiprocessing
import multiprocessing.context
import multiprocessing.synchronize
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rehub.archive.fingerprint import measure
from rehub.cache import layout
from rehub.cache.lock import claim
from rehub.cache.store import Store
from rehub.errors import CacheError, ChecksumError, FormatError, LockTimeout, TransferError
from rehub.formats.record import Latest, Record
from tests import sample

LEAF = PurePosixPath("h/a/b/1")
LOCATION = "https://h/a/b/1"


def record_of(folder: Path, location: str = LOCATION) -> Record:
    return Record(location, location, '"e"', "0" * 64, 7, measure(folder), 100.0)


def added(store: Store, leaf: PurePosixPath = LEAF) -> str:
    with store.lock(leaf), store.staging(leaf) as folder:
        sample.write(folder)
        return store.install(folder, leaf, record_of(folder))


def debris(root: Path) -> list[Path]:
    return list((root / ".staging").iterdir())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache", lock_timeout_s=5)


def test_find_gives_the_record_of_what_was_installed(store: Store) -> None:
    path = added(store)
    assert path == store.path(LEAF) == str(store.root / "h" / "a" / "b" / "1")
    assert sample.read(path) == sample.FILES
    found = store.find(LEAF, LOCATION)
    assert found == record_of(Path(path))
    assert debris(store.root) == []


def test_find_gives_nothing_when_there_is_nothing(store: Store) -> None:
    assert store.find(LEAF, LOCATION) is None
    assert not store.root.exists()


@pytest.mark.parametrize("damage", ["missing", "short", "record", "newer", "nul", "other"])
def test_find_gives_nothing_when_a_model_is_not_whole(store: Store, damage: str) -> None:
    path = Path(added(store))
    record = store.root / layout.record(LEAF)
    text = record.read_text()
    if damage == "missing":
        (path / "saved_model.pb").unlink()
    elif damage == "short":
        (path / "saved_model.pb").write_bytes(b"")
    else:
        record.write_text(
            {
                "record": text[:40],
                "newer": text.replace('"format": 1', '"format": 99'),
                "nul": text.replace("saved_model.pb", "saved\\u0000model.pb"),
                "other": text.replace(LOCATION, "https://other/a/b/1"),
            }[damage]
        )
    assert store.find(LEAF, LOCATION) is None


@settings(max_examples=25, deadline=None)
@given(
    lost=st.sets(st.sampled_from(sorted(sample.FILES))),
    changed=st.sets(st.sampled_from(sorted(sample.FILES))),
    record_lost=st.booleans(),
)
def test_install_heals_what_a_cleaner_took_and_keeps_good_files(
    *, lost: set[str], changed: set[str], record_lost: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _heal(Store(Path(folder), lock_timeout_s=5), lost, changed, record_lost=record_lost)


def _heal(store: Store, lost: set[str], changed: set[str], *, record_lost: bool) -> None:
    path = Path(added(store))
    before = {name: (path / name).stat().st_ino for name in sample.FILES}
    for name in changed:
        (path / name).write_bytes(b"x" * len(sample.FILES[name]))
    for name in lost:
        (path / name).unlink()
    if record_lost:
        (store.root / layout.record(LEAF)).unlink()
    added(store)
    assert sample.read(path) == sample.FILES
    assert store.find(LEAF, LOCATION) is not None
    for name in sample.FILES.keys() - lost - changed:
        assert (path / name).stat().st_ino == before[name]


def test_install_replaces_what_is_no_folder_and_no_file(store: Store) -> None:
    path = store.root / LEAF
    path.parent.mkdir(parents=True)
    path.write_text("a file where the model belongs")
    added(store)
    assert sample.read(path) == sample.FILES
    (path / "saved_model.pb").unlink()
    (path / "saved_model.pb").mkdir()
    for file in (path / "assets").iterdir():
        file.unlink()
    (path / "assets").rmdir()
    (path / "assets").write_text("a file where a folder belongs")
    added(store)
    assert sample.read(path) == sample.FILES


def test_staging_leaves_nothing_when_it_is_interrupted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sample, "read", interrupted)
    with pytest.raises(KeyboardInterrupt), store.lock(LEAF), store.staging(LEAF) as folder:
        sample.read(sample.write(folder))
    monkeypatch.undo()
    assert debris(store.root) == []
    assert store.find(LEAF, LOCATION) is None
    assert added(store)


def opened(descriptor: int) -> Path:
    return Path(f"/proc/self/fd/{descriptor}").readlink()


@pytest.fixture
def leftovers(store: Store) -> set[str]:
    """What killed processes left of the model and of another one; returns the names of the latter's."""
    other = layout.key(PurePosixPath("h/a/b/2"))
    for key in (layout.key(LEAF), other):
        sample.write(store.root / ".staging" / f"{key}.0123" / "model")
        (store.root / ".staging" / f"{key}.4567").write_text("{}")
    sample.write(store.root / ".staging" / f"{other}.blocks-89ab" / "model")
    return {f"{other}.0123", f"{other}.4567", f"{other}.blocks-89ab"}


def test_lock_removes_what_killed_processes_left(store: Store, leftovers: set[str]) -> None:
    used, _, begun = sorted(leftovers)
    with claim(store.root / ".staging" / used), store.lock(LEAF):
        assert {path.name for path in debris(store.root)} == {begun, used}
    with store.lock(LEAF):
        assert {path.name for path in debris(store.root)} == {begun}


def test_lock_removes_nothing_of_other_models_where_nobody_can_tell_whether_it_is_used(
    store: Store, leftovers: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock

    def refused(descriptor: int, operation: int) -> None:
        if opened(descriptor).parent.name == ".staging":
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", refused)
    with store.lock(LEAF):
        assert {path.name for path in debris(store.root)} == leftovers


def test_staging_gives_another_folder_when_the_first_is_swept_before_it_is_claimed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock
    swept = []

    def late(descriptor: int, operation: int) -> None:
        if not swept and opened(descriptor).parent.name == ".staging":
            swept.append(opened(descriptor))
            swept[0].rmdir()
        flock(descriptor, operation)

    with store.lock(LEAF):
        monkeypatch.setattr(fcntl, "flock", late)
        with store.staging(LEAF) as folder:
            assert folder.parent not in swept
            with claim(folder.parent) as is_free:
                assert not is_free
    assert swept


def test_point_remembers_what_an_unversioned_handle_stands_for(store: Store) -> None:
    folder = LEAF.parent
    latest = Latest("https://h/a/b", str(LEAF), LOCATION, "", 5.0)
    with store.lock(folder):
        store.point(folder, latest)
    assert store.latest(folder, "https://h/a/b") == latest
    assert store.latest(folder, "https://h/a/other") is None
    assert debris(store.root) == []


def _hold(root: Path, ready: multiprocessing.synchronize.Event) -> None:
    with Store(root, 5).lock(LEAF):
        ready.set()
        time.sleep(60)


@pytest.fixture
def holder(store: Store) -> Iterator[multiprocessing.context.SpawnProcess]:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_hold, args=(store.root, ready))
    process.start()
    assert ready.wait(30)
    yield process
    process.kill()
    process.join()


def test_lock_names_its_owner_when_it_takes_too_long(
    store: Store, holder: multiprocessing.context.SpawnProcess
) -> None:
    with pytest.raises(LockTimeout, match=f"process {holder.pid} on ") as caught, Store(store.root, 0.1).lock(LEAF):
        pass
    assert f"process {holder.pid}" in caught.value.owner


def test_lock_times_out_also_when_its_owner_noted_nonsense(
    store: Store, holder: multiprocessing.context.SpawnProcess
) -> None:
    assert holder.is_alive()
    note = store.root / ".locks" / f"{layout.key(LEAF)}.lock"
    note.write_bytes(b" " + json.dumps({"host": "h", "pid": 1, "time": 1e300}).encode())
    with pytest.raises(LockTimeout, match="another process"), Store(store.root, 0.1).lock(LEAF):
        pass


def test_lock_is_got_at_once_when_another_only_looked_whether_it_is_free(store: Store) -> None:
    with store.lock(LEAF):
        pass
    descriptor = os.open(store.root / ".locks" / f"{layout.key(LEAF)}.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    looking = threading.Timer(0.01, os.close, (descriptor,))
    looking.start()
    with Store(store.root, 0).lock(LEAF):
        looking.join()


def test_lock_is_got_without_waiting_when_its_file_is_removed_meanwhile(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = store.root / ".locks" / f"{layout.key(LEAF)}.lock"
    flock = fcntl.flock
    removed = []

    def late(descriptor: int, operation: int) -> None:
        if not removed:
            file.unlink()
            removed.append(file)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with Store(store.root, 0).lock(LEAF):
        assert file.exists()
    assert removed


def test_lock_leaves_a_file_only_where_there_is_a_model(store: Store) -> None:
    with store.lock(LEAF):
        pass
    assert list((store.root / ".locks").iterdir()) == []
    added(store)
    assert [path.stem for path in (store.root / ".locks").iterdir()] == [layout.key(LEAF)]


def test_lock_keeps_what_somebody_works_in_who_lost_it(store: Store) -> None:
    with store.lock(LEAF), store.staging(LEAF) as folder:
        (store.root / ".locks" / f"{layout.key(LEAF)}.lock").unlink()
        with Store(store.root, 5).lock(LEAF):
            assert folder.is_dir()


def test_install_fails_when_a_file_was_taken_before(store: Store) -> None:
    def install() -> None:
        with store.lock(LEAF), store.staging(LEAF) as folder:
            sample.write(folder)
            record = record_of(folder)
            (folder / "assets/words.txt").unlink()
            store.install(folder, LEAF, record)

    with pytest.raises(CacheError, match=f"{LEAF} is not in the cache folder"):
        install()
    (Path(added(store)) / "assets/words.txt").unlink()
    with pytest.raises(CacheError, match=r"words\.txt is not in the cache folder"):
        install()
    assert store.find(LEAF, LOCATION) is None
    assert debris(store.root) == []


def test_install_takes_nothing_else_for_the_model_when_all_was_taken_before(store: Store) -> None:
    (Path(added(store)) / "assets/words.txt").write_bytes(bytes(len(sample.FILES["assets/words.txt"])))
    (store.root / layout.record(LEAF)).unlink()

    def install() -> None:
        with store.lock(LEAF), store.staging(LEAF) as folder:
            record = record_of(sample.write(folder))
            shutil.rmtree(folder)
            store.install(folder, LEAF, record)

    with pytest.raises(CacheError, match="is not in the cache folder"):
        install()
    assert store.find(LEAF, LOCATION) is None


def test_lock_is_free_when_its_owner_was_killed(store: Store, holder: multiprocessing.context.SpawnProcess) -> None:
    assert holder.pid is not None
    os.kill(holder.pid, signal.SIGKILL)
    started = time.monotonic()
    with store.lock(LEAF):
        pass
    assert time.monotonic() - started < 2


def test_lock_keeps_other_models_free(store: Store, holder: multiprocessing.context.SpawnProcess) -> None:
    assert holder.is_alive()
    with Store(store.root, 0.1).lock(PurePosixPath("h/a/b/2")):
        pass


@pytest.mark.parametrize("code", ["ENOSYS", "ENOLCK", "EOPNOTSUPP"])
def test_lock_goes_on_where_the_filesystem_has_no_locks(
    store: Store, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    def flock(*_: object) -> None:
        raise OSError(getattr(errno, code), "no locks here")

    leftover = store.root / ".staging" / f"{layout.key(LEAF)}.0123"
    leftover.mkdir(parents=True)
    monkeypatch.setattr("fcntl.flock", flock)
    assert sample.read(added(store)) == sample.FILES
    assert leftover.is_dir()  # it may belong to a process that is still busy


def test_lock_fails_when_the_cache_folder_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match="TFHUB_CACHE_DIR") as caught, Store(tmp_path / "file" / "cache", 1).lock(LEAF):
        pass
    assert caught.value.path == str(tmp_path / "file" / "cache")


def test_staging_reports_a_full_disk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CacheError, match="no space"):
        added(store)
    assert debris(store.root) == []
    assert store.find(LEAF, LOCATION) is None


@pytest.mark.parametrize("error", [TransferError("broken"), KeyboardInterrupt()])
def test_resumable_gives_what_was_begun_before(store: Store, error: BaseException) -> None:
    def begin() -> None:
        with store.lock(LEAF), store.resumable(LEAF, "ab" * 32) as folder:
            (folder / "part").touch()
            raise error

    with pytest.raises(type(error)):
        begin()
    with store.lock(LEAF), store.resumable(LEAF, "ab" * 32) as folder:
        assert [path.name for path in folder.iterdir()] == ["part"]
    assert debris(store.root) == []


@pytest.mark.parametrize("error", [ChecksumError("other"), CacheError("full"), FormatError("bad"), ValueError()])
def test_resumable_keeps_nothing_that_would_fail_again(store: Store, error: Exception) -> None:
    def begin() -> None:
        with store.lock(LEAF), store.resumable(LEAF, "ab" * 32):
            raise error

    with pytest.raises(type(error)):
        begin()
    assert debris(store.root) == []


def test_resumable_keeps_nothing_where_there_are_no_locks(store: Store) -> None:
    def begin() -> None:
        with store.resumable(LEAF, "ab" * 32) as folder, store.resumable(LEAF, "ab" * 32) as other:
            assert folder != other
            raise TransferError("broken")

    store.root.mkdir()
    with pytest.raises(TransferError):
        begin()
    assert debris(store.root) == []
