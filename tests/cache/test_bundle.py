"""Bundles: cached models in one tar, and back."""

from __future__ import annotations

import dataclasses
import errno
import io
import os
import tarfile
import threading
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import pytest

from rehub.archive.fingerprint import measure
from rehub.cache import blocks, bundle_reading, inventory, layout
from rehub.cache.bundle_writing import pack
from rehub.cache.store import Store
from rehub.errors import CacheError, ChecksumError, FormatError, HubError
from rehub.formats.manifest import read_manifest, write_manifest
from rehub.formats.record import Latest, Record, read_record, write_latest, write_record
from rehub.handle import parse
from tests import manifests, sample

NET = "https://hub.test/acme/net"
PLACES = {
    PurePosixPath("hub.test/acme/net/1"): f"{NET}/1",
    PurePosixPath("hub.test/acme/net/2"): f"{NET}/2",
    PurePosixPath("plain.test/acme/net/0123456789ab"): "https://plain.test/acme/net",
}
POINTERS = {
    PurePosixPath("hub.test/acme/net"): Latest(NET, "hub.test/acme/net/2", f"{NET}/2", "", 100.0),
    PurePosixPath("plain.test/acme/net"): Latest(
        "https://plain.test/acme/net", "plain.test/acme/net/0123456789ab", "https://plain.test/acme/net", '"e"', 100.0
    ),
}
RECORD = "hub.test/acme/net/1.rehub.json"
LARGE = 4 << 20
MANIFEST = "hub.test/acme/net/1.rehub-manifest.json"


def record_of(folder: Path, location: str) -> Record:
    return Record(location, location, '"e"', "0" * 64, 7, measure(folder), 100.0)


def install(store: Store, leaf: PurePosixPath, location: str, files: Mapping[str, bytes] = sample.FILES) -> None:
    with store.lock(leaf), store.staging(leaf) as folder:
        sample.write(folder, files)
        store.install(folder, leaf, record_of(folder, location))


def install_by_manifest(store: Store, leaf: PurePosixPath, location: str, manifest: bytes) -> None:
    with store.lock(leaf), store.staging(leaf) as folder:
        record = record_of(sample.write(folder), location)
        record = dataclasses.replace(record, archive_sha256=manifests.sha256(manifest))
        store.install(folder, leaf, record, manifest)


@pytest.fixture
def source(tmp_path: Path) -> Store:
    """Two versions of a model, the content of a server without versions, and notes of the newest."""
    store = Store(tmp_path / "source", 5)
    for leaf, location in PLACES.items():
        install(store, leaf, location)
    for folder, latest in POINTERS.items():
        store.point(folder, latest)
    return store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache", 5)


def packed(store: Store) -> bytes:
    found = inventory.take(store.root)
    out = io.BytesIO()
    pack(found.entries, found.pointers, out)
    return out.getvalue()


def unpack(
    data: bytes | BinaryIO, store: Store, admit: Callable[[Record], None] = lambda record: None
) -> list[tuple[str, str]]:
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    return [(one.record.location, one.outcome) for one in bundle_reading.unpack(stream, store, admit)]


def holdings(store: Store) -> dict[str, bytes]:
    """Returns all files of a cache but those of locks."""
    return {name: data for name, data in sample.read(store.root).items() if not name.startswith(".locks")}


def members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {info.name: tar.extractfile(info).read() for info in tar}  # type: ignore[union-attr]


def tar_of(values: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in values.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def test_bundle_makes_a_cache_of_the_same_content(source: Store, store: Store) -> None:
    data = packed(source)
    assert unpack(data, store) == [(location, "added") for location in PLACES.values()]
    assert holdings(store) == holdings(source)
    assert {leaf: store.find(leaf, location) for leaf, location in PLACES.items()} == {
        leaf: source.find(leaf, location) for leaf, location in PLACES.items()
    }
    assert [store.latest(folder, latest.location) for folder, latest in POINTERS.items()] == [*POINTERS.values()]
    assert packed(store) == data


def test_bundle_makes_a_cache_of_names_that_differ_in_capitals_only(tmp_path: Path, store: Store) -> None:
    source = Store(tmp_path / "source", 5)
    handles = [parse(f"https://hub.test/acme/{name}/1") for name in ("Net", "NET", "net")]
    for handle in handles:
        install(source, layout.leaf(handle), handle.location, {**sample.FILES, "assets/name": handle.text.encode()})
    assert len(unpack(packed(source), store)) == 3
    assert holdings(store) == holdings(source)
    assert len({name.lower() for name in holdings(store)}) == len(holdings(store)) == 3 * (len(sample.FILES) + 2)


def test_unpack_needs_little_memory_for_many_large_records(source: Store, store: Store) -> None:
    values, own = members(packed(source)), "hub.test/acme/net/1"
    models = {}
    for number in range(6):
        new = f"hub.test/acme/m{number}/1"
        record = dataclasses.replace(read_record(values[RECORD]), location=f"https://{new}")
        models[f"{new}.rehub.json"] = write_record(record) + b" " * LARGE
        models |= {name.replace(own, new): data for name, data in values.items() if name.startswith(f"{own}/")}
    data = tar_of(models)
    tracemalloc.start()
    try:
        assert len(unpack(data, store)) == 6
        assert tracemalloc.get_traced_memory()[1] < 5 * LARGE
    finally:
        tracemalloc.stop()


def test_bundle_goes_through_a_pipe(source: Store, store: Store) -> None:
    reading, writing = os.pipe()
    found = inventory.take(source.root)

    def write() -> None:
        with os.fdopen(writing, "wb") as out:
            pack(found.entries, found.pointers, out)

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(reading, "rb") as stream:
        assert len(unpack(stream, store)) == len(PLACES)
    thread.join()
    assert holdings(store) == holdings(source)


def test_bundle_holds_notes_only_of_its_own_models(source: Store, store: Store) -> None:
    found = inventory.take(source.root)
    out = io.BytesIO()
    pack(found.entries[:1], found.pointers, out)
    assert unpack(out.getvalue(), store) == [(f"{NET}/1", "added")]
    assert not list(store.root.rglob("latest.*"))


def test_pack_fails_when_a_file_is_not_what_was_fetched(source: Store, store: Store) -> None:
    (source.root / "hub.test/acme/net/2/saved_model.pb").write_bytes(bytes(4))
    found, out = inventory.take(source.root), io.BytesIO()
    with pytest.raises(ChecksumError, match=r"saved_model\.pb.*rehub cache verify --repair"):
        pack(found.entries, found.pointers, out)
    with pytest.raises(HubError):
        unpack(out.getvalue(), store)
    assert [entry.handle for entry in inventory.take(store.root).entries] in ([], [f"{NET}/1"])


def test_unpack_keeps_what_is_whole_and_heals_the_rest(source: Store, store: Store) -> None:
    data = packed(source)
    other = {**sample.FILES, "assets/words.txt": b"other"}
    first, second, third = PLACES.items()
    install(store, *first)
    install(store, *second, other)
    install(store, *third)
    kept = store.root / first[0] / "saved_model.pb"
    inode = kept.stat().st_ino
    (store.root / third[0] / "saved_model.pb").unlink()
    assert [outcome for _, outcome in unpack(data, store)] == ["kept", "differs", "added"]
    assert kept.stat().st_ino == inode
    assert sample.read(store.root / second[0]) == other
    assert sample.read(store.root / third[0]) == sample.FILES


@pytest.mark.parametrize(("time_s", "leaf"), [(99.0, "2"), (101.0, "1")])
def test_unpack_keeps_a_newer_note(source: Store, store: Store, time_s: float, leaf: str) -> None:
    folder, latest = next(iter(POINTERS.items()))
    known = dataclasses.replace(latest, leaf="hub.test/acme/net/1", leaf_location=f"{NET}/1", time_s=time_s)
    with store.lock(folder):
        store.point(folder, known)
    unpack(packed(source), store)
    found = store.latest(folder, NET)
    assert found is not None
    assert found.leaf == f"hub.test/acme/net/{leaf}"


@pytest.mark.parametrize("part", range(1, 20))
def test_unpack_adds_whole_models_only_when_the_bundle_is_cut(source: Store, store: Store, part: int) -> None:
    data = packed(source)
    with pytest.raises(FormatError, match="ends early"):
        unpack(data[: len(data) * part // 20 - part], store)
    for entry in inventory.take(store.root).entries:
        assert sample.read(entry.folder) == sample.FILES
    assert list((store.root / ".staging").iterdir()) == [] if (store.root / ".staging").exists() else True


@pytest.mark.parametrize("name", sample.FILES)
def test_unpack_refuses_a_model_with_a_changed_file(source: Store, store: Store, name: str) -> None:
    data = bytearray(packed(source))
    data[data.index(sample.FILES[name]) + 1] ^= 1
    with pytest.raises(ChecksumError, match=f"{name} of {NET}/1 has sha256"):
        unpack(bytes(data), store)
    assert [*holdings(store)] == []


def _without(name: str) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    return lambda values: {key: data for key, data in values.items() if key != name}


def _changed_record(**changes: object) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    def change(values: dict[str, bytes]) -> dict[str, bytes]:
        return values | {RECORD: write_record(dataclasses.replace(read_record(values[RECORD]), **changes))}

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_without(RECORD), "before the record of its model"),
        (_without("hub.test/acme/net/1/saved_model.pb"), r"saved_model\.pb of .* is missing"),
        (lambda values: values | {"hub.test/acme/net/1/more": b""}, "that its record does not know|before the record"),
        (lambda values: {"x": b"", **values}, "before the record of its model"),
        (lambda values: {"../1.rehub.json": b"", **values}, "leads out"),
        (lambda values: {"/etc/passwd": b"", **values}, "leads out"),
        (_changed_record(location=f"{NET}/2"), "where another one belongs"),
        (_changed_record(location="https://evil.test/acme/net/1"), "where another one belongs"),
        (_changed_record(location="/hub.test/acme/net/1"), "where another one belongs"),
        (_changed_record(location=f"{NET}/1#sha256={'0' * 64}"), "where another one belongs"),
        (_changed_record(files={}), "that its record does not know"),
        (lambda values: values | {RECORD: b"{}"}, "record of a cached model"),
        (_changed_record(etag="e" * (1 << 20)), "has a text of 1048576 characters"),
        (lambda values: values | {RECORD: b" " * (33 << 20)}, "has a record of"),
    ],
)
def test_unpack_refuses_what_no_export_writes(
    source: Store, store: Store, change: Callable[[dict[str, bytes]], dict[str, bytes]], words: str
) -> None:
    with pytest.raises(HubError, match=words):
        unpack(tar_of(change(members(packed(source)))), store)
    assert not (store.root / "hub.test/acme/net/1").exists() or "before" in words
    assert not (store.root.parent / "1.rehub.json").exists()


def test_unpack_refuses_a_model_that_lacks_files_by_its_own_record(tmp_path: Path, store: Store) -> None:
    files = {name: data for name, data in sample.FILES.items() if name != "saved_model.pb"}
    other = Store(tmp_path / "other", 5)
    install(other, *next(iter(PLACES.items())), files)
    with pytest.raises(FormatError, match=r"lacks saved_model\.pb"):
        unpack(packed(other), store)
    assert [*holdings(store)] == []


def test_unpack_refuses_a_model_that_brings_records_along(tmp_path: Path, store: Store) -> None:
    files = {**sample.FILES, "a/1.rehub.json": b"{}"}
    record = write_record(record_of(sample.write(tmp_path / "model", files), f"{NET}/1"))
    inside = {f"hub.test/acme/net/1/{name}": data for name, data in files.items()}
    with pytest.raises(FormatError, match="a name that the cache keeps for itself"):
        unpack(tar_of({RECORD: record, **inside}), store)
    assert [*holdings(store)] == []


@pytest.mark.parametrize(
    "latest",
    [
        Latest("https://evil.test/a/b", "hub.test/acme/net/1", f"{NET}/1", "", 1.0),
        Latest(NET, "hub.test/acme/net/3", f"{NET}/3", "", 1.0),
        Latest(NET, "../outside", f"{NET}/1", "", 1.0),
        Latest(NET, "hub.test/acme/net/1", "https://evil.test/a/b/1", "", 1.0),
        Latest(f"{NET}/1", "hub.test/acme/net/1", f"{NET}/1", "", 1.0),
    ],
)
def test_unpack_refuses_a_note_that_leads_elsewhere(source: Store, store: Store, latest: Latest) -> None:
    values = members(packed(source)) | {"hub.test/acme/net/latest.rehub.json": write_latest(latest)}
    with pytest.raises(FormatError, match="leads to none of its models"):
        unpack(tar_of(values), store)
    assert not list(store.root.rglob("latest.*"))


def test_unpack_takes_a_tar_of_system_tools(source: Store, store: Store) -> None:
    values = members(packed(source))
    folders = sorted({str(parent) for name in values for parent in PurePosixPath(name).parents} - {"."})
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for folder in folders:
            info = tarfile.TarInfo(f"./{folder}")
            info.type = tarfile.DIRTYPE
            tar.addfile(info)
        for name, data in values.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    unpack(out.getvalue(), store)
    assert holdings(store) == holdings(source)


def test_unpack_adds_nothing_that_is_not_admitted(source: Store, store: Store) -> None:
    def admit(record: Record) -> None:
        if record.location.endswith("2"):
            raise ChecksumError("not this one")

    with pytest.raises(ChecksumError, match="not this one"):
        unpack(packed(source), store, admit)
    assert [entry.handle for entry in inventory.take(store.root).entries] == [f"{NET}/1"]


def test_unpack_says_so_when_the_disk_is_full(source: Store, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    data = packed(source)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(CacheError, match="no space is left"):
            unpack(data, store)
    assert [*holdings(store)] == []
    assert len(unpack(data, store)) == len(PLACES)


def test_bundle_brings_manifests_along_by_which_blocks_are_found(tmp_path: Path, store: Store) -> None:
    other, manifest = Store(tmp_path / "other", 5), write_manifest(manifests.manifest_of(sample.FILES))
    leaf, location = next(iter(PLACES.items()))
    install_by_manifest(other, leaf, location, manifest)
    data = packed(other)
    assert unpack(data, store) == [(location, "added")]
    assert holdings(store) == holdings(other)
    assert packed(store) == data
    wanted = {digest for file in read_manifest(manifest).files for digest in file.blocks}
    assert {place.path for place in blocks.find(store.root, leaf, wanted).values()} == {
        store.root / leaf / name for name in sample.FILES
    }


@pytest.mark.parametrize("data", [b"", b"{}", write_manifest(manifests.manifest_of({"x": b""}))])
def test_pack_leaves_a_damaged_manifest_out(tmp_path: Path, store: Store, data: bytes) -> None:
    other, manifest = Store(tmp_path / "other", 5), write_manifest(manifests.manifest_of(sample.FILES))
    install_by_manifest(other, *next(iter(PLACES.items())), manifest)
    (other.root / MANIFEST).write_bytes(data)
    assert unpack(packed(other), store) == [(f"{NET}/1", "added")]
    assert MANIFEST not in holdings(store)


@pytest.mark.parametrize("name", ["x", "saved_model.pb"])
def test_unpack_refuses_a_manifest_of_other_files(tmp_path: Path, store: Store, name: str) -> None:
    other, manifest = Store(tmp_path / "other", 5), write_manifest(manifests.manifest_of(sample.FILES))
    install_by_manifest(other, *next(iter(PLACES.items())), manifest)
    values = members(packed(other))
    wrong = write_manifest(manifests.manifest_of({**sample.FILES, name: b"other"}))
    record = dataclasses.replace(read_record(values[RECORD]), archive_sha256=manifests.sha256(wrong))
    for changed in ({MANIFEST: wrong}, {MANIFEST: wrong, RECORD: write_record(record)}):
        with pytest.raises(FormatError, match="has a manifest that is not the one of the model"):
            unpack(tar_of(values | changed), store)
    with pytest.raises(FormatError, match="has a manifest of 17825792 bytes"):
        unpack(tar_of(values | {MANIFEST: bytes(17 << 20)}), store)
    assert [*holdings(store)] == []


def test_unpack_refuses_a_manifest_before_the_record_of_its_model(source: Store, store: Store) -> None:
    with pytest.raises(FormatError, match="before the record of its model"):
        unpack(tar_of({MANIFEST: b"{}", **members(packed(source))}), store)
