"""Which machine reads a model for a ``TPUStrategy``. There is no TPU here: another strategy stands for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub

from . import models
from .serving import CountingHub


class Accelerator(tf.distribute.OneDeviceStrategy):
    """Stands for a TPU."""


@pytest.fixture
def read_by(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The devices that TensorFlow was told to read with, by each load."""
    told: list[Any] = []
    load = tf.saved_model.load

    def load_and_tell(path: str, tags: Any = None, options: Any = None) -> Any:
        told.append(getattr(options, "experimental_io_device", None))
        return load(path, tags, options)

    monkeypatch.setattr(tf.distribute, "TPUStrategy", Accelerator)
    monkeypatch.setattr(tf.saved_model, "load", load_and_tell)
    return told


def test_load_lets_this_machine_read_for_a_tpu(read_by, numbers):
    with Accelerator("CPU:0").scope():
        hub.load(numbers)
    assert read_by == ["/job:localhost"]


def test_load_keeps_the_other_options_for_a_tpu(read_by, numbers):
    options = tf.saved_model.LoadOptions(experimental_variable_policy="expand_distributed_variables")
    with Accelerator("CPU:0").scope():
        hub.load(numbers, options=options)
    assert (read_by, options.experimental_io_device) == (["/job:localhost"], None)


def test_load_reads_for_a_tpu_by_the_device_that_was_asked_for(read_by, numbers):
    options = tf.saved_model.LoadOptions(experimental_io_device="/device:CPU:1")
    with Accelerator("CPU:0").scope():
        hub.load(numbers, options=options)
    assert read_by == ["/device:CPU:1"]


def test_load_leaves_reading_to_the_devices_of_other_strategies(read_by, numbers):
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        hub.load(numbers)
    assert read_by == [None]


@pytest.mark.usefixtures("read_by")
def test_layers_for_a_tpu_come_from_a_remote_cache_folder(numbers, hub_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with CountingHub(hub_folder) as server, hub.settings(cache_dir="ram://tpu/cache", show_progress=False):
        handle = f"{server.url}/acme/numbers/1"
        with Accelerator("CPU:0").scope():
            layer = hub.KerasLayer(handle, trainable=True)
        assert hub.resolve(handle).startswith("ram://tpu/cache/")
    np.testing.assert_allclose(layer(models.ROWS), hub.load(numbers)(models.ROWS), rtol=1e-6)
