"""Models for the tests of strategies, and the losses of their training on one device."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

import rehub as hub

from . import models
from .training import Loop, fit


@pytest.fixture(scope="session")
def hub_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub")
    models.save(folder)
    return folder


@pytest.fixture(scope="session")
def numbers(hub_folder: Path) -> str:
    return str(hub_folder / "acme" / "numbers" / "1")


@pytest.fixture(scope="session")
def texts(hub_folder: Path) -> str:
    return str(hub_folder / "acme" / "texts" / "1")


@pytest.fixture(scope="session")
def one_device(numbers: str, texts: str) -> dict[str, list[float]]:
    """The losses of three steps on one device, by what is trained."""
    one = tf.distribute.get_strategy()
    layer = hub.KerasLayer(numbers, trainable=True, batch_norm="inference")
    module = hub.KerasLayer(str(models.MODULE), trainable=True, batch_norm="inference")
    loaded = hub.load(numbers)
    return {
        "layer": Loop(layer, one).run(models.ROWS),
        "loaded": Loop(loaded, one).run(models.ROWS),
        "frozen": Loop(hub.load(numbers), one, trains_body=False).run(models.ROWS),
        "texts": Loop(hub.KerasLayer(texts, trainable=True), one).run(models.TEXTS),
        "module": Loop(module, one).run(models.WIDE_ROWS),
        "fit": fit(hub.KerasLayer(numbers, trainable=True, batch_norm="inference"), models.ROWS, one),
        "fit_texts": fit(hub.KerasLayer(texts, trainable=True), models.TEXTS, one),
    }
