"""An Estimator that trains a layer whose variables a parameter server keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.keras.conftest import Scale

from .cluster import MISSING_DEVICE, run_cluster
from .parameter_server import ROWS, TARGETS


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scale")
    tf.saved_model.save(Scale(), str(path))
    return path


@pytest.mark.parametrize("spelling", ["experimental", "plain"])
def test_estimator_trains_a_layer_on_the_parameter_server(model, spelling):
    [(kernel, devices)] = run_cluster("estimator", model, spelling)
    error = (ROWS * [1.0, 2.0, 3.0] + 1.0).sum(1, keepdims=True) - TARGETS
    gradient = np.mean(2.0 * error * ROWS, axis=0)
    np.testing.assert_allclose(kernel, [1.0, 2.0, 3.0] - 0.01 * gradient, rtol=1e-5)
    assert devices == ["/job:ps/task:0"] * 2


def test_estimator_that_shares_no_devices_fails_as_the_document_says(model):
    [message] = run_cluster("estimator", model, "none")
    assert MISSING_DEVICE in message
