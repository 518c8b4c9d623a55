"""Our hub, asked by clients that are not ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehub.server import EmbeddedHub
from tests.server.published import put_published

_BUCKET = "gs://bucket/prefix"

_LOAD_WITH_TENSORFLOW_HUB = """
import json, os, sys
import tensorflow as tf
import tensorflow_hub

answers = {}
for name, url in (("versioned", sys.argv[1] + "/1"), ("unversioned", sys.argv[1])):
    path = tensorflow_hub.resolve(url)
    model = tensorflow_hub.load(url)
    answers[name] = {"path": path, "values": model([10.0, 20.0]).numpy().tolist(), "variables": len(model.variables)}
try:
    tensorflow_hub.resolve(sys.argv[1] + "/7")
except Exception as error:
    answers["missing"] = str(error)
# It looks into the bucket before it returns its address; the bucket does not exist.
tf.io.gfile.exists = tf.compat.v1.gfile.Exists = lambda path: path.startswith("gs://")
os.environ["TFHUB_MODEL_LOAD_FORMAT"] = "UNCOMPRESSED"
answers["in_place"] = [tensorflow_hub.resolve(sys.argv[1] + version) for version in ("/1", "")]
print(json.dumps({"release": tensorflow_hub.__version__, **answers}))
"""


@pytest.fixture(scope="module", params=["as it was exported", "published"])
def folder(request: pytest.FixtureRequest, half_plus_two: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    if request.param == "published":
        put_published(folder, "acme/half_plus_two/1", "models/half_plus_two")
    else:
        shutil.copytree(half_plus_two, folder / "acme/half_plus_two/1")
    return folder


@pytest.fixture(scope="module")
def hub(folder: Path) -> Iterator[EmbeddedHub]:
    with EmbeddedHub(folder, uncompressed_base=_BUCKET) as hub:
        yield hub


def test_tensorflow_hub_loads_from_our_hub(hub: EmbeddedHub, folder: Path, peer_python: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [peer_python, "-W", "ignore", "-c", _LOAD_WITH_TENSORFLOW_HUB, f"{hub.url}/acme/half_plus_two"],
        capture_output=True,
        text=True,
        timeout=300,
        env={"PATH": os.environ["PATH"], "TFHUB_CACHE_DIR": str(tmp_path), "CUDA_VISIBLE_DEVICES": "-1"},
    )

    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    assert answers["release"] == "0.16.1"
    for name in ("versioned", "unversioned"):
        assert (answers[name]["values"], answers[name]["variables"]) == ([7.0, 12.0], 2), name
    assert Path(answers["versioned"]["path"]).is_relative_to(tmp_path)
    (model,) = folder.rglob("saved_model.pb")
    assert answers["in_place"] == [f"{_BUCKET}/{model.parent.relative_to(folder).as_posix()}"] * 2
    assert "404" in answers["missing"]


@pytest.mark.parametrize("version", ["/1", ""])
def test_curl_and_tar_unpack_from_our_hub(hub: EmbeddedHub, half_plus_two: Path, tmp_path: Path, version: str) -> None:
    if not shutil.which("curl") or not shutil.which("tar"):
        pytest.skip("curl or tar is not installed")
    url = f"{hub.url}/acme/half_plus_two{version}?tf-hub-format=compressed"

    subprocess.run(["sh", "-c", f"curl -sSfL '{url}' | tar xz"], cwd=tmp_path, check=True, timeout=60)

    assert _files(tmp_path) == _files(half_plus_two)


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
