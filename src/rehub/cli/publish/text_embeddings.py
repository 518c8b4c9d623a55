"""``rehub publish text-embeddings``: models of a file of word embeddings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rehub.cli import output
from rehub.cli.group import examples

if TYPE_CHECKING:
    from rehub.publish.text_embeddings import Combiner, Preprocessing


@click.command(
    "text-embeddings",
    epilog=examples(
        "rehub publish text-embeddings glove.6B.50d.txt model",
        "rehub publish text-embeddings --format saved-model --preprocess lower-case vectors.txt.gz model",
    ),
)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path())
@click.option(
    "--format",
    "which",
    type=click.Choice(["tf1-hub", "saved-model", "both"]),
    default="both",
    show_default=True,
    help="A module in TF1 Hub format, a SavedModel of TensorFlow 2, or both, in folders of these names.",
)
@click.option(
    "--oov-buckets",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Embeddings that words share which are not in FILE. They begin with zeros, and can be trained. With none, "
    "such words are left out.",
)
@click.option(
    "--combiner",
    type=click.Choice(["mean", "sqrtn", "sum"]),
    default="sqrtn",
    show_default=True,
    help="How the embeddings of the words of a text become one: their mean, sum, or sum divided by the square root of "
    "their number.",
)
@click.option(
    "--preprocess",
    type=click.Choice(["lower-case", "strip-punctuation"]),
    multiple=True,
    help="What the model does to a text before it looks for words. May be given twice.",
)
def command(
    file: Path, out: str, which: str, oov_buckets: int, combiner: Combiner, preprocess: tuple[Preprocessing, ...]
) -> None:
    """Make a text embedding model of a file of word embeddings.

    FILE has a word and its numbers on each line, separated by spaces, as GloVe and word2vec (as text) write it; it may
    be compressed by gzip. OUT is the folder to make. The model embeds texts, string [batch], as float32 [batch, dim]:
    it splits them at white space and combines the embeddings of the words. It can be fine-tuned. TensorFlow is needed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from rehub.publish.text_embeddings import FORMATS, Embedding, export_text_embeddings

    formats = [name for name in FORMATS if which in (name, "both")]
    content = export_text_embeddings(file, out, Embedding(combiner, oov_buckets, preprocess), formats)
    if content.num_repeated:
        output.tell_warning(
            f"{output.count(content.num_repeated, 'line')} left out: the words are on earlier lines, which count."
        )
    output.tell(f"Made models of {output.count(len(content.words), 'word')} with {content.dim:,} numbers each.")
    for name in formats:
        output.write(os.path.join(out, name) if len(formats) > 1 else out)  # noqa: PTH118 - may be a URL
