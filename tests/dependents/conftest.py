"""Programs of others that import tensorflow_hub, each in an environment of its own, on rehub. For ``make dependents``.

``REHUB_DEPENDENTS`` has the environments, as ``NAME=FOLDER NAME=FOLDER``. The models are made here, small, under the
URLs that the programs ask for, and served on loopback in place of tfhub.dev.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

import rehub
from rehub.server import EmbeddedHub

PROGRAMS = Path(__file__).with_name("programs")
ENVIRONMENTS = dict(pair.split("=", 1) for pair in os.environ.get("REHUB_DEPENDENTS", "").split())
Run = Callable[..., Any]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leaves only the tests of the dependents that were asked for."""
    items[:] = [item for item in items if Path(item.fspath).stem.removeprefix("test_") in ENVIRONMENTS]


class TextEncoder(tf.train.Checkpoint):
    """string[?] -> float32[?, size], the mean of what its words are embedded as, as the sentence encoders do."""

    def __init__(self, size: int) -> None:
        super().__init__()
        values = tf.random.stateless_uniform([64, size], seed=(1, size), minval=-1.0)
        self.embeddings = tf.Variable(values)
        self.variables = [self.embeddings]
        self.trainable_variables = [self.embeddings]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts: Any) -> Any:
        words = tf.strings.split(tf.strings.lower(texts))
        ids = words.with_values(tf.strings.to_hash_bucket_fast(words.values, 64))
        return tf.reduce_mean(tf.ragged.map_flat_values(tf.gather, self.embeddings, ids), axis=1)


TEXT_ENCODERS = {
    "google/nnlm-en-dim128/2": 128,
    "google/universal-sentence-encoder/3": 512,
    "google/universal-sentence-encoder/4": 512,
    "google/universal-sentence-encoder-large/5": 512,
    "google/universal-sentence-encoder-multilingual/3": 512,
}


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the hub serves; tests may put more into it."""
    folder = tmp_path_factory.mktemp("models")
    for name, size in TEXT_ENCODERS.items():
        tf.saved_model.save(TextEncoder(size), str(folder / name))
    return folder


@pytest.fixture(scope="session")
def hub_url(models: Path) -> Iterator[str]:
    with EmbeddedHub(models) as hub:
        yield hub.url


@pytest.fixture
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Runs a program of `PROGRAMS`, or what follows ``-m``, and returns what it prints last, which is JSON."""
    name = request.path.stem.removeprefix("test_")

    def run_program(*command: str | Path, **variables: str) -> Any:
        if command[0] == "-m":
            program = list(map(str, command))
        else:
            program = [str(PROGRAMS / command[0]), *map(str, command[1:])]
        done = subprocess.run(
            [f"{ENVIRONMENTS[name]}/bin/python", "-m", "rehub.alias", *program],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(Path(rehub.__file__).parents[1]),
                "REHUB_MIRRORS": f"https://tfhub.dev={request.getfixturevalue('hub_url')}",
                "TFHUB_CACHE_DIR": str(tmp_path / "cache"),
                "HOME": str(tmp_path),
                "TF_CPP_MIN_LOG_LEVEL": "2",
                **variables,
            },
        )
        assert done.returncode == 0, done.stdout
        last = done.stdout.splitlines()[-1]
        return json.loads(last) if last[:1] in "[{" else done.stdout

    return run_program


def embedded(models: Path, name: str, texts: list[str]) -> Any:
    """Returns what a text encoder gives, by TensorFlow alone."""
    return tf.saved_model.load(str(models / name))(tf.constant(texts)).numpy()
