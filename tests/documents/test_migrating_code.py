"""Programs that `rehub migrate` rewrote, run: tests/migrate shows that they are what it writes."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub
from rehub.server.embedded import EmbeddedHub

from . import models

DATA = Path(__file__).parents[1] / "data"
PROGRAMS = DATA / "migrate" / "after"
SENTENCES = "https://tfhub.dev/google/universal-sentence-encoder/2"
IMAGES = "https://tfhub.dev/google/imagenet/feature_vector/1"

GRAPH_PROGRAMS = ("graph_embeddings", "graph_signatures", "graph_training", "graph_module_maker")
# One process for all: importing TensorFlow takes longer than they do.
RUN_GRAPH_PROGRAMS = """
import json, runpy, sys
import numpy as np
import tensorflow as tf
results = {}
for path in sys.argv[1:]:
    tf.compat.v1.reset_default_graph()
    results[path] = np.asarray(runpy.run_path(path)["result"]).tolist()
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def mirrors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A hub that stands in for tfhub.dev, with small models of the kinds that the programs ask for."""
    folder = tmp_path_factory.mktemp("tfhub")
    models.save_text_embedding(folder / "google" / "nnlm-en-dim128" / "2", tmp_path_factory.mktemp("scratch"))
    models.save_image_features(folder / "acme" / "image-features" / "1")
    shutil.copytree(DATA / "tf1_hub" / "text_vocab", folder / "google" / "universal-sentence-encoder" / "2")
    shutil.copytree(DATA / "tf1_hub" / "text_vocab", folder / "google" / "elmo" / "2")
    shutil.copytree(DATA / "tf1_hub" / "image", folder / "google" / "imagenet" / "feature_vector" / "1")
    shutil.copytree(DATA / "tf1_hub" / "rich", folder / "google" / "encoder" / "1")
    with EmbeddedHub(folder) as server:
        yield f"https://tfhub.dev={server.url}"


@pytest.fixture(autouse=True)
def _mirrored(mirrors: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REHUB_MIRRORS", mirrors)


def run(name: str) -> dict[str, Any]:
    return runpy.run_path(str(PROGRAMS / f"{name}.py"))


def embedded(sentences: list[str]) -> Any:
    return hub.load(SENTENCES).signatures["default"](tf.constant(sentences))["default"].numpy()


def features(signature: str, count: int = 2) -> Any:
    return hub.load(IMAGES).signatures[signature](tf.ones([count, 8, 8, 3]))["default"].numpy()


@pytest.fixture(scope="module")
def of_graphs(mirrors: str, cache_folder: Path) -> dict[str, Any]:
    """The results of the programs of TensorFlow 1, which change TensorFlow for the whole process."""
    paths = [str(PROGRAMS / f"{name}.py") for name in GRAPH_PROGRAMS]
    environment = {
        **os.environ,
        "REHUB_MIRRORS": mirrors,
        "TFHUB_CACHE_DIR": str(cache_folder),
        "CACHE": str(cache_folder),
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN_GRAPH_PROGRAMS, *paths],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {Path(path).stem: result for path, result in json.loads(done.stdout.splitlines()[-1]).items()}


def test_run_graph_program_embeds_sentences(of_graphs: dict[str, Any]) -> None:
    expected = embedded(["That band rocks!", "Größe und Länge", "the end"])

    np.testing.assert_allclose(of_graphs["graph_embeddings"], expected, rtol=1e-5)


def test_run_graph_program_uses_signature(of_graphs: dict[str, Any]) -> None:
    np.testing.assert_allclose(of_graphs["graph_signatures"], features("image_feature_vector"), rtol=1e-5)


def test_run_graph_program_trains_module(of_graphs: dict[str, Any]) -> None:
    before, after = of_graphs["graph_training"]

    assert after < before


def test_run_graph_program_makes_module(of_graphs: dict[str, Any]) -> None:
    assert of_graphs["graph_module_maker"] == [[6.0, 6.0]]


def test_run_text_classifier_trains() -> None:
    done = run("text_classifier")

    assert done["result"].shape == (4, 1)
    assert np.isfinite(done["history"].history["loss"]).all()


def test_run_image_classifier_with_generator_trains() -> None:
    done = run("image_features")

    assert done["result"].shape == (2, 3)


def test_run_module_as_layer_gives_outputs_of_module() -> None:
    done = run("module_as_layer")

    np.testing.assert_allclose(
        done["result"], (embedded(["one", "two"]) * embedded(["one", "three"])).sum(-1), rtol=1e-5
    )
    np.testing.assert_allclose(done["once"], embedded(["one"]), rtol=1e-5)


def test_run_module_by_signatures_gives_outputs_of_module() -> None:
    done = run("module_signatures")

    vector, logits, default = done["result"]
    np.testing.assert_allclose(vector, features("image_feature_vector"), rtol=1e-5)
    np.testing.assert_allclose(logits, features("image_classification"), rtol=1e-5)
    np.testing.assert_allclose(default, features("default"), rtol=1e-5)
    np.testing.assert_allclose(done["scores"].sum(-1), [1.0, 1.0], rtol=1e-5)


def test_run_module_in_keras_model_trains_it() -> None:
    done = run("module_in_model")

    assert done["result"].shape == (2, 2)
    assert done["model"].encoder.trainable_variables


def test_run_inner_modules_gives_same_outputs() -> None:
    first, *others = run("inner_modules")["result"]

    for other in others:
        np.testing.assert_array_equal(other, first)


def test_run_module_in_lambda_predicts() -> None:
    assert run("keras_lambda")["result"].shape == (2, 1)
