"""From examples to batches of tensors, in an order that a seed and the number of an epoch decide."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from rehub.runtime.upright import upright
from rehub.train.examples import Examples
from rehub.train.trunk import Size, Trunk

_CROP = (0.7, 1.0)
_ASPECT = (0.8, 1.25)
_BRIGHTNESS = 0.1
_CONTRAST = (0.8, 1.2)


class Inputs(Protocol):
    """How the inputs of examples become what a trunk takes."""

    def batches(self, examples: Examples, order: NDArray[np.int64], batch_size: int, seeds: Any = None) -> Any:
        """Returns a ``tf.data.Dataset`` of ``(inputs, labels)``.

        Args:
            examples: Where they are taken from.
            order: Which ones, in this order.
            batch_size: Of all batches but the last.
            seeds: int64 ``[n, 2]`` where inputs are to be varied, one for each; else None.
        """
        ...


def make(trunk: Trunk) -> Inputs:
    """Returns the way to make what a trunk takes."""
    return TextInputs() if trunk.kind == "text" else ImageInputs(trunk.size)


def order_of(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Returns the places of examples in the order of an epoch."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def seeds_of(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Returns a seed for each example of an epoch, ``[count, 2]``."""
    return np.stack([np.full(count, seed), epoch * count + np.arange(count)], axis=1)


class TextInputs:
    """Texts as they are."""

    def batches(self, examples: Examples, order: NDArray[np.int64], batch_size: int, seeds: Any = None) -> Any:
        """See `Inputs`."""
        texts = np.array([examples.inputs[place] for place in order], object)
        dataset = tf.data.Dataset.from_tensor_slices((tf.constant(texts, tf.string), examples.labels[order]))
        return dataset.batch(batch_size).prefetch(1)


class ImageInputs:
    """Image files: decoded, brought to one size, and, if that is wanted, varied.

    Args:
        size: What they are brought to.
    """

    def __init__(self, size: Size) -> None:
        self._size = size

    def batches(self, examples: Examples, order: NDArray[np.int64], batch_size: int, seeds: Any = None) -> Any:
        """See `Inputs`."""
        files = np.array([examples.inputs[place] for place in order], object)
        labels = examples.labels[order]
        given = (tf.constant(files, tf.string), labels) + (() if seeds is None else (seeds,))
        dataset = tf.data.Dataset.from_tensor_slices(given)
        dataset = dataset.map(self._read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        return dataset.batch(batch_size).prefetch(1)

    def _read(self, file: Any, label: Any, seed: Any = None) -> Any:
        image = decode(tf.io.read_file(file))
        if seed is not None:
            image = varied(image, seed)
        return fitted(image, self._size), label


def decode(content: Any) -> Any:
    """Returns the RGB image in the bytes of a JPEG, PNG, GIF or BMP file, upright: float32 ``[?, ?, 3]`` in [0, 1]."""
    image = tf.io.decode_image(content, channels=3, expand_animations=False)
    image.set_shape([None, None, 3])
    return tf.cast(upright(image, content), tf.float32) / 255.0


def fitted(image: Any, size: Size) -> Any:
    """Brings an image to a size. Where it becomes smaller, all pixels count."""
    return tf.ensure_shape(tf.image.resize(image, size, antialias=True), [*size, 3])


def varied(image: Any, seed: Any) -> Any:
    """Returns a random part of an image, maybe mirrored, a bit lighter or darker, with more or less contrast.

    Args:
        image: float32 ``[?, ?, 3]`` in [0, 1].
        seed: ``[2]``; the same one gives the same image.
    """
    begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
        tf.shape(image),
        tf.zeros([0, 0, 4]),
        seed=seed,
        area_range=_CROP,
        aspect_ratio_range=_ASPECT,
        use_image_if_no_bounding_boxes=True,
    )
    image = tf.slice(image, begin, size)
    image = tf.image.stateless_random_flip_left_right(image, seed + tf.constant([0, 1], tf.int64))
    image = tf.image.stateless_random_brightness(image, _BRIGHTNESS, seed + tf.constant([0, 2], tf.int64))
    image = tf.image.stateless_random_contrast(image, *_CONTRAST, seed + tf.constant([0, 3], tf.int64))
    return tf.clip_by_value(image, 0.0, 1.0)
