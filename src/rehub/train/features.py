"""What a frozen trunk makes of all examples: computed once, kept on the disk, gone on with after an interrupt."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from rehub.errors import SignatureError
from rehub.train.examples import Examples
from rehub.train.inputs import Inputs
from rehub.train.trunk import Trunk
from rehub.train.unfinished import Unfinished

_NOTE_EVERY_S = 10.0


def compute(
    trunk: Trunk,
    inputs: Inputs,
    examples: Examples,
    batch_size: int,
    unfinished: Unfinished,
    name: str,
    advance: Callable[[int], object],
) -> NDArray[np.float32]:
    """Returns float32 ``[n, width]``, mapped from a file of the unfinished training.

    Args:
        trunk: The model.
        inputs: How the examples become tensors.
        examples: All of them.
        batch_size: How many the model is run on at once.
        unfinished: Where the file is.
        name: Of the file.
        advance: Is told how many examples are done.

    Raises:
        SignatureError: If the model makes infinite numbers, or none, of some example.
    """
    file = unfinished.folder / f"{name}.npy"
    done = unfinished.note(name) or 0
    shape = (len(examples), trunk.width)
    mode: Literal["r+", "w+"] = "r+" if done else "w+"
    features = np.lib.format.open_memmap(file, mode=mode, dtype=np.float32, shape=shape)
    advance(done)
    if done == len(examples):
        return features
    run = tf.function(trunk.features, input_signature=[trunk.spec])
    noted_s = time.monotonic()
    for batch, _ in inputs.batches(examples, np.arange(done, len(examples)), batch_size):
        made = run(batch).numpy()
        bad = np.flatnonzero(~np.isfinite(made).all(axis=1))
        if bad.size:
            raise SignatureError(
                f"'{trunk.handle}' makes numbers that are not finite of {examples.places[done + bad[0]]} in "
                f"'{examples.source}'.",
                hint="See whether the input is what the model's documentation asks for; or the model is damaged.",
                handle=trunk.handle,
            )
        features[done : done + len(made)] = made
        done += len(made)
        advance(len(made))
        if done == len(examples) or time.monotonic() - noted_s > _NOTE_EVERY_S:
            features.flush()
            unfinished.write_note(name, done)
            noted_s = time.monotonic()
    return features
