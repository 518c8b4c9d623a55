"""Fine-tune a published image model on other images than it was made for, and see three ways to go about it.

    python examples/image_classification.py

The model has learned what faces look like. Here it is to tell eight materials apart: small patches of photographs that
come with scikit-image (bricks, grass, gravel, tissue, a printed page, the moon, coins, galaxies). It is trained on 20
patches of the left half of each photograph and tested on 20 of the right half.

First a new last layer, the head, is trained on the model's frozen features. From there one run goes on like that, one
fine-tunes everything in training mode, and one fine-tunes the last two blocks only and keeps the statistics of the
batch normalization. The second way fails: in so few steps those statistics do not catch up with
the weights.

The table has the share of right answers before and after; examples-output/image_classification/curves.png shows them
epoch by epoch, with patches and what was predicted for them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import quiet  # noqa: F401 - hides what TensorFlow prints while it starts
import tensorflow as tf
from matplotlib.figure import Figure
from patches import MATERIALS, SIZE, Patches, cut_patches
from rich.console import Console
from rich.progress import track
from rich.table import Table

import rehub as hub
from rehub.server import EmbeddedHub

OUTPUT = Path("examples-output/image_classification")
MODELS = Path(__file__).parents[1] / "src/rehub/demo/hub"
HEAD_EPOCHS, TUNING_EPOCHS, BATCH = 8, 8, 32
FROZEN = "head only"
EVERYTHING = "everything, training mode"
LAST_BLOCKS = "last two blocks, fixed statistics"


class LastBlocks:
    """A loaded model of which only the last two blocks are trained: `KerasLayer` takes any object of this shape."""

    def __init__(self, loaded: Any) -> None:
        self._loaded = loaded
        self.variables = list(loaded.variables)
        self.trainable_variables = [
            v for v in self.variables if v.trainable and v.name.startswith(("block_3", "block_4"))
        ]
        kernels = [v for v in self.trainable_variables if len(v.shape) == 4]
        self.regularization_losses = [lambda: 1e-4 * tf.add_n([tf.nn.l2_loss(kernel) for kernel in kernels])]

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Runs the model in inference mode, also while it is trained."""
        return self._loaded(images, training=False)


def build(layer: Any, head: list[np.ndarray] | None = None) -> Any:
    """Returns a model of augmentation, the layer and a head, with the weights of a trained head if given."""
    layers = tf.keras.layers
    last = layers.Dense(len(MATERIALS), kernel_regularizer=tf.keras.regularizers.L2(1e-4))
    augmentation = [layers.RandomFlip(), layers.RandomContrast(0.3)]
    model = tf.keras.Sequential([tf.keras.Input((SIZE, SIZE, 3)), *augmentation, layer, layers.Dropout(0.2), last])
    if head is not None:
        last.set_weights(head)
    return model


def fit(model: Any, learning_rate: float, epochs: int, training: Patches, test: Patches) -> list[float]:
    """Trains what is trainable and returns the accuracy on the test patches after each epoch."""
    schedule = tf.keras.optimizers.schedules.CosineDecay(learning_rate, epochs * len(training[0]) // BATCH)
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # Without XLA, which would compile for longer than these few steps take.
    model.compile(tf.keras.optimizers.Adam(schedule), loss, metrics=["accuracy"], jit_compile=False)
    history = model.fit(*training, BATCH, epochs, verbose=0, validation_data=test, validation_batch_size=len(test[0]))
    return history.history["val_accuracy"]


def draw(curves: dict[str, list[float]], before: np.ndarray, after: np.ndarray, test: Patches) -> None:
    """Writes the picture: the curves, and four patches of each material with both predictions."""
    figure = Figure(figsize=(13, 6), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1, 1.05])
    axes = left.subplots()
    for name, accuracies in curves.items():
        axes.plot(range(1, len(accuracies) + 1), accuracies, label=name, linewidth=2)
    axes.axvline(HEAD_EPOCHS + 0.5, color="grey", linestyle=":")
    axes.text(HEAD_EPOCHS + 0.8, 0.03, "fine-tuning begins", color="grey")
    axes.set(xlabel="epoch", ylabel="share of right answers on test patches", ylim=(0, 1))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.08))
    right.suptitle("Test patches. Above: head only. Below: last two blocks tuned. Red: wrong.", fontsize=11)
    names, per_class = list(MATERIALS), len(test[1]) // len(MATERIALS)
    for row, row_axes in enumerate(right.subplots(4, len(names))):
        for label, patch_axes in enumerate(row_axes):
            index = label * per_class + row
            patch_axes.imshow(test[0][index])
            patch_axes.set_axis_off()
            for line, predicted in enumerate((before[index], after[index])):
                patch_axes.text(
                    0.5, -0.06 - 0.19 * line, names[predicted], transform=patch_axes.transAxes, ha="center", va="top",
                    fontsize=9, color="#2b6a4d" if predicted == label else "#c0392b",
                )  # fmt: skip
    figure.savefig(OUTPUT / "curves.png", dpi=110)


def main() -> None:
    """Trains in the three ways, prints the table and draws the picture."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    tf.keras.utils.set_random_seed(0)
    training, test = cut_patches(20, 0, 0.5, seed=0), cut_patches(20, 0.5, 1, seed=1)
    curves, predicted = {}, {}
    with EmbeddedHub(MODELS) as served, tempfile.TemporaryDirectory() as cache, hub.settings(cache_dir=cache):
        url = f"{served.url}/rehub/face-features/1"
        model = build(hub.KerasLayer(url))
        start = fit(model, 1e-2, HEAD_EPOCHS, training, test)
        head = model.layers[-1].get_weights()
        for way in track((FROZEN, EVERYTHING, LAST_BLOCKS), "Fine-tuning", transient=True):
            layer = hub.KerasLayer(LastBlocks(hub.load(url)) if way == LAST_BLOCKS else url, trainable=way != FROZEN)
            model = build(layer, head)
            # A tenth of the learning rate: the weights are good already.
            curves[way] = start + fit(model, 1e-3, TUNING_EPOCHS, training, test)
            predicted[way] = np.argmax(model(test[0], training=False), axis=-1)
    table = Table(
        "what is fine-tuned",
        "before",
        "after",
        title=f"{len(MATERIALS)} materials, {len(training[1])} patches to train with",
    )
    for way, accuracies in curves.items():
        table.add_row(way, f"{accuracies[HEAD_EPOCHS - 1]:.3f}", f"{accuracies[-1]:.3f}")
    draw(curves, predicted[FROZEN], predicted[LAST_BLOCKS], test)
    console = Console(soft_wrap=True, highlight=False)
    console.print(table)
    console.print(f"Curves and patches: {OUTPUT / 'curves.png'}")


if __name__ == "__main__":
    main()
