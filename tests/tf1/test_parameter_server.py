"""A session of TensorFlow 1 whose variables are on another machine of a cluster."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from tests.keras.conftest import Scale

from .cluster import MISSING_DEVICE, run_cluster
from .parameter_server import ROWS


def test_session_trains_variables_on_the_parameter_server_when_it_shares_its_devices(tmp_path: Path) -> None:
    tf.saved_model.save(Scale(), str(tmp_path))
    experimental, plain, message = run_cluster("session", tmp_path, "experimental", "plain", "none")

    for kernel, devices in (experimental, plain):
        np.testing.assert_allclose(kernel, [1.0, 2.0, 3.0] - 0.1 * ROWS.sum(0), rtol=1e-6)
        assert devices == ["/job:ps/task:0"] * 2
    assert MISSING_DEVICE in message
