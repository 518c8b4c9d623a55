"""The photographs of the demonstration: 100 faces and 100 other things, small and grey.

Source: ``skimage.data.lfw_subset``, a part of Labeled Faces in the Wild that comes inside scikit-image.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rehub.runtime.tf_version import import_tensorflow

MODEL_SIZE = 64


@dataclasses.dataclass(frozen=True)
class Photographs:
    """Photographs with their labels, in one order.

    Attributes:
        pixels: float32 ``[n, 25, 25]``, grey in [0, 1]: what there is.
        images: float32 ``[n, 64, 64, 3]``, the same enlarged and with three equal channels: what the model takes.
        is_face: float32 ``[n]``, 1 for a face, else 0.
    """

    pixels: NDArray[np.float32]
    images: NDArray[np.float32]
    is_face: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.is_face)

    def take(self, indices: Any) -> Photographs:
        """Returns those at some indices, in that order."""
        return Photographs(self.pixels[indices], self.images[indices], self.is_face[indices])


def load_photographs() -> Photographs:
    """Reads all 200."""
    from skimage import data

    tf = import_tensorflow()
    pixels = data.lfw_subset().astype(np.float32)
    enlarged = tf.image.resize(pixels[..., None], (MODEL_SIZE, MODEL_SIZE)).numpy()
    half = len(pixels) // 2
    is_face = np.repeat(np.array([1.0, 0.0], np.float32), half)
    return Photographs(pixels, np.repeat(enlarged, 3, axis=-1), is_face)


def draw(photographs: Photographs, labels: int, seed: int) -> tuple[Photographs, Photographs]:
    """Splits into a few to train with and all the others to test with.

    Args:
        photographs: Both classes.
        labels: How many to train with, half of them faces.
        seed: Which ones.
    """
    random = np.random.default_rng(seed)
    training, test = [], []
    for label in (1, 0):
        indices = random.permutation(np.flatnonzero(photographs.is_face == label))
        training.append(indices[: labels // 2])
        test.append(indices[labels // 2 :])
    return photographs.take(np.concatenate(training)), photographs.take(np.concatenate(test))
