"""Choose among text embeddings by their handles: how wide must the vectors be, and what does that cost?

    python examples/compare_text_embeddings.py

The texts are real: the first sentences of the docstrings of networkx, scikit-image, matplotlib and three parts of
SciPy. Which of the six topics does a sentence belong to? The embeddings are learned here from unlabelled text (see
word_vectors.py), with vectors of 4, 12 and 48 numbers, and published on a hub on this machine. One more has random
vectors, and one handle leads nowhere: that does not stop the others.

`hub.compare` tries each on the same labelled sentences. The table has what it found, the best one first; the picture
has the accuracy against the time for a sentence, with bubbles for the sizes on disk.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import quiet  # noqa: F401 - hides what TensorFlow prints while it starts
import word_vectors
from texts import TOPICS, read_texts

import rehub as hub
from rehub.server import EmbeddedHub

PICTURE = Path("examples-output/compare_text_embeddings/models.png")
SENTENCES = 100  # of each topic
WIDTHS = (4, 12, 48)


def main() -> None:
    """Publishes the embeddings, compares them, prints the table and draws the picture."""
    sentences, descriptions = read_texts()
    words, vectors = word_vectors.learn(descriptions)
    # The last columns of the singular value decomposition say most.
    contenders = {f"learned-{width}": vectors[:, -width:] for width in WIDTHS}
    contenders["random-48"] = np.random.default_rng(0).normal(0, vectors.std(), vectors.shape).astype("float32")

    random = np.random.default_rng(0)
    texts = [text for topic in TOPICS for text in random.permutation(sentences[topic])[:SENTENCES].tolist()]
    labels = np.repeat(list(TOPICS), SENTENCES)
    with tempfile.TemporaryDirectory() as scratch, hub.settings(cache_dir=f"{scratch}/cache"):
        models = Path(scratch) / "models"
        for name, columns in contenders.items():
            word_vectors.export(words, columns, models / "examples" / name / "1")
        with EmbeddedHub(models) as served:
            handles = [f"{served.url}/examples/{name}/1" for name in (*contenders, "not-there")]
            found = hub.compare(handles, (texts, labels))
    print(found)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    found.plot(PICTURE)
    print(f"Drawn: {PICTURE}")


if __name__ == "__main__":
    main()
