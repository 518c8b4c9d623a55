"""The coordinator of a ``ParameterServerStrategy``.

``python -m tests.distribute.parameter_server HANDLE TEXTS CLUSTER PID`` trains, kills the worker of that process on
its way, and prints what came of it as a line of JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

import tensorflow as tf

import rehub as hub

from . import models
from .training import IS_KERAS_3, Loop, dataset, fit, model_of

OWN = "ram://coordinator"  # in the memory of the coordinator: no server can read or write it
SAME = {"batch_norm": "inference"}


class Coordinator:
    """Trains, step after step, on whichever worker is free.

    Attributes:
        pieces: Into how many the servers share each variable that is made from now on.
    """

    def __init__(self, cluster: dict[str, list[str]]) -> None:
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(tf.train.ClusterSpec(cluster), rpc_layer="grpc")
        self.pieces = 1
        self.strategy = tf.distribute.ParameterServerStrategy(resolver, variable_partitioner=self._share)
        self._coordinator = tf.distribute.coordinator.ClusterCoordinator(self.strategy)

    def _share(self, shape: Any, **_: Any) -> list[int]:
        return [self.pieces, *[1] * (len(shape) - 1)]

    def make(self, path: str, **options: Any) -> Any:
        with self.strategy.scope():
            return hub.KerasLayer(path, trainable=True, **options)

    def load(self, path: str) -> Any:
        with self.strategy.scope():
            return hub.load(path)

    def run(self, body: Any, inputs: Any, steps: int = 3, **options: Any) -> list[float]:
        step = Loop(body, self.strategy, **options).function()
        rows = (tf.constant(inputs), tf.constant(models.TARGETS))
        losses = []
        for _ in range(steps):
            losses.append(self._coordinator.schedule(step, args=rows))
            self._coordinator.join()
        return [float(loss.fetch()) for loss in losses]


def result_of(call: Any) -> Any:
    """What it returns, or the error with which it says what to do."""
    try:
        return call()
    except hub.errors.UsageError as error:
        return f"UsageError: {error}"


class Accelerator(tf.distribute.OneDeviceStrategy):
    """Stands for a TPU of another machine."""


def train(coordinator: Coordinator, handle: str, texts: str) -> dict[str, Any]:
    """What is promised, each under its name."""
    layer = coordinator.make(handle, **SAME)
    facts: dict[str, Any] = {
        "layer": coordinator.run(layer, models.ROWS),
        "loaded": coordinator.run(coordinator.load(handle), models.ROWS),
        "frozen": coordinator.run(hub.load(handle), models.ROWS, trains_body=False),
        "texts": coordinator.run(coordinator.make(texts), models.TEXTS),
        "module": coordinator.run(coordinator.make(str(models.MODULE), **SAME), models.WIDE_ROWS),
        "devices": [variable.device for variable in layer.resolved_object.variables],
        "path": hub.resolve(handle),
    }
    here = {"experimental_io_device": "/job:chief/task:0"}
    tf.saved_model.save(layer.resolved_object, f"{OWN}/tuned", options=tf.saved_model.SaveOptions(**here))
    facts["saved"] = hub.load(f"{OWN}/tuned").kernel.numpy().tolist()
    options = tf.train.CheckpointOptions(**here)
    path = tf.train.Checkpoint(layer=layer).write(f"{OWN}/checkpoint", options=options)
    again = coordinator.make(handle, **SAME)
    tf.train.Checkpoint(layer=again).read(path, options=options).assert_existing_objects_matched()
    facts["restored"] = again.resolved_object.kernel.numpy().tolist()
    endless = {} if IS_KERAS_3 else {"steps_per_epoch": 1}
    body = coordinator.make(handle, **SAME)
    facts["fit"] = result_of(lambda: fit(body, models.ROWS, coordinator.strategy, **endless))
    model = model_of(coordinator.make(handle), models.ROWS, coordinator.strategy)
    rows = tf.data.Dataset.from_tensor_slices(models.ROWS).batch(8)
    facts["predict"] = result_of(lambda: model.predict(rows, verbose=0).tolist())
    facts["evaluate"] = result_of(lambda: model.evaluate(dataset(models.ROWS).repeat(), steps=1, verbose=0))
    facts["batch"] = (model.predict_on_batch(models.ROWS) if IS_KERAS_3 else model(models.ROWS).numpy()).tolist()
    facts["partitioned"] = in_pieces(coordinator, handle)
    return facts


def in_pieces(coordinator: Coordinator, handle: str) -> dict[str, Any]:
    """What a layer does that was made in a scope that shares variables among servers."""
    coordinator.pieces = 2
    layer = coordinator.make(handle, **SAME)
    with coordinator.strategy.scope():
        own = tf.Variable(tf.zeros([2]))
    coordinator.pieces = 1  # Keras 3 trains no head in pieces
    kinds = [type(variable).__name__ for variable in (own, layer.resolved_object.kernel)]
    return {"losses": coordinator.run(layer, models.ROWS), "kinds": kinds}


def on_accelerator(handle: str) -> dict[str, Any]:
    """What a layer computes on a device of a worker, which a ``TPUStrategy`` stands for."""
    tf.distribute.TPUStrategy = Accelerator
    device = "/job:worker/replica:0/task:0/device:CPU:0"
    with Accelerator(device).scope():
        layer = hub.KerasLayer(handle, trainable=True)
    with tf.device(device):
        outputs = layer(tf.constant(models.ROWS)).numpy().tolist()
    whole = layer.resolved_object
    return {"outputs": outputs, "devices": [variable.device for variable in whole.variables]}


def main(handle: str, texts: str, cluster: str, worker: str) -> None:
    coordinator = Coordinator(json.loads(cluster))
    facts = train(coordinator, handle, texts)
    facts["accelerator"] = on_accelerator(handle)
    os.kill(int(worker), signal.SIGKILL)
    facts["killed"] = coordinator.run(coordinator.make(handle, **SAME), models.ROWS)
    print(json.dumps(facts), flush=True)
    os._exit(0)  # the coordinator would wait for the worker


if __name__ == "__main__":
    main(*sys.argv[1:])
