"""A hub on this machine that serves the models which the documents' samples name."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import tensorflow as tf

from rehub.server.embedded import EmbeddedHub

from . import models

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="session")
def hub_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a hub with text and image models in TF2 format, and models of TensorFlow 1."""
    folder = tmp_path_factory.mktemp("hub")
    models.save_text_embedding(folder / "google" / "nnlm-en-dim128" / "2", tmp_path_factory.mktemp("scratch"))
    models.save_image_features(folder / "acme" / "image-features" / "1")
    models.save_tagged_graph(folder / "acme" / "tagged-graph" / "1")
    shutil.copytree(DATA / "saved_models" / "graphs", folder / "acme" / "two-graphs" / "1")
    for name in ("half_plus_two", "rich", "text_vocab", "image"):
        shutil.copytree(DATA / "tf1_hub" / name, folder / "tf1" / name / "1")
    with EmbeddedHub(folder) as hub:
        yield hub.url


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _cache(cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the user's own cache out of it."""
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(cache_folder))


@pytest.fixture(autouse=True)
def _seed() -> None:
    """Lets models begin with the same weights in each run: some tests look at how far training comes."""
    tf.keras.utils.set_random_seed(1)


@pytest.fixture(scope="session")
def text_url(hub_url: str) -> str:
    return f"{hub_url}/google/nnlm-en-dim128/2"


@pytest.fixture(scope="session")
def image_url(hub_url: str) -> str:
    return f"{hub_url}/acme/image-features/1"
