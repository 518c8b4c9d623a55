"""Small models that take texts, images and numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf


class Lengths(tf.Module):
    """string[?] -> float32[?, 2]: the length of a text and the number of its words; refuses the word BAD."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="texts")])
    def __call__(self, texts):
        bad = tf.strings.regex_full_match(texts, "(?s).*BAD.*")
        with tf.control_dependencies([tf.debugging.Assert(~tf.reduce_any(bad), ["a text is BAD"])]):
            lengths = tf.strings.length(texts)
        words = tf.strings.split(texts).row_lengths()
        return tf.stack([tf.cast(lengths, tf.float32), tf.cast(words, tf.float32)], axis=1)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="texts")])
    def several(self, texts):
        return {
            "vector": self(texts),
            "upper": tf.strings.upper(texts),
            "length": tf.strings.length(texts),
            "grid": tf.ones([tf.shape(texts)[0], 2, 3]),
        }


class Colours(tf.Module):
    """float32[?, 4, 6, 3] -> float32[?, 3]: how much there is of each colour, from 0 to 1."""

    @tf.function(input_signature=[tf.TensorSpec([None, 4, 6, 3])])
    def __call__(self, images):
        tf.debugging.assert_less_equal(images, 1.0)
        return tf.reduce_mean(images, axis=[1, 2])


class Sum(tf.Module):
    """A dict of float32[?, 2] and int64[?] -> the sum float32[?]."""

    @tf.function(
        input_signature=[{"a": tf.TensorSpec([None, 2], name="a"), "b": tf.TensorSpec([None], tf.int64, name="b")}]
    )
    def __call__(self, inputs):
        return tf.reduce_sum(inputs["a"], axis=1) + tf.cast(inputs["b"], tf.float32)


class Fours(tf.Module):
    """float32[4, 2] -> float32[4]: the sum of a row and its place; takes four rows and no others."""

    @tf.function(input_signature=[tf.TensorSpec([4, 2])])
    def __call__(self, rows):
        return tf.reduce_sum(rows, axis=1) + tf.range(4.0)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the models above, by their lower-case names."""
    folder = tmp_path_factory.mktemp("models")
    for kind in (Colours, Sum, Fours):
        tf.saved_model.save(kind(), folder / kind.__name__.lower())
    lengths = Lengths()
    tf.saved_model.save(
        lengths, folder / "lengths", signatures={"serving_default": lengths.several, "several": lengths.several}
    )
    return folder
