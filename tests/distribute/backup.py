"""A worker of a ``MultiWorkerMirroredStrategy`` that fits with a backup; the cluster is in ``TF_CONFIG``.

``python -m tests.distribute.backup FOLDER HANDLE`` goes on from the backup in the folder, and prints the losses of the
epochs that were left as a line of JSON. With ``--killed``, the second worker kills itself on its way.
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
from .training import fit

KILLED_IN, EPOCHS = 3, 6


class Killed(tf.keras.callbacks.Callback):
    """Kills this process at the begin of an epoch."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == KILLED_IN:
            os.kill(os.getpid(), signal.SIGKILL)


def main(folder: str, handle: str, *options: str) -> None:
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    with strategy.scope():
        layer = hub.KerasLayer(handle, trainable=True, batch_norm="inference")
    callbacks = [tf.keras.callbacks.BackupAndRestore(str(Path(folder, "backup")))]
    if options and strategy.cluster_resolver.task_id == 1:
        callbacks.append(Killed())
    losses = fit(layer, models.ROWS, strategy, epochs=EPOCHS, callbacks=callbacks)
    print(json.dumps(losses), flush=True)
    os._exit(0)  # the peer may be gone first, which TensorFlow takes for a failure


if __name__ == "__main__":
    main(*sys.argv[1:])
