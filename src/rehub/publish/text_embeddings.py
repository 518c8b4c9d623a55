"""Word embeddings as models that embed texts: string ``[batch]`` to float32 ``[batch, dim]``."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from rehub.errors import PublishError
from rehub.publish import embedding_file
from rehub.publish.embedding_file import Embeddings
from rehub.runtime.remote import new_place
from rehub.runtime.tf_version import import_tensorflow
from rehub.tf1.builder import add_signature, create_module_spec

Format = Literal["tf1-hub", "saved-model"]
Combiner = Literal["mean", "sqrtn", "sum"]
Preprocessing = Literal["lower-case", "strip-punctuation"]

FORMATS: tuple[Format, ...] = ("tf1-hub", "saved-model")
COMBINERS: tuple[Combiner, ...] = ("mean", "sqrtn", "sum")
PREPROCESSING: tuple[Preprocessing, ...] = ("lower-case", "strip-punctuation")

_VOCABULARY = "vocabulary.txt"
_VARIABLE = "embeddings"


@dataclasses.dataclass(frozen=True)
class Embedding:
    """How texts are embedded.

    A text is split at white space; the embeddings of its words are combined. Words that are not in the vocabulary share
    buckets, whose embeddings begin with zeros and can be trained; without buckets they are left out. The embedding of a
    text without words is zero.

    Attributes:
        combiner: How the embeddings of the words of a text are combined: their mean, their sum, or the sum divided by
            the square root of their number (``sqrtn``).
        oov_buckets: The number of buckets of words that are not in the vocabulary.
        preprocessing: What is done to the texts first. Letters become ``lower-case``; with ``strip-punctuation``, each
            sign of punctuation becomes a space.
    """

    combiner: Combiner = "sqrtn"
    oov_buckets: int = 1
    preprocessing: Collection[Preprocessing] = ()

    def table(self, vocabulary: str) -> Any:
        """Returns a lookup table of the words in a file."""
        tf = import_tensorflow()
        words = tf.lookup.TextFileInitializer(
            vocabulary,
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        )
        if self.oov_buckets:
            return tf.lookup.StaticVocabularyTable(words, self.oov_buckets)
        return tf.lookup.StaticHashTable(words, default_value=-1)

    def embed(self, texts: Any, table: Any, embeddings: Any) -> Any:
        """Embeds texts.

        Args:
            texts: String ``[batch]``.
            table: What `table` returned.
            embeddings: A variable, float32 ``[words and buckets, dim]``.

        Returns:
            Float32 ``[batch, dim]``.
        """
        tf = import_tensorflow()
        if "lower-case" in self.preprocessing:
            texts = tf.strings.lower(texts, encoding="utf-8")
        if "strip-punctuation" in self.preprocessing:
            texts = tf.strings.regex_replace(texts, r"\pP", " ")
        words = tf.strings.split(texts).to_sparse()
        ids = tf.SparseTensor(words.indices, table.lookup(words.values), words.dense_shape)
        found = tf.nn.safe_embedding_lookup_sparse(embeddings, ids, combiner=self.combiner)
        return tf.ensure_shape(found, [None, embeddings.shape[1]])


def export_text_embeddings(
    source: Path,
    target: str | os.PathLike[str],
    embedding: Embedding = Embedding(),
    formats: Collection[Format] = FORMATS,
) -> Embeddings:
    """Makes models of a file of word embeddings.

    Their variable ``embeddings`` can be trained, and the vocabulary is an asset.

    Args:
        source: A word and its numbers on each line, as `rehub.publish.embedding_file.read` reads it.
        target: A folder that does not exist yet; may be in a place that TensorFlow alone can write to. A single model
            is written to it; several to folders in it, which are called as their formats.
        embedding: How texts are embedded.
        formats: ``tf1-hub`` for a module in TF1 Hub format, ``saved-model`` for a reusable SavedModel of TensorFlow 2.

    Returns:
        What was read.

    Raises:
        DependencyError: If there is no TensorFlow.
        FormatError: If the file cannot be read or is malformed.
        PublishError: If the folder exists, or cannot be written, or there is nothing to write.
    """
    import_tensorflow()  # large files take a minute to read
    if not formats:
        raise PublishError("no format is given to write.", hint=f"Choose some of {', '.join(FORMATS)}.")
    with new_place(target) as folder, tempfile.TemporaryDirectory() as temporary:
        content = embedding_file.read(source)
        vocabulary = Path(temporary) / _VOCABULARY
        with vocabulary.open("wb") as file:
            file.writelines(word + b"\n" for word in content.words)
        matrix = _matrix(content, embedding.oov_buckets)
        for name in formats:
            write = _write_module if name == "tf1-hub" else _write_saved_model
            write(folder / name if len(formats) > 1 else folder, embedding, vocabulary, matrix)
    return content


def _matrix(content: Embeddings, oov_buckets: int) -> Any:
    """The embeddings of words and buckets, without a copy."""
    import numpy as np

    content.numbers.frombytes(bytes(content.numbers.itemsize * content.dim * oov_buckets))
    return np.frombuffer(content.numbers, np.float32).reshape(-1, content.dim)


def _write_module(folder: Path, embedding: Embedding, vocabulary: Path, matrix: Any) -> None:
    tf = import_tensorflow()

    def module_fn() -> None:
        texts = tf.compat.v1.placeholder(tf.string, [None], "texts")
        # The values come later: in the graph, they would be limited to 2 GB.
        embeddings = tf.compat.v1.get_variable(
            _VARIABLE, matrix.shape, tf.float32, tf.compat.v1.zeros_initializer(), use_resource=True
        )
        add_signature(inputs=texts, outputs=embedding.embed(texts, embedding.table(str(vocabulary)), embeddings))

    create_module_spec(module_fn).write(folder, {_VARIABLE: matrix})


def _write_saved_model(folder: Path, embedding: Embedding, vocabulary: Path, matrix: Any) -> None:
    tf = import_tensorflow()
    embeddings = tf.Variable(matrix, name=_VARIABLE)
    table = embedding.table(str(vocabulary))

    def call(texts: Any) -> Any:
        return embedding.embed(texts, table, embeddings)

    # In a tf.Module these are properties, which are not saved; reusable SavedModels have lists of these names.
    lists = dict.fromkeys(("variables", "trainable_variables"))
    model: Any = type("TextEmbedding", (tf.Module,), lists)()
    model.variables = model.trainable_variables = [embeddings]
    model.table = table
    model.__call__ = tf.function(call, input_signature=[tf.TensorSpec([None], tf.string, "texts")])
    tf.saved_model.save(model, str(folder), signatures=model.__call__)
