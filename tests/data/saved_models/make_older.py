"""Writes two SavedModels by an old TensorFlow: what an Estimator exports, and a compiled model of Keras 2.

``python make_older.py`` with TensorFlow 2.12, the oldest for Python 3.11.
"""

import inspect
import shutil
import tempfile
from pathlib import Path

import tensorflow as tf

HERE = Path(__file__).parent
inspect.getargspec = inspect.getfullargspec  # Estimator is older than Python 3.11


def estimator(folder):
    """A classifier with a vocabulary."""
    with tempfile.TemporaryDirectory() as temporary:
        vocabulary = Path(temporary, "words.txt")
        vocabulary.write_text("one\ntwo\nthree\n")
        words = tf.feature_column.categorical_column_with_vocabulary_file("word", str(vocabulary), 3)
        columns = [tf.feature_column.embedding_column(words, 2)]
        data = ({"word": [["one"], ["two"]]}, [[0], [1]])
        model = tf.estimator.DNNClassifier([2], columns, model_dir=str(Path(temporary, "model")), optimizer="SGD")
        model.train(lambda: tf.data.Dataset.from_tensors(data), steps=1)
        spec = tf.feature_column.make_parse_example_spec([words])
        receiver = tf.estimator.export.build_parsing_serving_input_receiver_fn(spec)
        shutil.copytree(model.export_saved_model(temporary, receiver).decode(), folder)


def compiled(folder):
    """A model with a regularizer and an optimizer that has state."""
    layers = tf.keras.layers
    dense = layers.Dense(2, name="dense", kernel_regularizer="l2", input_shape=[3])
    model = tf.keras.Sequential([dense, layers.Dropout(0.5)])
    model.compile("adam", "mse")
    model.fit([[1.0, 2.0, 3.0]], [[1.0, 1.0]], verbose=0)
    model.save(folder, save_format="tf")


for name, make in {"estimator": estimator, "keras2_compiled": compiled}.items():
    shutil.rmtree(HERE / name, ignore_errors=True)
    make(str(HERE / name))
