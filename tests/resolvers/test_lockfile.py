"""With a lock file: what is resolved is what it names, and nothing else."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

import rehub
from rehub import configuration
from rehub.archive.fingerprint import fingerprint, measure
from rehub.cache import inventory
from rehub.errors import ChecksumError, FormatError, HandleError, HubError, OfflineError, PolicyError, SettingError
from rehub.formats.lockfile import Locked, write_lockfile
from rehub.resolvers.chain import resolve_with
from rehub.resolvers.lockfile import lock_all
from rehub.transport.memory import MemoryResponse, MemoryTransport
from tests import sample

NET = "https://hub.test/acme/net"
QUERY = "?tf-hub-format=compressed"
MODEL = MemoryResponse(sample.archive())
OTHER = MemoryResponse(sample.archive({**sample.FILES, "assets/words.txt": b"other"}))
NOTHING = MemoryTransport({})


@pytest.fixture
def pin(tmp_path: Path) -> str:
    return fingerprint(measure(sample.write(tmp_path / "model")))


@pytest.fixture
def file(tmp_path: Path, pin: str) -> Path:
    """Locks acme/net to its version 2."""
    return written(tmp_path / "rehub.lock", Locked(NET, f"{NET}/2", pin, 1))


def written(file: Path, *models: Locked) -> Path:
    file.write_bytes(write_lockfile(models))
    return file


def through(transport: MemoryTransport, file: Path, handle: str = NET) -> str:
    with rehub.settings(lockfile=file):
        return resolve_with(handle, configuration.current(), transport)


def test_resolve_gives_the_locked_version_when_there_is_a_newer_one(cache: Path, file: Path) -> None:
    newest = MemoryResponse(status=302, headers={"location": f"{NET}/3{QUERY}"})
    transport = MemoryTransport({NET + QUERY: newest, f"{NET}/3{QUERY}": OTHER, f"{NET}/2{QUERY}": MODEL})
    path = through(transport, file)
    assert path == str(cache / "hub.test/acme/net/2")
    assert sample.read(path) == sample.FILES
    assert [url for url, _ in transport.requests] == [f"{NET}/2{QUERY}"]
    assert resolve_with(NET, configuration.current(), transport) == str(cache / "hub.test/acme/net/3")
    assert through(NOTHING, file) == through(NOTHING, file, f"{NET}/2") == through(NOTHING, file, f"{NET}/") == path


@pytest.mark.parametrize(
    "handle",
    [f"{NET}/3", "https://hub.test/acme/other", "https://hub.test/net.tar.gz", "gs://bucket/net", f"{NET}?a=b"],
)
def test_resolve_refuses_what_is_not_in_the_lock_file(cache: Path, file: Path, handle: str) -> None:
    with pytest.raises(PolicyError, match=f"not in the lock file {file}"):
        through(NOTHING, file, handle)
    assert NOTHING.requests == []


def test_resolve_gives_paths_back_whatever_the_lock_file_says(file: Path) -> None:
    assert through(NOTHING, file, str(file.parent)) == str(file.parent)


def test_resolve_refuses_a_model_that_differs_from_the_lock_file(cache: Path, file: Path, pin: str) -> None:
    with pytest.raises(ChecksumError) as caught:
        through(MemoryTransport({f"{NET}/2{QUERY}": OTHER}), file)
    assert caught.value.expected == pin
    assert not (cache / "hub.test").exists()
    resolve_with(f"{NET}/2", configuration.current(), MemoryTransport({f"{NET}/2{QUERY}": OTHER}))
    with pytest.raises(ChecksumError):
        through(NOTHING, file)


def test_resolve_compares_the_pin_of_a_handle_with_the_lock_file(file: Path, pin: str) -> None:
    transport = MemoryTransport({f"{NET}/2{QUERY}": MODEL})
    assert through(transport, file, f"{NET}#sha256={pin}") == through(transport, file, f"{NET}/2#sha256={pin}")
    with pytest.raises(ChecksumError, match="lock file") as caught:
        through(transport, file, f"{NET}/2#sha256={'0' * 64}")
    assert (caught.value.expected, caught.value.actual) == (pin, "0" * 64)


def test_resolve_locks_the_content_of_a_server_without_versions(tmp_path: Path, pin: str) -> None:
    file = written(tmp_path / "rehub.lock", Locked(NET, NET, pin, 1))
    resolve_with(NET, configuration.current(), MemoryTransport({NET + QUERY: MODEL}))
    path = through(NOTHING, file)
    assert sample.read(path) == sample.FILES
    with rehub.settings(unversioned_ttl_s=0):
        resolve_with(NET, configuration.current(), MemoryTransport({NET + QUERY: OTHER}))
    with pytest.raises(ChecksumError):
        through(MemoryTransport({NET + QUERY: OTHER}), file)


def test_lock_all_names_what_handles_stand_for_now(cache: Path, tmp_path: Path) -> None:
    newest = MemoryResponse(status=302, headers={"location": f"{NET}/2{QUERY}"})
    plain = "https://plain.test/acme/net"
    answers = {NET + QUERY: newest, f"{NET}/2{QUERY}": MODEL, f"{NET}/1{QUERY}": MODEL, "https://f.test/m.tgz": MODEL}
    for handle in (NET, f"{NET}/1", "https://f.test/m.tgz"):
        resolve_with(handle, configuration.current(), MemoryTransport(answers))
    with rehub.settings(unversioned_ttl_s=0):
        for answer in (MODEL, OTHER):
            path = resolve_with(plain, configuration.current(), MemoryTransport({plain + QUERY: answer}))
    found = lock_all(inventory.take(cache))
    assert sorted((model.handle, model.resolved) for model in found) == [
        ("https://f.test/m.tgz", "https://f.test/m.tgz"),
        (NET, f"{NET}/2"),
        (f"{NET}/1", f"{NET}/1"),
        (f"{NET}/2", f"{NET}/2"),
        (plain, plain),
    ]
    assert fingerprint(measure(Path(path))) in {model.sha256 for model in found if model.handle == plain}


def test_resolve_refuses_a_model_that_is_read_in_place(file: Path) -> None:
    with rehub.settings(load_format="UNCOMPRESSED"), pytest.raises(HandleError, match="lock file"):
        through(NOTHING, file)


def test_resolve_reads_the_lock_file_once_and_again_when_it_changes(
    file: Path, pin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: (reads.append(path), read(path))[1])
    transport = MemoryTransport({f"{NET}/2{QUERY}": MODEL})
    for _ in range(3):
        through(transport, file)
    assert reads.count(file) == 1
    written(file, Locked(NET, f"{NET}/2", "0" * 64, 1))
    os.utime(file, ns=(time.time_ns(), file.stat().st_mtime_ns + 1))
    with pytest.raises(ChecksumError):
        through(transport, file)


def test_variable_names_the_lock_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REHUB_LOCKFILE", str(file))
    with pytest.raises(PolicyError):
        rehub.resolve(f"{NET}/3")
    with rehub.settings(offline=True), pytest.raises(OfflineError):
        rehub.resolve(NET)


@pytest.mark.parametrize(
    ("content", "error"), [(None, SettingError), (b"{", FormatError), (b'{"format": 2}', FormatError)]
)
def test_resolve_refuses_everything_when_the_lock_file_is_none(
    tmp_path: Path, content: bytes | None, error: type[HubError]
) -> None:
    file = tmp_path / "other.lock"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(error, match=r"other\.lock"):
        through(NOTHING, file)


def test_resolve_refuses_a_lock_file_that_contradicts_itself(tmp_path: Path, pin: str) -> None:
    file = written(
        tmp_path / "rehub.lock", Locked(NET, f"{NET}/2", pin, 1), Locked(f"{NET}/2", f"{NET}/2", "0" * 64, 1)
    )
    with pytest.raises(FormatError, match="are the same model"):
        through(NOTHING, file)
