"""``fit`` of Keras 2 on two workers, of which one is killed."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub

from . import models
from .backup import EPOCHS, KILLED_IN
from .processes import Processes, addresses
from .training import IS_KERAS_3, fit

# The Keras of TensorFlow 2.15 is the same; processes take time.
pytestmark = [pytest.mark.slow] if os.environ.get("TF_USE_LEGACY_KERAS") else []
WORKERS = ("worker-0", "worker-1")


def start(processes: Processes, *arguments: str) -> None:
    cluster = {"worker": addresses(2)}
    for index, name in enumerate(WORKERS):
        task = {"cluster": cluster, "task": {"type": "worker", "index": index}}
        processes.start(name, "backup", arguments, {"TF_CONFIG": json.dumps(task)})


if not IS_KERAS_3:

    def test_fit_goes_on_from_its_backup_after_a_worker_was_killed(numbers: str, tmp_path: Path) -> None:
        with Processes(tmp_path) as processes:
            start(processes, str(tmp_path), numbers, "--killed")
            status = processes.wait("worker-1")
            assert status == -signal.SIGKILL, (tmp_path / "worker-1.log").read_text()
            processes.kill("worker-0")  # as whoever started them does
            start(processes, str(tmp_path), numbers)
            found = [processes.result(name) for name in WORKERS]

        layer = hub.KerasLayer(numbers, trainable=True, batch_norm="inference")
        expected = fit(layer, models.ROWS, tf.distribute.get_strategy(), epochs=EPOCHS)
        for losses in found:
            np.testing.assert_allclose(losses, expected[KILLED_IN:], rtol=1e-5)
