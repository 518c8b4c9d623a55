"""A worker of a ``MultiWorkerMirroredStrategy``; the cluster is in ``TF_CONFIG``.

``python -m tests.distribute.multi_worker FOLDER HANDLE TEXTS`` trains in several ways, and writes what came of each
into ``facts-INDEX.json`` in the folder. Then it trains once more, with checkpoints in the folder; after the fourth step
the second worker kills itself. ``… FOLDER HANDLE`` goes on from there, and prints steps and losses as a line of JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import tensorflow as tf

import rehub as hub

from . import models
from .training import IS_KERAS_3, Loop, dataset, fit

KILLED_AFTER, LAST_STEP = 4, 8
INDEX = json.loads(os.environ["TF_CONFIG"])["task"]["index"] if __name__ == "__main__" else 0
SGD = {"batch_norm": "inference"}  # the same in each part of a batch


def train(strategy: Any, folder: Path, handle: str, texts: str) -> dict[str, Any]:
    """What is promised, each under its name."""

    def make(path: str, **options: Any) -> Any:
        with strategy.scope():
            return hub.KerasLayer(path, trainable=True, **options)

    with strategy.scope():
        loaded = hub.load(handle)
    layer = make(handle)
    facts = {
        "layer": Loop(make(handle, **SGD), strategy).run(models.ROWS),
        "loaded": Loop(loaded, strategy).run(models.ROWS),
        "frozen": Loop(hub.load(handle), strategy, trains_body=False).run(models.ROWS),
        "texts": Loop(make(texts), strategy).run(models.TEXTS),
        "module": Loop(make(str(models.MODULE), **SGD), strategy).run(models.WIDE_ROWS),
        "statistics": Loop(layer, strategy).run(models.ROWS, steps=1),
        "outside": message_of(lambda: Loop(hub.KerasLayer(handle, trainable=True), strategy).run(models.ROWS)),
    }
    # All write, since values are gathered from all; what the chief wrote is the model.
    tf.saved_model.save(layer.resolved_object, str(folder / f"tuned-{INDEX}"))
    if IS_KERAS_3:
        facts["fit"] = message_of(lambda: fit(make(handle), models.ROWS, strategy))
    else:
        facts["fit"] = fit(make(handle, **SGD), models.ROWS, strategy)
        facts["fit_texts"] = fit(make(texts), models.TEXTS, strategy)
    return facts


def message_of(call: Any) -> str:
    try:
        return f"no error, but {call()}"
    except (hub.errors.UsageError, ValueError) as error:
        return f"{type(error).__name__}: {error}"


def continue_training(strategy: Any, folder: Path, handle: str, *, is_killed: bool) -> dict[int, float]:
    """Trains from the newest checkpoint on, and writes one after each step; returns the losses by step."""
    with strategy.scope():
        layer = hub.KerasLayer(handle, trainable=True, batch_norm="inference")
        step = tf.Variable(0, dtype=tf.int64, trainable=False)
    loop = Loop(layer, strategy)
    checkpoint = tf.train.Checkpoint(layer=layer, head=loop.head, optimizer=loop.optimizer, step=step)
    own = folder / ("checkpoints" if INDEX == 0 else f"worker-{INDEX}")  # only those of the chief are kept
    manager = tf.train.CheckpointManager(checkpoint, str(own), max_to_keep=2)
    checkpoint.restore(tf.train.latest_checkpoint(str(folder / "checkpoints")))
    (batch,) = strategy.experimental_distribute_dataset(dataset(models.ROWS))
    run, losses = loop.function(), {}
    while int(step.numpy()) < LAST_STEP:
        losses[int(step.numpy())] = float(run(*batch))
        step.assign_add(1)
        manager.save(checkpoint_number=int(step.numpy()))
        if is_killed and INDEX == 1 and int(step.numpy()) == KILLED_AFTER:
            os.kill(os.getpid(), signal.SIGKILL)
    return losses


def main(folder: str, handle: str, texts: str = "") -> None:
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    if texts:
        facts = train(strategy, Path(folder), handle, texts)
        Path(folder, f"facts-{INDEX}.json").write_text(json.dumps(facts))
    losses = continue_training(strategy, Path(folder), handle, is_killed=bool(texts))
    print(json.dumps(losses), flush=True)
    os._exit(0)  # the peer may be gone first, which TensorFlow takes for a failure


if __name__ == "__main__":
    main(*sys.argv[1:])
