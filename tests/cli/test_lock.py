"""``rehub lock``, ``rehub download --from-lock`` and ``REHUB_LOCKFILE``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from rehub.archive.fingerprint import fingerprint, measure
from rehub.server import EmbeddedHub
from tests import sample
from tests.cli import command


@pytest.fixture
def file(cache: Path) -> Path:
    return cache.with_name("rehub.lock")


def locked(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())["models"]
    return found


def release(models: Path, version: str) -> None:
    """Publishes a version of acme/net."""
    command.publish(models, version)


def test_lock_writes_versions_and_hashes(hub: EmbeddedHub, models: Path, cache: Path, file: Path) -> None:
    net = f"{hub.url}/acme/net"

    code, out, err = command.call(cache, "lock", file, net, f"{net}/1")

    assert (code, out) == (0, f"added    {net} -> {net}/2\nadded    {net}/1\n")
    assert f"2 models in {file}" in err
    newest = models / "acme/net/2"
    assert locked(file)[net] == {
        "resolved": f"{net}/2",
        "sha256": fingerprint(measure(newest)),
        "size_bytes": sum(map(len, command.files(newest).values())),
    }
    assert locked(file)[f"{net}/1"]["resolved"] == f"{net}/1"


def test_lock_keeps_what_is_locked_until_it_is_updated(hub: EmbeddedHub, models: Path, cache: Path, file: Path) -> None:
    net = f"{hub.url}/acme/net"
    command.call(cache, "lock", file, net)
    before = file.read_bytes()
    release(models, "3")

    assert command.call(cache, "lock", file, net)[1] == f"kept     {net} -> {net}/2\n"
    assert file.read_bytes() == before
    code, out, _ = command.call(cache, "lock", file, "--update", "--json")

    assert code == 0
    assert [(model["handle"], model["resolved"], model["state"]) for model in json.loads(out)] == [
        (net, f"{net}/3", "updated")
    ]
    assert command.call(cache, "resolve", net, REHUB_LOCKFILE=str(file))[1].strip().endswith("net/3")
    file.write_bytes(before)
    assert command.call(cache, "resolve", net, REHUB_LOCKFILE=str(file))[1].strip().endswith("net/2")


def test_lock_without_a_handle_locks_the_cache(hub: EmbeddedHub, cache: Path, file: Path) -> None:
    net = f"{hub.url}/acme/net"
    command.call(cache, "resolve", f"{net}/1", net)

    code, out, _ = command.call(cache, "lock", file, REHUB_OFFLINE="1")

    assert code == 0
    assert sorted(out.splitlines()) == [f"added    {net} -> {net}/2", f"added    {net}/1", f"added    {net}/2"]
    assert list(locked(file)) == [net, f"{net}/1", f"{net}/2"]


def test_lock_check_reads_the_models(hub: EmbeddedHub, cache: Path, file: Path) -> None:
    net = f"{hub.url}/acme/net"
    command.call(cache, "lock", file, net, f"{net}/1")
    shutil.rmtree(cache)
    assert command.call(cache, "lock", file, "--check")[:2] == (0, f"same     {net} -> {net}/2\nsame     {net}/1\n")
    next(cache.glob("*/acme/net/1/saved_model.pb")).write_bytes(bytes(4))

    code, out, err = command.call(cache, "lock", file, "--check")

    assert (code, out) == (1, f"same     {net} -> {net}/2\ndiffers  {net}/1\n")
    assert "2 models checked, 1 not as locked" in err
    assert command.call(cache, "lock", file, "--check", net)[0] == 0
    assert command.call(cache, "lock", file, "--check", f"{net}/2", net)[:2] == (0, f"same     {net} -> {net}/2\n")
    code, _, err = command.call(cache, "lock", file, "--check", f"{net}/3")
    assert (code, f"rehub lock {file} {net}/3" in err) == (1, True)
    assert "the pin of" in command.call(cache, "lock", file, "--check", f"{net}/2#sha256={'0' * 64}")[2]


def test_lock_writes_nothing_when_one_model_cannot_be_had(hub: EmbeddedHub, cache: Path, file: Path) -> None:
    code, out, err = command.call(cache, "lock", file, f"{hub.url}/acme/net", f"{hub.url}/acme/net/7")

    assert (code, out, file.exists()) == (1, "", False)
    assert "no version 7" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--update",), "No such file"),
        (("--update", "https://hub.test/acme/net"), "No such file"),
        ((), "holds no models"),
    ],
)
def test_lock_writes_no_file_when_nothing_says_what_to_lock(
    cache: Path, file: Path, arguments: tuple[str, ...], words: str
) -> None:
    code, out, err = command.call(cache, "lock", file, *arguments)

    assert (code, out, words in err) == (1, "", True)
    assert not file.exists()


def test_lock_writes_what_is_there_when_the_cache_is_empty(hub: EmbeddedHub, cache: Path, file: Path) -> None:
    net = f"{hub.url}/acme/net"
    command.call(cache, "lock", file, net)
    shutil.rmtree(cache)

    assert command.call(cache, "lock", file)[:2] == (0, f"kept     {net} -> {net}/2\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("https://hub.test/acme/net",), "Name the file first"),
        (("rehub.lock", "--check", "--update"), "name one of them"),
        ((), "Missing argument"),
    ],
)
def test_lock_explains_wrong_usage(cache: Path, arguments: tuple[str, ...], words: str) -> None:
    code, _, err = command.call(cache, "lock", *arguments)

    assert (code, words in err) == (2, True)


@pytest.mark.parametrize("handle", ["model", "hdfs://host/model"])
def test_lock_refuses_what_is_on_no_server(cache: Path, file: Path, tmp_path: Path, handle: str) -> None:
    handle = handle if "://" in handle else str(sample.write(tmp_path / handle))

    code, _, err = command.call(cache, "lock", file, handle)

    assert (code, "Only such models can be locked" in err) == (1, True)


def test_repair_needs_no_lock_file(hub: EmbeddedHub, cache: Path, file: Path) -> None:
    net = f"{hub.url}/acme/net"
    command.call(cache, "lock", file, f"{net}/1")
    command.call(cache, "resolve", f"{net}/2")
    path = next(cache.glob("*/acme/net/2/saved_model.pb"))
    path.write_bytes(b"")

    assert command.call(cache, "cache", "verify", "--repair", REHUB_LOCKFILE=str(file))[0] == 0
    assert path.read_bytes() == sample.SAVED_MODEL


def test_download_makes_a_cache_of_a_lock_file(hub: EmbeddedHub, models: Path, cache: Path, file: Path) -> None:
    net, target = f"{hub.url}/acme/net", cache.with_name("stock")
    command.call(cache, "lock", file, net)
    release(models, "3")
    shutil.rmtree(cache)
    arguments = ["download", "--from-lock", file, "--to", target]

    code, out, err = command.call(cache, *arguments, "--dry-run", "--json")
    assert (code, json.loads(out)[0]["action"], target.exists()) == (0, "download", False)
    code, out, err = command.call(cache, *arguments)

    assert code == 0
    assert command.files(Path(out.strip())) == command.files(models / "acme/net/2")
    assert f"{net}/2: downloaded from {net}/2" in err
    assert command.call(target, "resolve", net, f"{net}/2", REHUB_OFFLINE="1")[1].split() == [out.strip()] * 2
    assert "there already" in command.call(cache, *arguments, REHUB_OFFLINE="1")[2]
    assert f"rehub lock {file} {net}/3" in command.call(cache, *arguments, f"{net}/3")[2]
    code, _, err = command.call(cache, *arguments, "acme/net")
    assert (code, "acme/net is not in the lock file" in err, "It is a path" in err) == (1, True, True)
    assert f"rehub lock {file} acme/net" not in err


def test_download_makes_a_tree_of_a_lock_file(hub: EmbeddedHub, models: Path, cache: Path, file: Path) -> None:
    net, target = f"{hub.url}/acme/net", cache.with_name("tree")
    command.call(cache, "lock", file, net)
    release(models, "3")

    code, out, _ = command.call(cache, "download", "--from-lock", file, "--tree", "--to", target)

    assert (code, out.split()) == (0, [f"{target}/acme/net/2"])
    assert command.files(target / "acme/net/2") == command.files(models / "acme/net/2")


def test_download_keeps_to_the_lock_file_of_the_settings(
    hub: EmbeddedHub, models: Path, cache: Path, file: Path
) -> None:
    net, target = f"{hub.url}/acme/net", cache.with_name("model")
    command.call(cache, "lock", file, net)
    release(models, "3")

    assert command.call(cache, "download", net, "--to", target, REHUB_LOCKFILE=str(file))[0] == 0
    assert command.files(target) == command.files(models / "acme/net/2")
    code, _, err = command.call(cache, "download", f"{net}/3", "--to", target, REHUB_LOCKFILE=str(file))
    assert (code, "is not in the lock file" in err) == (1, True)


@pytest.mark.parametrize(("more", "words"), [((), "Missing argument"), (("--from-lock", "f", "--force"), "--force")])
def test_download_explains_wrong_usage(cache: Path, more: tuple[str, ...], words: str) -> None:
    code, _, err = command.call(cache, "download", "--to", "folder", *more)

    assert (code, words in err) == (2, True)
