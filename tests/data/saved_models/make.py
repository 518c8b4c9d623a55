"""Writes the SavedModels beside this file: real exports of each format, as small as they get.

``python make.py [NAME...]`` with TensorFlow 2.21 and Keras 3, then once more with TF_USE_LEGACY_KERAS=1 and tf_keras.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import tensorflow as tf

HERE = Path(__file__).parent
LEGACY_KERAS = os.environ.get("TF_USE_LEGACY_KERAS") == "1"
v1 = tf.compat.v1


class Lookup(tf.Module):
    """A tf.Module with variables, a vocabulary, and signatures of several inputs, outputs and layouts."""

    def __init__(self, vocabulary):
        super().__init__()
        initializer = tf.lookup.TextFileInitializer(
            vocabulary, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
        )
        self.table = tf.lookup.StaticHashTable(initializer, default_value=3)
        self.embedding = tf.Variable(tf.reshape(tf.range(8.0), [4, 2]), name="embedding")
        self.scale = tf.Variable(2.0, name="scale", trainable=False)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, words):
        return tf.gather(self.embedding, self.table.lookup(words)) * self.scale

    @tf.function(
        input_signature=[tf.TensorSpec([None, 2], tf.float16, "left"), tf.TensorSpec(None, tf.int32, "right")]
    )
    def both(self, left, right):
        return {"any": right + 1, "pair": tf.cast(left, tf.float32) * self.scale}

    @tf.function(input_signature=[tf.RaggedTensorSpec([None, None], tf.float32)])
    def ragged(self, x):
        return {"y": x * self.scale}


class Plain(tf.Module):
    """Nothing to restore and nothing to read."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def __call__(self, x):
        return x + 1.0


class Functions(tf.Module):
    """Functions with all kinds of parameters, a sub-object, and variables of which the graph does not tell all."""

    def __init__(self):
        super().__init__()
        self.open = tf.Variable([1.0, 2.0, 3.0], shape=[None], name="open")
        self.words = tf.Variable(["a", "bc"], name="words", trainable=False)
        self.encoder = tf.Module()
        spec = tf.SparseTensorSpec([None, 4], tf.float32)
        self.encoder.__call__ = tf.function(lambda x: tf.sparse.to_dense(x), input_signature=[spec])
        self.concrete = tf.function(lambda x: x * 2.0).get_concrete_function(tf.TensorSpec([2], tf.float32, "x"))
        inputs = [tf.TensorSpec([None], tf.float32), {"a": tf.TensorSpec([], tf.int64)}]
        self.__call__.get_concrete_function(inputs, training=True)
        self.__call__.get_concrete_function(inputs, training=False, rate=tf.TensorSpec([], tf.float32))
        text = tf.TensorSpec([], tf.string)
        self.joined.get_concrete_function(text, text, end=text)

    @tf.function
    def __call__(self, inputs, training=False, *, rate=0.5):
        x, more = inputs
        return x * rate if training else x + self.open[0], more["a"]

    @tf.function
    def joined(self, *parts, **more):
        return tf.strings.join([*parts, more["end"], self.words[0]])


def module(folder):
    with tempfile.TemporaryDirectory() as temporary:
        vocabulary = Path(temporary) / "words.txt"
        vocabulary.write_text("one\ntwo\nthree\n")
        obj = Lookup(str(vocabulary))
        signatures = {"serving_default": obj.__call__, "both": obj.both, "ragged": obj.ragged}
        tf.saved_model.save(obj, folder, signatures=signatures)


def functions(folder):
    tf.saved_model.save(Functions(), folder)


def no_variables(folder):
    tf.saved_model.save(Plain(), folder)


def keras_model():
    layers = tf.keras.layers
    return tf.keras.Sequential([layers.Input([3]), layers.Dense(2, name="dense"), layers.BatchNormalization(name="bn")])


def keras2(folder):
    keras_model().save(folder, save_format="tf", include_optimizer=False)


def keras2_exported(folder):
    keras_model().export(folder)


def keras3(folder):
    keras_model().export(folder, verbose=False)


def keras3_saved(folder):
    tf.saved_model.save(keras_model(), folder)


def graphs(folder, *, as_text=False):
    """Two tag sets on one set of variables, with a vocabulary."""
    with tempfile.TemporaryDirectory() as temporary:
        vocabulary = Path(temporary) / "words.txt"
        vocabulary.write_text("one\ntwo\n")
        builder = v1.saved_model.Builder(folder)
        for tags in (["serve"], ["serve", "gpu"]):
            with tf.Graph().as_default(), v1.Session() as session:
                asset = tf.constant(str(vocabulary))
                v1.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, asset)
                x = v1.placeholder(tf.float32, [None, 2], "x")
                w = v1.get_variable("w", [2, 1], use_resource=False, initializer=v1.ones_initializer())
                y = tf.matmul(x, w)
                sparse = v1.sparse_placeholder(tf.float32, [None, 2], "s")
                dense = tf.sparse.to_dense(sparse)
                info = v1.saved_model.utils.build_tensor_info
                signatures = {
                    "serving_default": v1.saved_model.signature_def_utils.predict_signature_def({"x": x}, {"y": y}),
                    "sparse": v1.saved_model.signature_def_utils.build_signature_def(
                        {"s": info(sparse)}, {"dense": info(dense)}, "tensorflow/serving/predict"
                    ),
                }
                session.run(v1.global_variables_initializer())
                options = {
                    "signature_def_map": signatures,
                    "assets_collection": v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS),
                    "strip_default_attrs": True,
                }
                if tags == ["serve"]:
                    builder.add_meta_graph_and_variables(session, tags, **options)
                else:
                    builder.add_meta_graph(tags, **options)
        builder.save(as_text=as_text)


def graphs_as_text(folder):
    graphs(folder, as_text=True)


def write(name, make):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    make(str(folder))


EVERY = (keras2, keras2_exported) if LEGACY_KERAS else (
    module, functions, no_variables, keras3, keras3_saved, graphs, graphs_as_text
)
for make in EVERY:
    if not sys.argv[1:] or make.__name__ in sys.argv[1:]:
        write(make.__name__, make)
