"""Folders and archives in buckets, through obstore, from a server on this machine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import rehub
from rehub import configuration
from rehub.archive.fingerprint import fingerprint, measure
from rehub.cache.resolved import record_of
from rehub.errors import (
    AccessError,
    ChecksumError,
    DependencyError,
    FormatError,
    HandleError,
    NotFoundError,
    OfflineError,
    TransferError,
)
from rehub.resolvers import bucket, lockfile, placement, stock
from rehub.resolvers.chain import lasting, resolve_with
from rehub.transport.memory import MemoryResponse, MemoryTransport
from tests import sample
from tests.buckets import Buckets

FOLDER = "box/models/net"


@pytest.fixture(params=["s3", "gs", "az"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def buckets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Buckets]:
    """A server with one model, which this user finds and may read."""
    with Buckets().running() as buckets:
        for name, value in buckets.variables(tmp_path).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("rehub.storage.bucket._RETRIES", {"max_retries": 0})
        buckets.put(FOLDER, sample.FILES)
        yield buckets


@pytest.fixture
def without_obstore(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)


def test_resolve_gets_a_folder_into_the_cache(buckets: Buckets, scheme: str, cache: Path) -> None:
    handle = f"{scheme}://{FOLDER}"
    path = rehub.resolve(f"{handle}/")

    assert Path(path).is_relative_to(cache / f"{scheme}_box")
    assert sample.read(path) == sample.FILES
    record = record_of(path)
    assert record is not None
    assert (record.location, record.url) == (handle, handle)
    assert lasting(handle, path) == f"{handle}#sha256={fingerprint(measure(Path(path)))}"


@pytest.mark.parametrize("name", ["net.tar.gz", "net.tar"])
def test_resolve_gets_an_archive_once(buckets: Buckets, scheme: str, name: str) -> None:
    buckets.objects[f"box/{name}"] = sample.archive() if name.endswith("gz") else sample.tar()
    path = rehub.resolve(f"{scheme}://box/{name}")
    assert sample.read(path) == sample.FILES
    buckets.requests.clear()
    assert rehub.resolve(f"{scheme}://box/{name}") == path
    assert buckets.requests == []


def test_resolve_lists_a_folder_again_when_its_time_is_over_and_fetches_what_changed(
    buckets: Buckets, scheme: str
) -> None:
    handle = f"{scheme}://{FOLDER}"
    old = rehub.resolve(handle)
    buckets.requests.clear()
    assert rehub.resolve(handle) == old
    assert buckets.requests == []
    with rehub.settings(unversioned_ttl_s=0):
        assert rehub.resolve(handle) == old
        assert len(buckets.requests) == 1
        buckets.objects[f"{FOLDER}/assets/words.txt"] = b"other words"
        new = rehub.resolve(handle)
    assert sample.read(new)["assets/words.txt"] == b"other words"
    assert sample.read(old) == sample.FILES
    with rehub.settings(unversioned_ttl_s=0, offline=True):
        assert rehub.resolve(handle) == new


def test_resolve_offline_opens_no_connection(buckets: Buckets, scheme: str) -> None:
    with rehub.settings(offline=True), pytest.raises(OfflineError, match="REHUB_OFFLINE"):
        rehub.resolve(f"{scheme}://{FOLDER}")
    assert buckets.requests == []


def test_resolve_uses_what_is_there_when_the_store_fails(buckets: Buckets) -> None:
    path = rehub.resolve(f"s3://{FOLDER}")
    buckets.status = 500
    with rehub.settings(unversioned_ttl_s=0), pytest.warns(UserWarning, match="may not be the newest"):
        assert rehub.resolve(f"s3://{FOLDER}") == path


def test_resolve_takes_no_mixture_of_two_contents(buckets: Buckets) -> None:
    changes: list[Callable[[], None]] = [lambda: buckets.put(FOLDER, {"assets/words.txt": b"2"})]

    def change(key: str) -> None:
        if changes:
            changes.pop()()

    buckets.on_read = change  # type: ignore[method-assign]
    path = rehub.resolve(f"s3://{FOLDER}")
    assert sample.read(path) == {**sample.FILES, "assets/words.txt": b"2"}


def test_resolve_leaves_empty_objects_that_stand_for_folders(buckets: Buckets) -> None:
    buckets.put(FOLDER, {"": b"", "assets/": b"", "assets": b""})
    assert sample.read(rehub.resolve(f"s3://{FOLDER}")) == sample.FILES


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("box/models", r"models in folders \(net\).*s3://box/models/net"),
        ("box/other", r"a Keras model \(m.keras\).*keras.saving.load_model"),
        ("box/packed", r"archives \(m.tgz\).*s3://box/packed/m.tgz"),
    ],
)
def test_resolve_says_what_a_folder_holds_instead(buckets: Buckets, folder: str, said: str) -> None:
    buckets.put("box", {"other/m.keras": b"PK", "packed/m.tgz": b"x"})
    with pytest.raises(FormatError, match=f"is no TensorFlow model: it holds {said}"):
        rehub.resolve(f"s3://{folder}")
    assert not [request for request in buckets.requests if "m.keras" in request]


def test_resolve_refuses_names_that_lead_out_of_the_folder(buckets: Buckets, tmp_path: Path) -> None:
    buckets.put(FOLDER, {"a\\..\\..\\x": b"x"})
    with pytest.raises(FormatError, match="leads out of the model's folder"):
        rehub.resolve(f"s3://{FOLDER}")


def test_resolve_refuses_a_folder_that_is_too_large_to_be_a_model(
    buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "_MOST_FILES", 2)
    with pytest.raises(FormatError, match="more than 2 objects"):
        rehub.resolve(f"s3://{FOLDER}")


@pytest.mark.parametrize("name", ["models/none", "none.tar.gz"])
def test_resolve_says_that_nothing_is_there(buckets: Buckets, scheme: str, name: str) -> None:
    with pytest.raises(NotFoundError, match=f"there is no {scheme}://box/{name}"):
        rehub.resolve(f"{scheme}://box/{name}")


def test_resolve_checks_a_pin(buckets: Buckets, scheme: str) -> None:
    handle = f"{scheme}://{FOLDER}"
    path = rehub.resolve(handle)
    pin = fingerprint(measure(Path(path)))
    buckets.put(FOLDER, {"assets/words.txt": b"2"})
    with rehub.settings(unversioned_ttl_s=0):
        assert rehub.resolve(f"{handle}#sha256={pin}") == path
        with pytest.raises(ChecksumError):
            rehub.resolve(f"{handle}#sha256={'0' * 64}")


def test_resolve_obeys_the_lock_file(buckets: Buckets, tmp_path: Path) -> None:
    handle = f"s3://{FOLDER}"
    lockfile.write(tmp_path / "lock", [lockfile.lock(handle, rehub.resolve(handle))])
    buckets.put(FOLDER, {"assets/words.txt": b"2"})
    with rehub.settings(lockfile=str(tmp_path / "lock"), unversioned_ttl_s=0):
        assert sample.read(rehub.resolve(handle)) == sample.FILES
        with rehub.settings(cache_dir=str(tmp_path / "other")), pytest.raises(ChecksumError):
            rehub.resolve(handle)


def test_stock_has_what_the_lock_file_names(buckets: Buckets, tmp_path: Path) -> None:
    handle = f"s3://{FOLDER}"
    lockfile.write(tmp_path / "lock", [lockfile.lock(handle, rehub.resolve(handle))])
    with rehub.settings(lockfile=str(tmp_path / "lock")):
        settings = configuration.current()
        plan = stock.plan(handle, tmp_path / "stock", settings, MemoryTransport({}))
        assert plan.action == "copy"
        stock.carry_out(plan, tmp_path / "stock", settings, MemoryTransport({}))
        with rehub.settings(cache_dir=str(tmp_path / "stock"), offline=True):
            assert sample.read(rehub.resolve(handle)) == sample.FILES


def test_placement_puts_a_folder_where_the_user_wants_it(buckets: Buckets, scheme: str, tmp_path: Path) -> None:
    settings = configuration.current()
    target = tmp_path / "model"
    plan = placement.plan(f"{scheme}://{FOLDER}", target, settings, MemoryTransport({}), as_tree=False, replace=False)
    assert (plan.action, plan.size_bytes) == ("download", sum(map(len, sample.FILES.values())))
    placement.carry_out(plan, settings, MemoryTransport({}))
    assert sample.read(target) == sample.FILES


def test_resolve_tells_how_much_has_come(buckets: Buckets) -> None:
    seen: list[tuple[str, int, int | None]] = []
    with rehub.settings(progress=lambda *facts: seen.append(facts)):
        rehub.resolve(f"s3://{FOLDER}")
    size_bytes = sum(map(len, sample.FILES.values()))
    assert (seen[-1], {total for _, _, total in seen}) == ((f"s3://{FOLDER}", size_bytes, size_bytes), {size_bytes})


def test_resolve_ends_when_the_progress_of_a_program_does(buckets: Buckets, cache: Path) -> None:
    def stop(*_: object) -> None:
        raise RuntimeError("enough")

    with rehub.settings(progress=stop), pytest.raises(RuntimeError, match="enough"):
        rehub.resolve(f"s3://{FOLDER}")
    assert [path for path in cache.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(("scheme_of", "variable"), [("s3", "AWS_ACCESS_KEY_ID"), ("gs", "GOOGLE_"), ("az", "AZURE_")])
def test_resolve_names_the_variables_when_the_store_refuses(buckets: Buckets, scheme_of: str, variable: str) -> None:
    buckets.status = 403
    buckets.objects["box/m.tar"] = sample.tar()
    with pytest.raises((AccessError, TransferError), match=variable) as caught:
        rehub.resolve(f"{scheme_of}://{FOLDER}")
    assert "a-secret" not in str(caught.value)
    with pytest.raises(AccessError, match=variable):
        rehub.resolve(f"{scheme_of}://box/m.tar")


@pytest.mark.usefixtures("without_obstore")
@pytest.mark.parametrize("handle", ["gs://bucket/folder", "s3://bucket/a/b/1/", "az://container"])
def test_resolve_leaves_a_folder_to_tensorflow_without_obstore(handle: str, cache: Path) -> None:
    assert rehub.resolve(handle) == handle
    with pytest.raises(HandleError, match=r"has a pin.*rehub\[bucket\]"):
        rehub.resolve(f"{handle}#sha256={'0' * 64}")
    assert not cache.exists()


@pytest.mark.usefixtures("without_obstore")
def test_resolve_wants_obstore_for_an_archive() -> None:
    with pytest.raises(DependencyError, match=r"rehub\[bucket\]"):
        rehub.resolve("s3://bucket/m.tar.gz")


@pytest.mark.parametrize("changes", [{"load_format": "UNCOMPRESSED"}, {"cache_dir": "gs://box/cache"}])
def test_resolve_leaves_a_folder_to_tensorflow_where_that_is_wanted(buckets: Buckets, changes: dict[str, str]) -> None:
    with rehub.settings(**changes):
        assert rehub.resolve("gs://box/cache/hub.test/acme/net/1") == "gs://box/cache/hub.test/acme/net/1"
    assert buckets.requests == []


def test_resolve_gets_an_archive_of_google_as_anybody_does_without_credentials() -> None:
    transport = MemoryTransport({"https://storage.googleapis.com/box/m.tar": MemoryResponse(sample.tar())})
    assert sample.read(resolve_with("gs://box/m.tar", configuration.current(), transport)) == sample.FILES


def test_resolve_sends_google_nothing_when_this_user_has_nothing(
    buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOOGLE_SERVICE_ACCOUNT")
    monkeypatch.setenv("GOOGLE_BASE_URL", buckets.url)
    assert sample.read(rehub.resolve(f"gs://{FOLDER}")) == sample.FILES
    assert set(buckets.tokens) == {""}
