"""Classify short texts with an embedding that takes strings; when to freeze it and when to fine-tune it.

    python examples/text_classification.py

The texts are real: the first sentences of the docstrings of networkx, scikit-image, matplotlib and three parts of
SciPy. Which of the six topics does a sentence belong to? The embedding is learned here from unlabelled text (the
descriptions below those sentences, see word_vectors.py), published on a hub on this machine, and loaded from there by
its URL.

On top of it a small head is trained while the embedding is frozen; then both are fine-tuned together. Two baselines get
the same head and the same labels: words as they are (a bag of words), and an embedding of random vectors.

The first table has the share of right answers, with 10 and with 100 labelled sentences a topic: the mean, the lowest
and the highest of three random choices of them. Fine-tuning pays with many labels. The second table has some test
sentences with what was predicted for them.
"""

from __future__ import annotations

import itertools
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import quiet  # noqa: F401 - hides what TensorFlow prints while it starts
import tensorflow as tf
import word_vectors
from rich.console import Console
from rich.progress import track
from rich.table import Table
from texts import TOPICS, read_texts

import rehub as hub
from rehub.server import EmbeddedHub

LABELLED, TEST = (10, 100), 100  # sentences of each topic
DRAWS = 3


def draw(
    sentences: dict[str, list[str]], labelled: int, seed: int
) -> tuple[list[str], list[int], list[str], list[int]]:
    """Splits off sentences to train with and to test with, as many of each topic, each with their labels."""
    random = np.random.default_rng(seed)
    chosen = [random.permutation(sentences[topic])[: labelled + TEST].tolist() for topic in TOPICS]
    labels = range(len(TOPICS))
    training = [text for texts in chosen for text in texts[:labelled]]
    test = [text for texts in chosen for text in texts[labelled:]]
    return training, np.repeat(labels, labelled).tolist(), test, np.repeat(labels, TEST).tolist()


def train(layer: Any, training: list[str], labels: list[int], test: list[str]) -> list[np.ndarray]:
    """Trains a linear head on a layer that takes strings, then, if the layer has weights, both together.

    Returns:
        The topics predicted for the test texts, after each of the two.
    """
    keras = tf.keras
    head = keras.layers.Dense(len(TOPICS), kernel_initializer="zeros", kernel_regularizer=keras.regularizers.L2(0.01))
    model = keras.Sequential([layer, head])

    def fit(learning_rate: float, steps: int) -> np.ndarray:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(learning_rate), loss)
        # All labelled texts in every step: there are few.
        model.fit(tf.data.Dataset.from_tensors((training, labels)).repeat(steps), shuffle=False, verbose=0)
        return np.argmax(model(tf.constant(test)), axis=-1)

    predictions = [fit(0.05, 100)]
    if layer.weights:
        layer.trainable = True
        predictions.append(fit(0.002, 50))  # gently: the weights are good already
    return predictions


def bag_of_words(vocabulary: list[str]) -> Any:
    """Returns the layer that says which words a text has."""
    return tf.keras.layers.TextVectorization(vocabulary=vocabulary, output_mode="multi_hot")


def main() -> None:
    """Publishes the embedding, trains all contenders and prints both tables."""
    console = Console(soft_wrap=True, highlight=False)
    sentences, descriptions = read_texts()
    words, vectors = word_vectors.learn(descriptions)
    console.print(f"Learned vectors of {len(words)} words from {len(descriptions)} descriptions without labels.")
    random_vectors = np.random.default_rng(0).normal(0, vectors.std(), vectors.shape).astype("float32")
    with tempfile.TemporaryDirectory() as scratch, hub.settings(cache_dir=f"{scratch}/cache"):
        models = Path(scratch) / "models"
        word_vectors.export(words, vectors, models / "examples/learned/1")
        word_vectors.export(words, random_vectors, models / "examples/random/1")
        with EmbeddedHub(models) as served:

            def embedding(name: str) -> Any:
                return hub.KerasLayer(f"{served.url}/examples/{name}/1", input_shape=[], dtype=tf.string)

            contenders: dict[str, Callable[[], Any]] = {
                "bag of words": lambda: bag_of_words(words),
                "random vectors": lambda: embedding("random"),
                "loaded embedding": lambda: embedding("learned"),
            }
            scores = defaultdict(list)
            for labelled, seed in track([*itertools.product(LABELLED, range(DRAWS))], "Training", transient=True):
                training, labels, test, truth = draw(sentences, labelled, seed)
                for name, layer in contenders.items():
                    predictions = train(layer(), training, labels, test)
                    for way, predicted in zip(("", ", fine-tuned"), predictions, strict=False):
                        scores[name + way, labelled].append(np.mean(predicted == truth))

    table = Table("the same head on", title=f"Which of {len(TOPICS)} topics? Share of right answers")
    for labelled in LABELLED:
        table.add_column(f"{labelled} labels a topic", justify="right")
    for row in dict.fromkeys(name for name, _ in scores):
        shares = [scores[row, labelled] for labelled in LABELLED]
        table.add_row(row, *(f"{np.mean(each):.2f} ({min(each):.2f} to {max(each):.2f})" for each in shares))
    console.print(table)
    samples = Table("sentence", "topic", "predicted", title="What the fine-tuned model says of some test sentences")
    topics = list(TOPICS)
    for index in range(0, len(test), TEST // 2):
        right = predicted[index] == truth[index]
        samples.add_row(test[index], topics[truth[index]], f"{topics[predicted[index]]}{'' if right else '  (wrong)'}")
    console.print(samples)


if __name__ == "__main__":
    main()
