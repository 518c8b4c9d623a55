"""Small models that take texts or images, and examples on which one of them must win."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

COLOURS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}


class Words(tf.Module):
    """string[?] -> float32[?, width]: the mean of random vectors, of which so many words have one of their own."""

    def __init__(self, buckets: int, width: int) -> None:
        super().__init__()
        self.buckets = buckets
        self.vectors = tf.Variable(tf.random.stateless_normal([buckets, width], seed=[1, 2]))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts):
        words = tf.strings.split(texts)
        vectors = tf.gather(self.vectors, tf.strings.to_hash_bucket_fast(words.values, self.buckets))
        return tf.reduce_mean(tf.RaggedTensor.from_row_splits(vectors, words.row_splits), axis=1)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="texts")])
    def both(self, texts):
        return {"vectors": self(texts), "texts": texts, "lengths": tf.strings.length(texts)}


class Colours(tf.Module):
    """float32[?, size, size, 3] -> float32[?, 3]: how much there is of each colour; size None takes all sizes."""

    def __init__(self, size: int | None, dtype: tf.DType = tf.float32) -> None:
        super().__init__()
        self.scale = tf.Variable(tf.ones([3]))
        self.__call__.get_concrete_function(tf.TensorSpec([None, size, size, 3], dtype))

    @tf.function
    def __call__(self, images):
        tf.debugging.assert_less_equal(images, tf.cast(1 if images.dtype.is_floating else 255, images.dtype))
        return tf.reduce_mean(tf.cast(images, tf.float32), axis=[1, 2]) * self.scale


class Corners(tf.Module):
    """float32[?, 8, 8, 3] -> float32[?, 2, 2, 3]."""

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 3])])
    def __call__(self, images):
        return images[:, ::7, ::7]


class Sum(tf.Module):
    """A dict of float32[?, 2] and float32[?] -> a dict with the default output float32[?]."""

    @tf.function(input_signature=[{"a": tf.TensorSpec([None, 2]), "b": tf.TensorSpec([None])}])
    def __call__(self, inputs):
        total = tf.reduce_sum(inputs["a"], axis=1) + inputs["b"]
        return {"default": total, "all": tf.reduce_sum(total)}


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds the models, as a hub's does."""
    folder = tmp_path_factory.mktemp("models")

    def save(obj: Any, name: str, **options: Any) -> None:
        tf.saved_model.save(obj, str(folder / "acme" / name / "1"), **options)

    good = Words(1000, 32)
    save(good, "good", signatures={"both": good.both})
    save(good, "twin")
    save(Words(2, 8), "poor")
    save(Colours(8), "colours")
    save(Colours(None), "any-size")
    save(Colours(8, tf.uint8), "bytes")
    save(Corners(), "corners")
    save(Sum(), "sum")
    return folder / "acme"


@pytest.fixture(scope="session")
def texts() -> tuple[list[str], list[str]]:
    """60 texts of two topics, which some of their words tell apart."""
    random = np.random.default_rng(0)
    labels = ["music", "sport"] * 30
    return [
        " ".join([f"{label}{random.integers(4)}", *(f"word{each}" for each in random.integers(20, size=3))])
        for label in labels
    ], labels


@pytest.fixture(scope="session")
def images() -> tuple[list[Any], list[str]]:
    """30 noisy images of three colours, uint8, in several sizes."""
    random = np.random.default_rng(0)
    labels = list(COLOURS) * 10
    return [
        np.clip(random.normal(COLOURS[label], 30, (*random.integers(8, 20, size=2), 3)), 0, 255).astype(np.uint8)
        for label in labels
    ], labels
