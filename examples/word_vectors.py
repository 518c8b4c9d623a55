"""A publisher's work: learn word vectors from unlabelled text and export them as a reusable text embedding.

Words that occur near the same words get similar vectors: a table counts which words stand at most five places apart,
and a singular value decomposition makes it narrow.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import quiet  # noqa: F401 - hides what TensorFlow prints while it starts
import tensorflow as tf
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds

WINDOW, WORDS, DIMENSIONS = 5, 4000, 48
TEXTS = tf.TensorSpec([None], tf.string, name="texts")
_WORD = re.compile("[a-z]+")


def learn(texts: list[str]) -> tuple[list[str], np.ndarray]:
    """Returns the most frequent words and a vector for each, float32 ``[words, 48]``."""
    split = [_WORD.findall(text.lower()) for text in texts]
    count = Counter(word for words in split for word in words)
    words = [word for word, _ in count.most_common(WORDS)]
    place = {word: index for index, word in enumerate(words)}
    # One long row of word numbers, with -1 for rare words and where a text ends.
    gap = [-1] * WINDOW
    row = np.array([index for text in split for index in [*(place.get(word, -1) for word in text), *gap]])
    pairs = csr_array((WORDS, WORDS))
    for distance in range(1, WINDOW + 1):
        first, second = row[:-distance], row[distance:]
        known = (first >= 0) & (second >= 0)
        near = np.full(known.sum(), 1 / distance)
        pairs = pairs + csr_array((near, (first[known], second[known])), shape=pairs.shape)
    pairs = (pairs + pairs.T).tocoo()

    # How much more often than by chance two words meet (positive pointwise mutual information).
    total = np.bincount(pairs.row, pairs.data, WORDS)
    context = total**0.75
    surprise = np.log(pairs.data * context.sum() / (total[pairs.row] * context[pairs.col]))
    pairs.data = np.maximum(surprise, 0)
    left, size, _ = svds(pairs.tocsr(), k=DIMENSIONS, rng=0)
    vectors = left * np.sqrt(size)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9
    # Frequent words such as "the" say little about a sentence, so they weigh little in its mean.
    frequency = np.array([count[word] for word in words]) / sum(count.values())
    return words, (vectors * (1e-3 / (1e-3 + frequency))[:, None]).astype("float32")


class TextEmbedding(tf.train.Checkpoint):
    """Strings ``[n]`` to float32 ``[n, d]``: the normalised mean of the vectors of each text's words.

    Not a ``tf.Module``, because that one computes `variables` and so does not save the list.
    """

    def __init__(self, vocabulary: Path, vectors: np.ndarray) -> None:
        super().__init__()
        initializer = tf.lookup.TextFileInitializer(
            str(vocabulary),
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        )
        self.table = tf.lookup.StaticHashTable(initializer, default_value=len(vectors))
        # A last row of zeros is for words that are not in the vocabulary.
        self.published = tf.constant(np.vstack([vectors, np.zeros_like(vectors[:1])]))
        self.vectors = tf.Variable(self.published, name="vectors")
        self.variables = [self.vectors]
        self.trainable_variables = [self.vectors]
        self.regularization_losses = [self.distance_from_published]

    @tf.function(input_signature=[TEXTS])
    def __call__(self, texts: tf.Tensor) -> tf.Tensor:
        """Embeds texts."""
        letters = tf.strings.regex_replace(tf.strings.lower(texts), "[^a-z]+", " ")
        numbers = self.table[tf.strings.split(letters)]
        embedded = tf.reduce_sum(tf.ragged.map_flat_values(tf.gather, self.vectors, numbers), axis=1)
        return tf.nn.l2_normalize(embedded, axis=-1)

    @tf.function(input_signature=[])
    def distance_from_published(self) -> tf.Tensor:
        """Keeps fine-tuning near what was learned from much text."""
        return 0.01 * tf.nn.l2_loss(self.vectors - self.published)


def export(words: list[str], vectors: np.ndarray, folder: Path) -> None:
    """Writes a Reusable SavedModel with signatures for serving systems; its vocabulary becomes one of its assets."""
    with tempfile.TemporaryDirectory() as scratch:
        vocabulary = Path(scratch) / "vocabulary.txt"
        vocabulary.write_text("\n".join(words) + "\n", encoding="utf-8")
        embedding = TextEmbedding(vocabulary, vectors)

        @tf.function(input_signature=[TEXTS])
        def embed(texts: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"default": embedding(texts)}

        @tf.function(input_signature=[TEXTS, tf.TensorSpec([None], tf.string, name="others")])
        def cosine(texts: tf.Tensor, others: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"default": tf.reduce_sum(embedding(texts) * embedding(others), axis=-1)}

        signatures = {"serving_default": embed, "cosine": cosine}
        tf.saved_model.save(embedding, str(folder), signatures=signatures)
