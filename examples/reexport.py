"""Fine-tune a published model, save it, publish it as the next version, and see what survives.

    python examples/reexport.py

Two ways lead from a model's URL to a fine-tuned model of one's own. Either ``hub.load`` gives the object and a
KerasLayer is made from it, or the KerasLayer is made from the URL and has the object as ``resolved_object``. In both
the layer trains the object's own variables, so ``tf.saved_model.save`` writes what was learned.

The model is a text embedding with all that a SavedModel may have: an asset (its vocabulary), two signatures, a
regularization loss. It is learned from the docstrings of installed libraries (see word_vectors.py) and fine-tuned to
tell sentences about graphs from others. Signatures other than "serving_default" are kept if ``save`` is told to; all
else comes by itself.

The table compares the published model and both fine-tuned ones, each as it is in memory and as it is after loading; the
last line is the newest version that the hub has.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import quiet  # noqa: F401 - hides what TensorFlow prints while it starts
import tensorflow as tf
import word_vectors
from rich.console import Console
from rich.table import Table
from texts import read_texts

import rehub as hub
from rehub.server import EmbeddedHub

OUTPUT = Path("examples-output/reexport")
SENTENCES = 100  # of each kind


def fine_tune(layer: Any, texts: list[str], labels: list[int]) -> None:
    """Trains a trainable layer together with a head of its own, which is thrown away."""
    model = tf.keras.Sequential([layer, tf.keras.layers.Dense(1, kernel_initializer="zeros")])
    model.compile(tf.keras.optimizers.Adam(0.01), tf.keras.losses.BinaryCrossentropy(from_logits=True))
    targets = np.array(labels, "float32")[:, None]
    model.fit(tf.data.Dataset.from_tensors((texts, targets)).repeat(20), shuffle=False, verbose=0)


def save(loaded: Any, folder: Path) -> None:
    """Writes an object that was loaded, whatever trained it meanwhile, with its signatures."""
    tf.saved_model.save(loaded, str(folder), signatures=dict(loaded.signatures))


def describe(loaded: Any, texts: list[str], expected: np.ndarray) -> list[str]:
    """Returns the cells of one line: what the model has, and how far its answers are from the expected ones."""
    answers = loaded(tf.constant(texts)).numpy()
    served = loaded.signatures["serving_default"](texts=tf.constant(texts))["default"].numpy()
    difference = max(np.max(np.abs(answers - expected)), np.max(np.abs(served - expected)))
    (loss,) = loaded.regularization_losses
    return [", ".join(sorted(loaded.signatures, reverse=True)), f"{loss().numpy():.4f}", f"{difference:.1e}"]


def assets(folder: str) -> str:
    """Returns the names of a model's asset files, as they are in its folder."""
    return ", ".join(sorted(path.name for path in (Path(folder) / "assets").iterdir()))


def main() -> None:
    """Goes both ways, publishes the second result and prints the table."""
    console = Console(soft_wrap=True, highlight=False)
    sentences, descriptions = read_texts()
    texts = sentences["graphs"][:SENTENCES] + sentences["plots"][:SENTENCES]
    labels = [1] * SENTENCES + [0] * SENTENCES
    table = Table(
        "model", "assets", "signatures", "loss", "off by", title="What was trained, and the same loaded again"
    )
    with tempfile.TemporaryDirectory() as scratch, hub.settings(cache_dir=f"{scratch}/cache", unversioned_ttl_s=0):
        models = Path(scratch) / "models/examples/sentences"
        word_vectors.export(*word_vectors.learn(descriptions), models / "1")
        with EmbeddedHub(models.parents[1]) as served:
            newest = f"{served.url}/examples/sentences"
            published = hub.load(newest)
            before = published(tf.constant(texts)).numpy()
            table.add_row("version 1", assets(hub.resolve(newest)), *describe(published, texts, before))

            # First way: the object, then a layer of it.
            first = hub.load(newest)
            fine_tune(hub.KerasLayer(first, trainable=True), texts, labels)
            # Second way: a layer of the URL, then its object.
            layer = hub.KerasLayer(newest, trainable=True, input_shape=[], dtype=tf.string)
            fine_tune(layer, texts, labels)
            second = layer.resolved_object

            for name, trained in (("hub.load", first), ("KerasLayer", second)):
                folder = OUTPUT / name
                save(trained, folder)
                expected = trained(tf.constant(texts)).numpy()
                table.add_row(f"by {name}", "", *describe(trained, texts, expected))
                again = hub.load(str(folder))
                table.add_row("  loaded again", assets(str(folder)), *describe(again, texts, expected))

            save(second, models / "2")
            folder = hub.resolve(newest)
            table.add_row(f"newest: {Path(folder).name}", assets(folder), *describe(hub.load(newest), texts, expected))
    console.print(table)
    console.print(f"Fine-tuning moved the answers by up to {np.max(np.abs(expected - before)):.2f}.")
    console.print(f"Both models: {OUTPUT}")


if __name__ == "__main__":
    main()
