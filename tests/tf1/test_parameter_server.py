"""A session of TensorFlow 1 whose variables are on another machine of a cluster."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.keras.conftest import Scale

from .cluster import assert_misses_devices, run_cluster
from .parameter_server import ROWS


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scale")
    tf.saved_model.save(Scale(), str(path))
    return path


@pytest.mark.parametrize("spelling", ["experimental", "plain"])
def test_session_trains_variables_on_the_parameter_server(model, spelling):
    result, complaints = run_cluster("session", spelling, model)
    assert result, complaints
    kernel, devices = result
    np.testing.assert_allclose(kernel, [1.0, 2.0, 3.0] - 0.1 * ROWS.sum(0), rtol=1e-6)
    assert devices == ["/job:ps/task:0"] * 2


def test_session_that_shares_no_devices_fails_as_the_document_says(model):
    result, complaints = run_cluster("session", "none", model)
    assert result is None
    assert_misses_devices(complaints)
