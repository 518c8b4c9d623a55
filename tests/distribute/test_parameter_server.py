"""A coordinator, two workers and two servers of parameters; and a TPU, which a worker stands for."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rehub as hub

from . import models
from .parameter_server import OWN
from .processes import Processes, addresses
from .serving import CountingHub
from .training import IS_KERAS_3, Loop

# The Keras of TensorFlow 2.15 is the same; processes take time.
pytestmark = [pytest.mark.slow] if os.environ.get("TF_USE_LEGACY_KERAS") else []
CACHE = f"{OWN}/cache"


@pytest.fixture(scope="module")
def told(hub_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the coordinator told."""
    folder = tmp_path_factory.mktemp("servers")
    first, second, *servers = addresses(4)
    cluster = json.dumps({"worker": [first, second], "ps": servers})
    own = {"TFHUB_CACHE_DIR": CACHE, "XDG_CACHE_HOME": str(folder / "own")}
    with CountingHub(hub_folder) as models_hub, Processes(folder) as processes:
        processes.start("servers", "server", [cluster, "ps:0", "ps:1", "worker:0"], {})
        processes.start("worker-1", "server", [cluster, "worker:1"], {})
        handles = [f"{models_hub.url}/acme/{name}/1" for name in ("numbers", "texts")]
        arguments = [*handles, cluster, str(processes.pid("worker-1"))]
        processes.start("coordinator", "parameter_server", arguments, own)
        yield processes.result("coordinator")


def predictions(numbers: str) -> Any:
    """Those of a head that adds up what the model tells."""
    return hub.load(numbers)(models.ROWS).numpy().sum(1, keepdims=True)


@pytest.mark.parametrize("name", ["layer", "loaded", "frozen", "texts", "module"])
def test_loop_loses_the_same_on_workers_as_on_one_device(told, one_device, name):
    np.testing.assert_allclose(told[name], one_device[name], rtol=1e-5)


def test_variables_are_on_the_servers_although_only_the_coordinator_reads_the_model(told):
    assert told["path"].startswith(CACHE)
    assert sorted(told["devices"]) == [f"/job:ps/replica:0/task:{place}/device:CPU:0" for place in (0, 1)]


@pytest.mark.parametrize("name", ["saved", "restored"])
def test_coordinator_writes_what_the_server_has(told, numbers, name):
    layer = hub.KerasLayer(numbers, trainable=True, batch_norm="inference")
    Loop(layer, tf.distribute.get_strategy()).run(models.ROWS)
    np.testing.assert_allclose(told[name], layer.resolved_object.kernel, rtol=1e-5)


def test_training_survives_a_killed_worker(told, one_device):
    np.testing.assert_allclose(told["killed"], one_device["layer"], rtol=1e-5)


def test_loaded_variables_stay_whole_where_the_strategy_shares_others_among_servers(told, one_device):
    np.testing.assert_allclose(told["partitioned"]["losses"], one_device["layer"], rtol=1e-5)
    assert told["partitioned"]["kinds"][0] == "ShardedVariable"
    assert told["partitioned"]["kinds"][1] != "ShardedVariable"


def test_coordinator_computes_one_batch_by_itself(told, numbers):
    np.testing.assert_allclose(told["batch"], predictions(numbers), rtol=1e-5)


if IS_KERAS_3:

    @pytest.mark.parametrize("name", ["fit", "evaluate"])
    def test_fit_and_evaluate_say_what_to_do_on_several_machines(told, name):
        assert told[name].startswith("UsageError: fit and evaluate of Keras 3 failed with ")
        assert "under a ParameterServerStrategy" in told[name]

    def test_predict_says_what_to_do_with_parameter_servers(told):
        assert told["predict"].startswith("UsageError: predict of Keras 3 failed with ValueError: ")
        assert "predict_on_batch" in told["predict"]

else:

    def test_fit_trains_on_workers(told):
        assert np.isfinite(told["fit"]).all()
        assert told["fit"][-1] < told["fit"][0]

    def test_predict_and_evaluate_run_on_workers(told, numbers):
        expected = predictions(numbers)
        np.testing.assert_allclose(told["predict"], expected, rtol=1e-5)
        np.testing.assert_allclose(told["evaluate"], np.mean((expected - models.TARGETS) ** 2), rtol=1e-5)


def test_tpu_strategy_gets_values_that_this_machine_reads(told, numbers):
    np.testing.assert_allclose(told["accelerator"]["outputs"], hub.load(numbers)(models.ROWS), rtol=1e-6)
    assert told["accelerator"]["devices"] == ["/job:worker/replica:0/task:0/device:CPU:0"] * 2
