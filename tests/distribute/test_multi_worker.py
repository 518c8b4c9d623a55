"""Two workers, each a process, that train one model; one of them may be killed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub

from . import models
from .multi_worker import KILLED_AFTER, LAST_STEP
from .processes import Processes, addresses
from .serving import CountingHub
from .training import IS_KERAS_3, Loop

# The Keras of TensorFlow 2.15 is the same; processes take time.
pytestmark = [pytest.mark.slow] if os.environ.get("TF_USE_LEGACY_KERAS") else []
WORKERS = ("worker-0", "worker-1")


def start(processes: Processes, cache: Path, *arguments: str) -> None:
    cluster = {"worker": addresses(2)}
    for index, name in enumerate(WORKERS):
        task = {"cluster": cluster, "task": {"type": "worker", "index": index}}
        environment = {"TF_CONFIG": json.dumps(task), "TFHUB_CACHE_DIR": str(cache)}
        processes.start(name, "multi_worker", arguments, environment)


@pytest.fixture(scope="module")
def trained(hub_folder: Path, texts: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What both workers told, where they saved, what was asked of the hub, and the losses after a restart."""
    folder = tmp_path_factory.mktemp("workers")
    with CountingHub(hub_folder) as server, Processes(folder) as processes:
        arguments = str(folder), f"{server.url}/acme/numbers/1"
        start(processes, folder / "cache", *arguments, texts)
        status = processes.wait("worker-1")
        assert status == -signal.SIGKILL, (folder / "worker-1.log").read_text()
        processes.kill("worker-0")  # as whoever started them does
        start(processes, folder / "cache", *arguments)
        continued = [processes.result(name) for name in WORKERS]
        told = [json.loads((folder / f"facts-{index}.json").read_text()) for index in range(2)]
        yield {"told": told, "folder": folder, "requests": server.requests, "continued": continued}


def losses_of(trained: dict[str, Any], name: str) -> list[float]:
    first, second = (each[name] for each in trained["told"])
    assert first == second
    return list(first)


@pytest.mark.parametrize("name", ["layer", "loaded", "frozen", "texts", "module"])
def test_loop_loses_the_same_on_two_workers_as_on_one_device(trained, one_device, name):
    np.testing.assert_allclose(losses_of(trained, name), one_device[name], rtol=1e-5)


def test_workers_of_one_machine_share_one_download(trained):
    assert trained["requests"] == ["/acme/numbers/1"]


def test_chief_saves_weights_and_the_mean_of_the_statistics(trained):
    saved = hub.load(trained["folder"] / "tuned-0")
    np.testing.assert_allclose(saved.mean, 0.5 * models.ROWS.mean(0), rtol=1e-5)
    assert np.any(saved.kernel.numpy() != models.Numbers().kernel.numpy())


def test_training_on_workers_is_refused_when_the_layer_was_made_outside(trained):
    for told in trained["told"]:
        assert told["outside"].startswith("UsageError" if IS_KERAS_3 else ("UsageError", "ValueError"))
        assert "scope" in told["outside"]


if IS_KERAS_3:

    def test_fit_says_what_to_do_on_several_workers(trained):
        for told in trained["told"]:
            assert told["fit"].startswith("UsageError: fit and evaluate of Keras 3 failed with ")
            assert "under a MultiWorkerMirroredStrategy" in told["fit"]
            assert "strategy.run" in told["fit"]

else:

    @pytest.mark.parametrize("name", ["fit", "fit_texts"])
    def test_fit_loses_the_same_on_two_workers_as_on_one_device(trained, one_device, name):
        np.testing.assert_allclose(losses_of(trained, name), one_device[name], rtol=1e-5)


def test_training_goes_on_from_its_checkpoint_after_a_worker_was_killed(trained, numbers):
    layer = hub.KerasLayer(numbers, trainable=True, batch_norm="inference")
    expected = Loop(layer, tf.distribute.get_strategy()).run(models.ROWS, steps=LAST_STEP)
    first = min(map(int, trained["continued"][0]))
    assert KILLED_AFTER - 1 <= first <= KILLED_AFTER
    for losses in trained["continued"]:
        np.testing.assert_allclose(list(losses.values()), expected[first:], rtol=1e-5)
