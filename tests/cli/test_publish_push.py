"""``rehub publish push`` as a command, also when it or the hub is killed."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import rehub
from rehub.formats.manifest import BLOCK_BYTES
from rehub.server import EmbeddedHub
from rehub.server.gc import collect
from rehub.server.library import Library
from rehub.server.tokens import Tokens
from rehub.storage.folder import FolderStore
from tests import sample
from tests.cli import command
from tests.publish_static import models
from tests.server.publishing import LATER, Watched, keys
from tests.serving import Server


@pytest.fixture
def store(tmp_path: Path) -> Watched:
    (tmp_path / "store").mkdir()
    return Watched(FolderStore(tmp_path / "store"))


@pytest.fixture
def hub(store: Watched) -> Iterator[EmbeddedHub]:
    with EmbeddedHub(store) as hub:
        yield hub


@pytest.fixture
def login(store: Watched, hub: EmbeddedHub) -> dict[str, str]:
    return {"REHUB_TOKEN": Tokens(store).create("ci", ["acme"]), "REHUB_TOKEN_HOST": hub.url}


def test_push_prints_the_handle(cache: Path, tmp_path: Path, hub: EmbeddedHub, login: dict[str, str]) -> None:
    folder = models.copy(models.CALLABLE, tmp_path / "model")

    first = command.call(cache, "publish", "push", "--no-run", folder, "acme/net", "--to", hub.url, **login)
    second = command.call(cache, "publish", "push", "--no-check", folder, "acme/net", "--to", hub.url, **login)

    assert first[:2] == (0, f"{hub.url}/acme/net/1\n")
    assert "Published; " in first[2]
    assert second[:2] == (0, f"{hub.url}/acme/net/1\n")
    assert "has had a version of these files before" in second[2]
    code, out, _ = command.call(cache, "resolve", first[1].strip())
    assert (code, sample.read(out.strip())) == (0, sample.read(folder))


def test_push_prints_json(cache: Path, tmp_path: Path, hub: EmbeddedHub, login: dict[str, str]) -> None:
    folder = models.copy(models.CALLABLE, tmp_path / "model")

    code, out, _ = command.call(
        cache, "publish", "push", "--no-check", "--json", folder, "acme/net/3", "--to", f"{hub.url}/", **login
    )

    facts = json.loads(out)
    assert (code, facts["handle"], facts["version"], facts["is_new"]) == (0, f"{hub.url}/acme/net/3", 3, True)
    assert facts["sent_bytes"] == facts["size_bytes"]


def test_push_publishes_nothing_when_the_check_finds_errors(
    cache: Path, tmp_path: Path, hub: EmbeddedHub, store: Watched, login: dict[str, str]
) -> None:
    folder = models.copy(models.CALLABLE, tmp_path / "model")
    (folder / "variables/variables.index").unlink()

    code, out, err = command.call(cache, "publish", "push", folder, "acme/net", "--to", hub.url, **login)

    assert (code, out) == (1, "")
    assert "Nothing was published: 1 error" in err
    assert Library(store).find("acme/net") is None


@pytest.mark.parametrize("name", ["acme", "acme/", "/net", "acme/1", "https://hub/acme/net", "acme//net"])
def test_push_refuses_what_is_no_name(cache: Path, tmp_path: Path, name: str) -> None:
    folder = models.copy(models.CALLABLE, tmp_path / "model")

    code, _, err = command.call(cache, "publish", "push", "--no-check", folder, name, "--to", "http://127.0.0.1:1")

    assert code == 1
    assert "no name of a model" in err


def _big(tmp_path: Path) -> Path:
    weights = random.Random(1).randbytes(6 * BLOCK_BYTES)
    return sample.write(tmp_path / "big", {"saved_model.pb": sample.SAVED_MODEL, "weights": weights})


@pytest.mark.parametrize(
    "blocks", [1, pytest.param(4, marks=pytest.mark.slow), pytest.param(7, marks=pytest.mark.slow)]
)
def test_push_goes_on_after_it_was_killed(
    cache: Path, tmp_path: Path, hub: EmbeddedHub, store: Watched, login: dict[str, str], blocks: int
) -> None:
    folder = _big(tmp_path)
    arguments = ("publish", "push", "--no-check", "--json", folder, "acme/net", "--to", hub.url)
    process = command.start(cache, *arguments, **login, REHUB_CONNECTIONS="1")
    killing = threading.Event()
    seen = [0]

    def happen() -> None:
        store.at += 1
        seen[0] += store.calls[-1] == "put"
        if seen[0] > blocks and not killing.is_set():
            killing.set()
            process.kill()

    store.at, store.happen = len(store.calls) + 1, happen
    process.communicate()
    assert killing.is_set()
    store.at = 0

    code, out, _ = command.run(cache, *arguments, **login)

    facts = json.loads(out)
    assert (code, facts["version"]) == (0, 1)
    assert facts["sent_bytes"] < facts["size_bytes"]
    with rehub.settings(cache_dir=str(cache), show_progress=False):
        assert sample.read(rehub.resolve(facts["handle"])) == sample.read(folder)
    collect(Library(store), now=LATER)
    assert not [key for key in keys(store) if "uploads" in key or "tmp" in key]


@pytest.mark.slow
@pytest.mark.parametrize("blocks", [1, 3, 6])
def test_push_goes_on_after_the_hub_was_killed(cache: Path, tmp_path: Path, blocks: int) -> None:
    folder, root = _big(tmp_path), tmp_path / "killed"
    root.mkdir()
    token = Tokens(FolderStore(root)).create("ci", None)
    with Server(root, log=tmp_path / "log", environment={}) as server:
        login = {"REHUB_TOKEN": token, "REHUB_TOKEN_HOST": server.url, "REHUB_RETRIES": "12", "REHUB_CONNECTIONS": "1"}
        pushing = command.start(cache, "publish", "push", "--no-check", folder, "acme/net", "--to", server.url, **login)
        uploads = root / "_rehub" / "uploads"
        while sum("blocks" in path.parts for path in uploads.rglob("*") if path.is_file()) < blocks:
            assert pushing.poll() is None
        server.kill()
        server.start()

        out, err = pushing.communicate(timeout=120)

        assert (pushing.returncode, out) == (0, f"{server.url}/acme/net/1\n"), err
        with rehub.settings(cache_dir=str(cache), show_progress=False):
            assert sample.read(rehub.resolve(out.strip())) == sample.read(folder)
