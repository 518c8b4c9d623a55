from __future__ import annotations

import multiprocessing
import multiprocessing.synchronize
import os
import time
from pathlib import Path, PurePosixPath

import pytest

from rehub.archive.fingerprint import measure
from rehub.cache import layout
from rehub.cache.inventory import Entry, take
from rehub.cache.lock import claim
from rehub.cache.removal import forget, remove, sweep
from rehub.cache.store import Store
from rehub.errors import CacheError
from rehub.formats.record import Latest, Record
from tests import sample

LEAF = PurePosixPath("h/a/b/1")
LOCATION = "https://h/a/b/1"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache", lock_timeout_s=5)


def added(store: Store, leaf: PurePosixPath = LEAF) -> Entry:
    with store.lock(leaf), store.staging(leaf) as folder:
        sample.write(folder)
        store.install(folder, leaf, Record(f"https://{leaf}", "", "", "0" * 64, 7, measure(folder), 100.0))
    return next(entry for entry in take(store.root).entries if entry.leaf == leaf)


def test_remove_leaves_neither_files_nor_empty_folders(store: Store) -> None:
    remove(store, added(store))

    assert store.find(LEAF, LOCATION) is None
    assert {path.relative_to(store.root).as_posix() for path in store.root.rglob("*")} == {".staging", ".locks"}


def test_remove_leaves_other_models_alone(store: Store) -> None:
    entry = added(store)
    added(store, LEAF.with_name("2"))

    remove(store, entry)

    assert store.find(LEAF.with_name("2"), "https://h/a/b/2") is not None


def test_remove_says_so_when_a_model_may_not_be_moved(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = added(store)

    def refuse(path: Path, target: Path) -> Path:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(CacheError, match="Permission denied"):
        remove(store, entry)

    assert store.find(LEAF, LOCATION) is not None


def test_remove_leaves_open_files_to_their_readers(store: Store) -> None:
    entry = added(store)

    with (entry.folder / "assets/words.txt").open("rb") as file:
        remove(store, entry)
        assert file.read() == sample.FILES["assets/words.txt"]


def _hold(root: Path, ready: multiprocessing.synchronize.Event) -> None:
    with Store(root, 5).lock(LEAF):
        ready.set()
        time.sleep(60)


def test_remove_and_sweep_leave_alone_what_another_process_is_busy_with(store: Store) -> None:
    entry = added(store)
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_hold, args=(store.root, ready))
    process.start()
    try:
        assert ready.wait(30)
        with pytest.raises(CacheError, match=f"process {process.pid} .* is busy with it"):
            remove(Store(store.root, 0.1), entry)
        sample.write(store.root / ".staging" / f"{layout.key(LEAF)}.77" / "model")
        assert sweep(store.root, take(store.root).leftovers) == ()
    finally:
        process.kill()
        process.join()
    assert store.find(LEAF, LOCATION) is not None
    leftovers = take(store.root).leftovers
    assert sweep(store.root, leftovers) == leftovers != ()
    assert take(store.root).leftovers == ()


@pytest.mark.parametrize("is_file", [False, True])
def test_sweep_keeps_what_somebody_works_in_who_lost_his_lock(store: Store, *, is_file: bool) -> None:
    added(store)
    path = store.root / ".staging" / "abc.1"
    path.write_text("{}") if is_file else path.mkdir()

    with claim(path):
        assert sweep(store.root, take(store.root).leftovers) == ()

    assert path.exists()


@pytest.mark.parametrize("time_s", [0.0, 4e9])
def test_sweep_takes_what_is_left_whatever_the_clock_said(store: Store, time_s: float) -> None:
    added(store)
    note = store.root / ".staging" / f"{layout.key(LEAF)}.1"
    note.write_text("{}")
    os.utime(note, (time_s, time_s))

    assert [left.path for left in sweep(store.root, take(store.root).leftovers)] == [note]

    assert not note.exists()


def test_take_knows_what_a_killed_download_by_manifest_put_to_its_place(store: Store) -> None:
    entry = added(store)
    (store.root / layout.record(LEAF)).unlink()
    assert take(store.root).entries[0].origin == "unknown"
    (store.root / layout.manifest(LEAF)).write_text("{}")

    (found,) = take(store.root).entries

    assert (found.origin, found.folder, len(found.damages)) == ("rehub", entry.folder, 1)
    remove(store, found)
    assert [path for path in store.root.rglob("*") if path.is_file()] == []


def test_install_works_when_its_empty_folder_is_removed_meanwhile(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace
    removed: list[Path] = []

    def replace_late(path: Path, target: Path) -> Path:
        if not removed:
            target.parent.rmdir()
            removed.append(target.parent)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", replace_late)

    assert sample.read(added(store).folder) == sample.FILES
    assert removed == [store.root / LEAF.parent]


def test_forget_removes_notes_that_lead_nowhere(store: Store) -> None:
    entry = added(store)
    with store.lock(LEAF.parent):
        store.point(LEAF.parent, Latest("https://h/a/b", str(LEAF), LOCATION, "", 5.0))
    with store.lock(PurePosixPath("h/c")):
        store.point(PurePosixPath("h/c"), Latest("https://h/c", "h/c/gone", "https://h/c", "", 5.0))
    (store.root / "h/c/latest.rehub.json").write_text("{")

    assert forget(store, take(store.root).pointers.items()) == 1
    assert store.latest(LEAF.parent, "https://h/a/b") is not None
    assert not (store.root / "h/c").exists()

    remove(store, entry)
    assert forget(store, take(store.root).pointers.items()) == 1
    assert take(store.root).pointers == {}
