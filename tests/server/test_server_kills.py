"""A server that is killed at any moment of a push: the version is whole or absent, and all goes on afterwards."""

from __future__ import annotations

import contextlib
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from rehub.formats.manifest import BLOCK_BYTES
from rehub.server import EmbeddedHub
from rehub.server.library import Library, PublishedVersion
from rehub.server.tokens import Tokens
from rehub.storage.folder import FolderStore
from tests import sample
from tests.faults import children
from tests.publishers import clear_away, model, push_to, read_from
from tests.server.publishing import NAME, keys

WEIGHTS = random.Random(6).randbytes(BLOCK_BYTES + 5)


def _serve(root: Path, temp: Path, told: Connection) -> None:
    tempfile.tempdir = str(temp)
    with EmbeddedHub(FolderStore(root)) as hub:
        told.send(hub.url)
        threading.Event().wait()


@contextlib.contextmanager
def serving(root: Path, temp: Path) -> Iterator[tuple[str, BaseProcess]]:
    """Serves a folder in another process, which is killed at the end of the block."""
    ours, theirs = children.CONTEXT.Pipe()
    process = children.CONTEXT.Process(target=_serve, args=(root, temp, theirs))
    process.start()
    try:
        assert ours.poll(60)
        yield ours.recv(), process
    finally:
        process.kill()
        process.join()


@pytest.mark.parametrize("kills", [3, pytest.param(120, marks=pytest.mark.slow)])
def test_push_succeeds_after_the_server_was_killed_at_any_moment(tmp_path: Path, kills: int) -> None:
    root, temp = tmp_path / "store", tmp_path / "temp"
    root.mkdir()
    temp.mkdir()
    store, chance = FolderStore(root), random.Random(kills)
    token = Tokens(store).create("tests", None)
    kept = keys(store)
    with serving(root, temp) as (url, _):
        begun_s = time.monotonic()
        push_to(url, token, model(tmp_path / "0", b"0", WEIGHTS), NAME)
        lasts_s = time.monotonic() - begun_s
    states = set()
    for number in range(1, kills + 1):
        folder = model(tmp_path / str(number), str(number).encode(), WEIGHTS[number:] + WEIGHTS[:number])

        with serving(root, temp) as (url, process), ThreadPoolExecutor(1) as pool:
            pushing = pool.submit(push_to, url, token, folder, NAME, retries=0)
            with contextlib.suppress(FutureTimeout):
                pushing.exception(timeout=chance.uniform(0, lasts_s))
            process.kill()

        found = Library(store).find(NAME)
        assert found is not None
        states.add(is_there := found.newest == number + 1)
        assert found.versions == tuple(range(1, number + 1 + is_there))
        with serving(root, temp) as (url, _):
            assert push_to(url, token, folder, NAME).version == number + 1
            files = read_from(f"{url}/{NAME}/{number + 1}", tmp_path / "cache")
            assert files == sample.read(folder)
            assert len(list(temp.iterdir())) == 1  # of the server that runs
    clear_away(store)
    assert keys(store) == kept | {key for number in range(1, kills + 2) for key in _keys_of(store, number)}
    assert False in states


def _keys_of(store: FolderStore, number: int) -> set[str]:
    version = Library(store).version(NAME, number)
    assert isinstance(version, PublishedVersion)
    files = {version.file_key(file.name) for file in version.record.manifest.files}
    return {f"{NAME}/{number}/manifest.json", version.archive_key, *files}
