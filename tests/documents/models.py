"""Small models that keep the promises of the Reusable SavedModel interface, as their publishers would write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

v1 = tf.compat.v1

IMAGE_SIZE = 8
FEATURES = 6
EMBEDDING_SIZE = 128
VOCABULARY = ("a", "long", "sentence", "single", "word", "good", "bad", "film")


class TextEmbedding(tf.train.Checkpoint):
    """Sentences to one vector each: the mean of the embeddings of their words, which stand in a vocabulary asset."""

    def __init__(self, vocabulary: Path) -> None:
        super().__init__()
        initializer = tf.lookup.TextFileInitializer(
            str(vocabulary),
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        )
        self.table = tf.lookup.StaticVocabularyTable(initializer, num_oov_buckets=1)
        shape = [len(VOCABULARY) + 1, EMBEDDING_SIZE]
        self.embeddings = tf.Variable(tf.random.stateless_normal(shape, seed=[1, 2]), name="embeddings")
        self.variables = [self.embeddings]
        self.trainable_variables = [self.embeddings]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "sentences")])
    def __call__(self, sentences):
        words = self.tokenize(sentences)
        rows = tf.nn.embedding_lookup(self.embeddings, self.table.lookup(words.values))
        return tf.reduce_mean(tf.RaggedTensor.from_row_splits(rows, words.row_splits, validate=False), axis=1)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "sentences")])
    def tokenize(self, sentences):
        return tf.strings.split(tf.strings.regex_replace(tf.strings.lower(sentences), "[^a-z]+", " "))


class ImageFeatures(tf.train.Checkpoint):
    """A convolution with batch normalisation and dropout, two regularizers, one frozen variable and a sub-object."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable(tf.random.stateless_normal([3, 3, 3, FEATURES], seed=[3, 4]), name="kernel")
        self.gamma = tf.Variable(tf.ones([FEATURES]), name="gamma")
        self.moving_mean = tf.Variable(tf.zeros([FEATURES]), trainable=False, name="moving_mean")
        self.trainable_variables = [self.kernel, self.gamma]
        self.variables = [*self.trainable_variables, self.moving_mean]
        self.regularization_losses = [l2(self.kernel, 0.01), l2(self.gamma, 0.1)]
        self.head = Head(self.gamma)

    @tf.function
    def __call__(self, images, training=False):
        features = tf.reduce_mean(tf.nn.conv2d(images, self.kernel, strides=1, padding="VALID"), axis=[1, 2])
        if training:
            mean = tf.reduce_mean(features, axis=0)
            self.moving_mean.assign(0.9 * self.moving_mean + 0.1 * mean)
            return tf.nn.dropout((features - mean) * self.gamma, rate=0.5)
        return (features - self.moving_mean) * self.gamma


class Head(tf.train.Checkpoint):
    """A named sub-object: scales features; shares a variable with the model that it belongs to."""

    def __init__(self, scale: tf.Variable) -> None:
        super().__init__()
        self.scale = scale
        self.variables = [scale]
        self.trainable_variables = [scale]

    @tf.function(input_signature=[tf.TensorSpec([None, FEATURES], tf.float32)])
    def __call__(self, features):
        return features * self.scale


def l2(variable: tf.Variable, factor: float) -> Callable[[], Any]:
    return tf.function(lambda: factor * tf.reduce_sum(variable**2), input_signature=[])


def save_text_embedding(folder: Path, scratch: Path) -> None:
    vocabulary = scratch / "vocabulary.txt"
    vocabulary.write_text("\n".join(VOCABULARY) + "\n")
    tf.saved_model.save(TextEmbedding(vocabulary), str(folder))


def save_image_features(folder: Path) -> None:
    obj = ImageFeatures()
    images = tf.TensorSpec([None, IMAGE_SIZE, IMAGE_SIZE, 3], tf.float32, "images")
    inference = obj.__call__.get_concrete_function(images, training=False)
    obj.__call__.get_concrete_function(images, training=True)
    tf.saved_model.save(obj, str(folder), signatures={"serving_default": inference})


def save_tagged_graph(folder: Path) -> None:
    """A SavedModel of TensorFlow 1 with the tags foo and bar, whose signature "sig" has two inputs and two outputs."""
    with tf.Graph().as_default(), v1.Session() as session:
        x1, x2 = v1.placeholder(tf.float32, [None], "x1"), v1.placeholder(tf.float32, [None], "x2")
        weight = v1.get_variable("weight", initializer=3.0, use_resource=True)
        signature = v1.saved_model.predict_signature_def({"x1": x1, "x2": x2}, {"sum": x1 + x2, "scaled": x1 * weight})
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, ["foo", "bar"], {"sig": signature}, strip_default_attrs=True)
        builder.save()
