"""Search sentences by what they mean: embed them all with one model, and look up the nearest.

    python examples/semantic_search.py

The sentences are real: the first ones of the docstrings of networkx, scikit-image, matplotlib and three parts of SciPy.
The embedding is learned here from other text of theirs (see word_vectors.py) and published on a hub on this machine.

`hub.batch.predict` runs it on a CSV file, `hub.index.build` makes an index of what comes of it, and questions in plain
words find sentences that share few words with them. How often is the nearest sentence to one of the same topic? Wants
`pip install "rehub[ray,index]"`.
"""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import quiet  # noqa: F401 - hides what TensorFlow prints while it starts
import word_vectors
from rich.console import Console
from rich.table import Table
from texts import read_texts

import rehub as hub
from rehub.server import EmbeddedHub

QUESTIONS = ("shortest way between two nodes", "blur a photograph", "find the minimum of a function")
WIDTH = 48
ASKED = 300


def main() -> None:
    """Embeds the sentences, builds the index, asks it, and prints what it finds."""
    sentences, descriptions = read_texts()
    words, vectors = word_vectors.learn(descriptions)
    with tempfile.TemporaryDirectory() as scratch, hub.settings(cache_dir=f"{scratch}/cache", show_progress=False):
        folder = Path(scratch)
        word_vectors.export(words, vectors[:, -WIDTH:], folder / "models/examples/sentences/1")
        with (folder / "sentences.csv").open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["topic", "text"])
            rows.writerows((topic, text) for topic, texts in sentences.items() for text in texts)
        with EmbeddedHub(folder / "models") as served:
            handle = f"{served.url}/examples/sentences/1"
            done = hub.batch.predict(folder / "sentences.csv", handle, folder / "embeddings")
            built = hub.index.build(done.output, folder / "index")
            index = hub.index.open_index(built.folder)
            answers = index.query(QUESTIONS, count=3)
            asked = [(topic, text) for topic, texts in sentences.items() for text in texts]
            asked = asked[:: max(1, len(asked) // ASKED)]
            nearest = index.query([text for _, text in asked], count=2)
    table = Table("question", "topic", "nearest sentences", "score")
    for question, matches in zip(QUESTIONS, answers, strict=True):
        for place, match in enumerate(matches):
            table.add_row("" if place else question, match.row["topic"], match.row["text"], f"{match.score:.2f}")
    Console().print(table)
    # The first match is the sentence itself, or its twin.
    same = sum(matches[-1].row["topic"] == topic for (topic, _), matches in zip(asked, nearest, strict=True))
    share = f"{same / len(asked):.0%} of {len(asked)}"
    print(f"{built.size} sentences. The nearest other one is of the same topic for {share}.")


if __name__ == "__main__":
    main()
