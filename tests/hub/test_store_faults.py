"""A store that goes away, or does not answer: who asks is told, nothing is half there, and then all goes on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rehub.errors import TransferError
from rehub.formats.manifest import BLOCK_BYTES
from rehub.server.tokens import Tokens
from rehub.storage.bucket import BucketStore
from tests import sample
from tests.hub.seaweed import SeaweedFS
from tests.publishers import ask, clear_away, keys_of, model, push_to, read_from, said
from tests.serving import Server

BUCKET = "s3://doomed"


@pytest.fixture
def doomed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SeaweedFS]:
    """A store for one test."""
    (tmp_path / "weed").mkdir()
    weed = SeaweedFS(tmp_path / "weed")
    try:
        weed.start()
        for name, value in weed.environment.items():
            monkeypatch.setenv(name, value)
        BucketStore(BUCKET).put("readme.md", b"")
        yield weed
    finally:
        weed.end()


def test_hub_says_so_while_its_store_is_away_and_goes_on_afterwards(
    doomed: SeaweedFS, name: str, tmp_path: Path
) -> None:
    store = BucketStore(BUCKET)
    token = Tokens(store).create("ci", None)
    first = model(tmp_path / "first", b"first", random.Random(1).randbytes(BLOCK_BYTES))
    second = model(tmp_path / "second", b"second", random.Random(2).randbytes(2 * BLOCK_BYTES))
    with Server(BUCKET, log=tmp_path / "log", environment={}) as server:
        push_to(server.url, token, first, name)

        doomed.end()

        for target in (f"/{name}/1?rehub-file=weights", f"/api/v1/models/{name}", f"/{name}?tf-hub-format=compressed"):
            answer = ask(server.url, target)
            assert (answer[0], answer[1]["Retry-After"]) == (503, "2")
            assert said(answer)["error"] == "the store of the hub does not answer."
            assert said(answer)["hint"]
            assert said(answer)["request_id"]
        assert ask(server.url, f"/{name}/1")[0] == 503
        assert ask(server.url, "/healthz")[0] == 200
        with pytest.raises(TransferError, match="does not answer"):
            push_to(server.url, token, second, name, retries=0)

        doomed.start()

        assert read_from(f"{server.url}/{name}/1", tmp_path / "cache") == sample.read(first)
        assert said(ask(server.url, f"/api/v1/models/{name}"))["versions"] == [1]
        assert push_to(server.url, token, second, name).version == 2
        assert read_from(f"{server.url}/{name}/2", tmp_path / "cache") == sample.read(second)
    clear_away(store)
    assert not [key for key in keys_of(store, name) if "uploads" in key]


@pytest.mark.slow
def test_push_goes_on_after_the_store_was_away_in_the_middle(doomed: SeaweedFS, name: str, tmp_path: Path) -> None:
    store = BucketStore(BUCKET)
    token = Tokens(store).create("ci", None)
    folder = model(tmp_path / "model", b"one", random.Random(3).randbytes(12 * BLOCK_BYTES))
    with Server(BUCKET, log=tmp_path / "log", environment={}) as server, ThreadPoolExecutor(1) as pool:
        pushing = pool.submit(push_to, server.url, token, folder, name, retries=20, connections=1)
        while not any("/blocks/" in key for key in keys_of(store, name)):
            assert not pushing.done()

        doomed.end()
        doomed.start()

        assert pushing.result(timeout=200).version == 1
        assert read_from(f"{server.url}/{name}/1", tmp_path / "cache") == sample.read(folder)


@pytest.mark.parametrize(
    ("url", "secret", "said"),
    [("s3://nothing", None, "NoSuchBucket"), ("s3://doomed", "another", "SignatureDoesNotMatch")],
)
def test_serve_fails_when_it_cannot_use_the_bucket(weed: SeaweedFS, url: str, secret: str | None, said: str) -> None:
    environment = {**os.environ, **({"AWS_SECRET_ACCESS_KEY": secret} if secret else {})}
    command = [sys.executable, "-m", "rehub", "serve", url, "--port", "0"]

    done = subprocess.run(command, env=environment, text=True, capture_output=True, timeout=60)

    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_hub_says_so_when_its_store_does_not_answer(doomed: SeaweedFS, name: str, tmp_path: Path) -> None:
    token = Tokens(BucketStore(BUCKET)).create("ci", None)
    with Server(BUCKET, log=tmp_path / "log", environment={}) as server:
        push_to(server.url, token, model(tmp_path / "model", b"one"), name)
        doomed.send(signal.SIGSTOP)
        try:
            assert ask(server.url, "/healthz")[0] == 200
            assert ask(server.url, f"/api/v1/models/{name}")[0] == 503
        finally:
            doomed.send(signal.SIGCONT)

        assert ask(server.url, f"/api/v1/models/{name}")[0] == 200
