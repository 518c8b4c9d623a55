"""Two servers on one bucket: what one of them does the other one knows, whoever races and whoever is killed."""

from __future__ import annotations

import functools
import random
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import rehub
from rehub.errors import AccessError, ConflictError
from rehub.formats.manifest import BLOCK_BYTES
from rehub.publish.push import Pushed
from rehub.server.library import Library, PublishedVersion
from rehub.storage.bucket import BucketStore
from tests import sample
from tests.publishers import ask, at_once, clear_away, keys_of, model, push_to, read_from
from tests.serving import Server

Servers = tuple[Server, Server]
_RACERS = 6
_PAUSE_S = 0.1
_OFTEN = 16


def rehub_serve(bucket: str, *arguments: str) -> str:
    """Runs a command of the operator, and returns what it prints."""
    command = [sys.executable, "-m", "rehub", "serve", *arguments, "--store", bucket]
    return subprocess.run(command, check=True, text=True, capture_output=True, timeout=60).stdout


def eventually(is_so: Callable[[], bool], seconds: float = 15.0) -> bool:
    """Asks again for some seconds, until a server has said so many times on end, and so all its processes have."""
    on_end = 0
    for _ in range(int(seconds / _PAUSE_S)):
        on_end = on_end + 1 if is_so() else 0
        if on_end == _OFTEN:
            return True
        if not on_end:
            threading.Event().wait(_PAUSE_S)
    return False


def test_version_that_one_server_takes_the_other_gives(servers: Servers, token: str, name: str, tmp_path: Path) -> None:
    first, second = servers
    assert ask(second.url, f"/api/v1/models/{name}")[0] == 404
    folder = model(tmp_path / "model", b"one")

    pushed = push_to(first.url, token, folder, name)

    assert pushed.handle == f"{first.url}/{name}/1"
    assert read_from(f"{second.url}/{name}/1", tmp_path / "cache") == sample.read(folder)
    assert eventually(lambda: ask(second.url, f"/{name}?tf-hub-format=compressed")[0] == 302)
    changed = model(tmp_path / "changed", b"two")
    push_to(second.url, token, changed, name)
    assert eventually(lambda: f"/{name}/2" in str(ask(first.url, f"/{name}?tf-hub-format=compressed")[1]["Location"]))
    assert read_from(f"{first.url}/{name}", tmp_path / "cache") == sample.read(changed)


def push_all(
    servers: Servers, token: str, folders: list[Path], name: str, version: int | None
) -> list[Pushed | Exception]:
    """Pushes all models at once, by turns to the one and the other server."""
    urls = [servers[number % 2].url for number in range(len(folders))]
    return at_once(
        [
            functools.partial(push_to, url, token, folder, name, version)
            for url, folder in zip(urls, folders, strict=True)
        ]
    )


def test_one_of_many_that_race_for_a_version_gets_it(
    servers: Servers, store: BucketStore, token: str, name: str, tmp_path: Path
) -> None:
    folders = [model(tmp_path / str(number), str(number).encode()) for number in range(_RACERS)]

    results = push_all(servers, token, folders, name, 3)

    (winner,) = (number for number, result in enumerate(results) if isinstance(result, Pushed))
    for result in results:
        assert isinstance(result, Pushed) or (type(result) is ConflictError and f"version 3 of {name}" in str(result))
    for server in servers:
        assert read_from(f"{server.url}/{name}/3", tmp_path / server.url[-5:]) == sample.read(folders[winner])
    clear_away(store)
    version = Library(store).version(name, 3)
    assert isinstance(version, PublishedVersion)
    files = {version.file_key(file) for file in sample.read(folders[winner])}
    assert keys_of(store, name) == {f"{name}/3/manifest.json", version.archive_key, *files}


def test_all_that_race_without_a_version_get_one_each(servers: Servers, token: str, name: str, tmp_path: Path) -> None:
    folders = [model(tmp_path / str(number), str(number).encode()) for number in range(_RACERS)]

    results = push_all(servers, token, folders, name, None)

    numbers = [result.version if isinstance(result, Pushed) else result for result in results]
    assert sorted(map(str, numbers)) == [str(number) for number in range(1, _RACERS + 1)]
    for number, folder in zip(numbers, folders, strict=True):
        assert read_from(f"{servers[0].url}/{name}/{number}", tmp_path / "cache") == sample.read(folder)


def test_version_that_was_removed_is_gone_from_all_servers(
    servers: Servers, bucket: str, token: str, name: str, tmp_path: Path
) -> None:
    folder = model(tmp_path / "model", b"one")
    push_to(servers[0].url, token, folder, name)
    for server in servers:
        read_from(f"{server.url}/{name}/1", tmp_path / server.url[-5:])

    rehub_serve(bucket, "remove", f"{name}/1", "--reason", "It was wrong.")

    def is_gone(url: str) -> bool:
        answers = (ask(url, f"/{name}/1?tf-hub-format=compressed"), ask(url, f"/{name}/1"))
        return all(answer[0] == 410 and b"It was wrong." in answer[2] for answer in answers)

    for server in servers:
        assert eventually(functools.partial(is_gone, server.url))
        with pytest.raises(ConflictError, match="was removed"):
            push_to(server.url, token, folder, name, 1)


def test_token_is_good_for_all_servers_until_it_is_revoked(
    servers: Servers, bucket: str, name: str, tmp_path: Path
) -> None:
    publisher = name.partition("/")[0]
    token = rehub_serve(bucket, "token", "create", f"ci of {publisher}", "--publisher", publisher).strip()
    for number, server in enumerate(servers, 1):
        assert push_to(server.url, token, model(tmp_path / str(number), str(number).encode()), name).version == number

    rehub_serve(bucket, "token", "revoke", f"ci of {publisher}")

    headers = {"Authorization": f"Bearer {token}"}
    for server in servers:
        assert eventually(lambda url=server.url: ask(url, "/api/v1/models", headers)[0] == 401)
        with pytest.raises(AccessError, match="not valid"):
            push_to(server.url, token, model(tmp_path / "late", b"late"), name)


def test_clients_finish_at_the_other_server_when_one_is_killed(
    servers: Servers, bucket: str, store: BucketStore, token: str, name: str, tmp_path: Path
) -> None:
    weights = random.Random(3).randbytes(12 * BLOCK_BYTES)
    folder = model(tmp_path / "model", b"large", weights)
    push_to(servers[0].url, token, folder, name)
    begun = threading.Semaphore(0)

    def download(number: int, url: str) -> dict[str, bytes]:
        mirrors = ((url, servers[0].url),)
        told = functools.partial(lambda *_: begun.release())
        with rehub.settings(mirrors=mirrors, retries=8, cache_dir=str(tmp_path / f"cache{number}"), progress=told):
            return sample.read(rehub.resolve(f"{url}/{name}/1"))

    changed = model(tmp_path / "changed", b"other", weights[::-1])
    with (
        Server(bucket, "--workers", "2", "--rate-limit", "0", log=tmp_path / "log", environment={}) as doomed,
        ThreadPoolExecutor(5) as pool,
    ):
        downloads = [pool.submit(download, number, doomed.url) for number in range(4)]
        pushing = pool.submit(push_to, doomed.url, token, changed, name, retries=12)
        for _ in range(4):
            assert begun.acquire(timeout=60)
        doomed.kill()
        doomed.start()
        for each in downloads:
            assert each.result(timeout=120) == sample.read(folder)
        assert pushing.result(timeout=120).version == 2
    assert read_from(f"{servers[1].url}/{name}/2", tmp_path / "cache") == sample.read(changed)
    clear_away(store)
    assert not [key for key in keys_of(store, name) if "uploads" in key]


@pytest.mark.slow
def test_download_that_was_cut_goes_on_at_the_same_server_after_its_restart(
    bucket: str, token: str, name: str, tmp_path: Path
) -> None:
    folder = model(tmp_path / "model", b"large", random.Random(4).randbytes(6 * BLOCK_BYTES))
    with Server(bucket, log=tmp_path / "log", environment={}) as server:
        push_to(server.url, token, folder, name)
        url = f"{server.url}/{name}/1?rehub-file=weights"
        with urllib.request.urlopen(url, timeout=60) as response:
            beginning = response.read(1 << 20)
            etag = response.headers["ETag"]
            server.kill()
        server.start()
        rest = urllib.request.Request(url, headers={"Range": f"bytes={len(beginning)}-", "If-Range": etag})
        with urllib.request.urlopen(rest, timeout=60) as response:
            assert response.status == 206
            assert beginning + response.read() == (folder / "weights").read_bytes()
