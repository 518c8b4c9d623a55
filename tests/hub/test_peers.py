"""Clients that are not ours load from a hub on a bucket, and on a folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehub.server.tokens import Tokens
from rehub.storage.folder import FolderStore
from tests import sample
from tests.publishers import push_to
from tests.serving import Server

MODEL = Path(__file__).parents[1] / "data" / "models" / "half_plus_two"
NAME = "peers/half_plus_two"

_LOAD = """
import json, sys
import tensorflow_hub

found = {}
for url in sys.argv[1:]:
    model = tensorflow_hub.load(url)
    found[url] = [model([10.0, 20.0]).numpy().tolist(), len(model.variables)]
print(json.dumps({"release": tensorflow_hub.__version__, "found": found}))
"""


@pytest.fixture(scope="module")
def hubs(
    servers: tuple[Server, Server], bucket: str, token: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, ...]]:
    """URLs of a model on a bucket, on one whose bytes come from the store itself, and on a folder."""
    folder = tmp_path_factory.mktemp("peers")
    (folder / "hub").mkdir()
    with (
        Server(bucket, "--redirect", log=folder / "redirecting", environment={}) as redirecting,
        Server(folder / "hub", log=folder / "log", environment={}) as local,
    ):
        push_to(servers[0].url, token, MODEL, NAME)
        push_to(local.url, Tokens(FolderStore(folder / "hub")).create("tests", None), MODEL, NAME)
        yield tuple(f"{server.url}/{NAME}" for server in (servers[1], redirecting, local))


def test_tensorflow_hub_loads_from_each_kind_of_store(hubs: tuple[str, ...], peer_python: Path, tmp_path: Path) -> None:
    handles = [handle for url in hubs for handle in (url, f"{url}/1")]

    done = subprocess.run(
        [peer_python, "-W", "ignore", "-c", _LOAD, *handles],
        capture_output=True,
        text=True,
        timeout=300,
        env={"PATH": os.environ["PATH"], "TFHUB_CACHE_DIR": str(tmp_path), "CUDA_VISIBLE_DEVICES": "-1"},
    )

    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    assert answers == {"release": "0.16.1", "found": {handle: [[7.0, 12.0], 2] for handle in handles}}


@pytest.mark.parametrize("version", ["/1", ""])
def test_curl_and_tar_unpack_from_each_kind_of_store(hubs: tuple[str, ...], tmp_path: Path, version: str) -> None:
    if not shutil.which("curl") or not shutil.which("tar"):
        pytest.skip("curl or tar is not installed")
    for number, url in enumerate(hubs):
        folder = tmp_path / str(number)
        folder.mkdir()

        command = f"curl -sSfL '{url}{version}?tf-hub-format=compressed' | tar xz"
        subprocess.run(["sh", "-c", command], cwd=folder, check=True, timeout=60)

        assert sample.read(folder) == sample.read(MODEL)
