"""The sample models: each a small (or real) SavedModel with what a conformance test must know about it."""

from __future__ import annotations

import functools
import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

import rehub as hub
from rehub.runtime.lift_tf1 import lift
from tests.conformance import keras_models, modules
from tests.conformance.sample import BATCH, IS_KERAS_3, Sample, call, call_with_training, floats

DATA = Path(__file__).parents[1] / "data"
COMPILE_SLOWLY = ("face_features", "exported_convolution")
"""XLA takes a minute or more for their convolutions."""


def _saves(make: Callable[[], Any]) -> Callable[[Path], None]:
    return lambda folder: tf.saved_model.save(make(), str(folder))


def _copies(source: Path) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        shutil.copytree(source, folder, dirs_exist_ok=True)

    return write


def _write_tagged(folder: Path) -> None:
    """A TF1 SavedModel with two graphs: the one for serving adds 1, the one for training adds 2."""
    v1 = tf.compat.v1
    builder = v1.saved_model.Builder(str(folder))
    for place, tags in enumerate((["serve"], ["train"])):
        with v1.Graph().as_default(), v1.Session() as session:
            x = v1.placeholder(tf.float32, [None, 3])
            w = v1.get_variable("w", initializer=[1.0, 2.0, 3.0], use_resource=True)
            y = x * w + (place + 1.0)
            session.run(v1.global_variables_initializer())
            signature = v1.saved_model.predict_signature_def({"x": x}, {"y": y})
            if place == 0:
                builder.add_meta_graph_and_variables(session, tags, {"serving_default": signature})
            else:
                builder.add_meta_graph(tags, {"serving_default": signature})
    builder.save()


def _write_text(folder: Path) -> None:
    vocabulary = folder.parent / f"{folder.name}-vocabulary.txt"
    vocabulary.write_text("good\nbad\nmovie\nday\n")
    tf.saved_model.save(modules.TextEmbedding(vocabulary), str(folder))


def _write_convolution(folder: Path) -> None:
    hub.export(keras_models.convolution(), folder)


def _write_vectorized_text(folder: Path) -> None:
    vocabulary = folder.parent / f"{folder.name}-vocabulary.txt"
    vocabulary.write_text("good\nbad\nmovie\nday\n")
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            tf.keras.Input((), dtype="string"),
            layers.TextVectorization(vocabulary=str(vocabulary), output_sequence_length=3),
            layers.Embedding(6, 5, embeddings_initializer=tf.keras.initializers.RandomNormal(seed=3)),
            layers.GlobalAveragePooling1D(),
        ]
    )
    hub.export(model, folder)
    vocabulary.unlink()


def _write_adjustable(folder: Path) -> None:
    spec = tf.TensorSpec([None, 2], tf.float32)
    hub.export(modules.Adjustable(), folder, inputs=spec, arguments={"scale": 1.0, "centred": False})


def _converts(name: str) -> Callable[[Path], None]:
    """A module in the TF1 Hub format as a model of TensorFlow 2."""
    return lambda folder: hub.convert(DATA / "tf1_hub" / name, folder)


def _guesslang() -> Path:
    spec = importlib.util.find_spec("guesslang")
    assert spec is not None, "guesslang is part of the test environments"
    assert spec.origin is not None
    return Path(spec.origin).parent / "data" / "model"


def _face_features() -> Path:
    return Path(hub.__file__).parent / "demo" / "hub" / "rehub" / "face-features" / "1"


SAMPLES = [
    Sample(
        "dense",
        _saves(lambda: keras_models.Reusable(keras_models.dense(), tf.TensorSpec([None, 8], tf.float32))),
        floats(8),
        call_with_training,
        native=keras_models.dense,
        dropout=True,
        trainable=6,
        others=2 + IS_KERAS_3,  # Keras 3 keeps the seed in a variable
        moving=2 + IS_KERAS_3,
        losses=2,
        wide=int(IS_KERAS_3),
        written_by_keras=True,
    ),
    Sample(
        "normalized",
        _saves(lambda: keras_models.Reusable(keras_models.normalized(), tf.TensorSpec([None, 8], tf.float32))),
        floats(8),
        call_with_training,
        native=keras_models.normalized,
        trainable=6,
        others=2,
        moving=2,
        losses=2,
        written_by_keras=True,
    ),
    Sample(
        "text",
        _write_text,
        tf.constant(["good movie", "bad", "day", "a good day"]),
        call,
        xla=False,
        trainable=1,
        others=1,
        strings=1,
    ),
    Sample(
        "dicts",
        _saves(modules.Dicts),
        {"left": floats(3), "right": floats(3, seed=1)},
        call,
        trainable=1,
    ),
    Sample("lists", _saves(modules.Lists), [floats(2), floats(2, seed=1)], call, trainable=1),
    Sample(
        "ragged",
        _saves(modules.Ragged),
        tf.ragged.constant([[1, 2], [3], [], [4, 5, 6]], dtype=tf.int32),
        call,
        trainable=1,
    ),
    Sample("sub_objects", _saves(modules.SubObjects), floats(3), call, trainable=1, others=1),
    Sample(
        "hyperparameters",
        _saves(modules.Hyperparameters),
        floats(2),
        lambda obj, inputs, training: obj(inputs, training=training, scale=tf.constant(0.5)),
        options={"arguments": {"scale": 0.5}},
        trainable=1,
    ),
    Sample("plain_module", _saves(modules.PlainModule), floats(2), call, trainable=1, others=1),
    Sample(
        "converted_text",
        _converts("text_vocab"),
        tf.constant(["red blue", "green", "unknown", "blue"]),
        call_with_training,
        xla=False,
        trainable=3,
        losses=3,
        pairs_only=True,
    ),
    Sample(
        "converted_module",
        _converts("refvars"),
        floats(3),
        call_with_training,
        trainable=4,
        idle=1,
        others=2,
        moving=2,
        losses=1,
    ),
    Sample(
        "lifted_module",
        _copies(DATA / "tf1_hub" / "rich"),
        floats(4),
        call_with_training,
        load=lift,
        trainable=6,
        idle=1,
        others=2,
        moving=2,
        losses=2,
        pairs_only=True,
    ),
    Sample(
        "exported_module",
        _write_adjustable,
        floats(2),
        lambda obj, inputs, training: obj(inputs, training=training, scale=tf.constant(0.5), centred=True),
        options={"arguments": {"scale": 0.5, "centred": True}},
        trainable=1,
        others=1,
        moving=1,
        pairs_only=True,
    ),
    Sample(
        "exported_convolution",
        _write_convolution,
        floats(6, 5, 2),
        call_with_training,
        native=keras_models.convolution,
        dropout=IS_KERAS_3,
        trainable=6,
        others=2 + IS_KERAS_3,
        moving=2 + IS_KERAS_3,
        losses=2,
        wide=int(IS_KERAS_3),
        written_by_keras=True,
    ),
    Sample(
        "exported_text",
        _write_vectorized_text,
        tf.constant(["good movie", "bad", "day", "a good day"]),
        call_with_training,
        xla=False,
        trainable=1,
        written_by_keras=True,
    ),
    Sample(
        "keras2_saved",
        _copies(DATA / "saved_models" / "keras2"),
        floats(3),
        call_with_training,
        native=keras_models.keras2,
        trainable=4,
        idle=1,
        others=2,
        moving=2,
    ),
    Sample(
        "keras3_exported",
        _copies(DATA / "saved_models" / "keras3"),
        floats(3),
        lambda obj, inputs, training: obj.signatures["serving_default"](inputs)["output_0"],
        options={"signature": "serving_default", "output_key": "output_0", "allow_signature_training": True},
        trainable=4,
        others=2,
    ),
    Sample(
        "tf1_tagged",
        _write_tagged,
        floats(3),
        lambda obj, inputs, training: obj.signatures["serving_default"](inputs)["y"],
        options={"tags": ["train"], "signature": "serving_default", "output_key": "y"},
        load=functools.partial(hub.load, tags=["train"]),
        trains=False,
        others=1,
    ),
    Sample(
        "tf1_hub",
        _copies(DATA / "tf1_hub" / "half_plus_two"),
        floats(),
        lambda obj, inputs, training: obj.signatures["default"](inputs)["default"],
        trains=False,
        others=2,
    ),
    Sample(
        "guesslang",
        lambda folder: _copies(_guesslang())(folder),
        tf.constant(["def f(x):\n  return x\n", "int main() { return 0; }", "SELECT * FROM t;", "fn main() {}"]),
        lambda obj, inputs, training: obj.signatures["classification"](inputs=inputs)["scores"],
        options={"signature": "classification", "output_key": "scores"},
        xla=False,
        trains=False,
        others=10,
        wide=1,
    ),
    Sample(
        "face_features",
        lambda folder: _copies(_face_features())(folder),
        tf.constant(np.random.default_rng(5).uniform(0, 1, (BATCH, 64, 64, 3)), tf.float32),
        call_with_training,
        trainable=50,
        others=28,
        moving=28,
        losses=2,
        noise=1e-4,  # the loaded object's own eager and graph steps differ by as much: 8 convolutions, batch of 4
    ),
]


def write(name: str, folder: str) -> None:
    """Writes one of them."""
    next(sample for sample in SAMPLES if sample.name == name).write(Path(folder))
