"""The sample models: each a small (or real) SavedModel with what a conformance test must know about it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

DATA = Path(__file__).parents[1] / "data"
BATCH = 4
IS_KERAS_3 = hasattr(tf.keras, "version")
BACKEND = tf.keras.backend.backend()
COMPILE_SLOWLY = ("face_features", "exported_convolution")
"""XLA takes a minute or more for their convolutions."""


@dataclasses.dataclass(frozen=True)
class Sample:
    """One model.

    Attributes:
        name: The test's parameter.
        write: Writes the SavedModel into an empty folder.
        inputs: A batch of four.
        options: How `hub.KerasLayer` is to call it.
        direct: The same call on the loaded object, without a layer: ``direct(obj, inputs, training)``.
        trains: Whether it can be fine-tuned.
        native: Makes a Keras model of the same layers.
        dropout: Whether training drops out units: by a fixed seed, from which XLA and replicas draw other masks.
        xla: Whether XLA can compile it.
        noise: By how much weights may differ after a few training steps, where rounding is amplified.
        trainable: How many variables are fine-tuned.
        idle: How many of these have rounding errors for gradients: a bias before a batch normalization.
        others: How many are not.
        moving: How many of the others training changes nevertheless: statistics and seeds.
        losses: How many regularization losses it has.
        strings: How many of the others are strings, which stay in TensorFlow where Keras runs on another backend.
        wide: How many of them are 64-bit numbers, which do so on JAX.
        written_by_keras: Whether a Keras model writes it, which it does on TensorFlow alone.
    """

    name: str
    write: Callable[[Path], None]
    inputs: Any
    direct: Callable[[Any, Any, bool], Any]
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    load_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    trains: bool = True
    native: Callable[[], Any] | None = None
    dropout: bool = False
    xla: bool = True
    noise: float = 1e-6
    trainable: int = 0
    idle: int = 0
    others: int = 0
    moving: int = 0
    losses: int = 0
    strings: int = 0
    wide: int = 0
    written_by_keras: bool = False

    @property
    def unheld(self) -> int:
        """How many of the others Keras cannot hold."""
        return {"tensorflow": 0, "torch": self.strings, "jax": self.strings + self.wide}[BACKEND]

    @property
    def in_models(self) -> bool:
        """Whether its inputs can go through a Keras model: only TensorFlow has strings and ragged tensors."""
        strings = any(x.dtype == tf.string for x in tf.nest.flatten(self.inputs))
        return BACKEND == "tensorflow" or not (self.ragged or strings)

    @property
    def single_input(self) -> bool:
        return not isinstance(self.inputs, (dict, list))

    @property
    def ragged(self) -> bool:
        return isinstance(self.inputs, tf.RaggedTensor)

    def __str__(self) -> str:
        return self.name


def call(obj: Any, inputs: Any, training: bool) -> Any:
    return obj(inputs)


def call_with_training(obj: Any, inputs: Any, training: bool) -> Any:
    return obj(inputs, training=training)


def floats(*shape: int, seed: int = 0) -> tf.Tensor:
    return tf.constant(np.random.default_rng(seed).normal(size=(BATCH, *shape)), tf.float32)


def _raw(variable: Any) -> Any:
    return variable.value if IS_KERAS_3 else variable


def _dense_layers(model: Any) -> list[Any]:
    return [layer for layer in model.layers if hasattr(layer, "kernel_regularizer")]


class Reusable(tf.train.Checkpoint):
    """A Keras model (or any function of Keras layers) behind the reusable interface."""

    def __init__(self, model: Any, *specs: Any) -> None:
        super().__init__()
        self.model = model
        self.variables = [_raw(v) for v in model.variables]
        self.trainable_variables = [_raw(v) for v in model.trainable_variables]
        kernels = [(layer.kernel_regularizer, _raw(layer.kernel)) for layer in _dense_layers(model)]
        self.regularization_losses = [
            tf.function(functools.partial(regularizer, kernel), input_signature=[])
            for regularizer, kernel in kernels
            if regularizer is not None
        ]
        for training in (False, True):
            self.__call__.get_concrete_function(*specs, training=training)

    @tf.function
    def __call__(self, inputs: Any, training: bool = False) -> Any:
        return self.model(inputs, training=training)


def _dense_model(*, dropout: bool) -> Any:
    """Dense layers with regularizers around a batch normalisation and, if wanted, a dropout."""
    keras = tf.keras
    keras.utils.set_random_seed(7)
    regularizer = keras.regularizers.L2(0.01)
    return keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(6, activation="relu", kernel_regularizer=regularizer, name="first"),
            keras.layers.BatchNormalization(momentum=0.9, name="norm"),
            *([keras.layers.Dropout(0.5, seed=11, name="dropout")] if dropout else []),
            keras.layers.Dense(3, kernel_regularizer=regularizer, name="second"),
        ]
    )


_dense = functools.partial(_dense_model, dropout=True)
_normalized = functools.partial(_dense_model, dropout=False)


def _convolution() -> Any:
    keras = tf.keras
    keras.utils.set_random_seed(7)
    return keras.Sequential(
        [
            keras.Input((6, 5, 2)),
            keras.layers.Conv2D(4, 3, activation="relu", kernel_regularizer="l2", name="convolution"),
            keras.layers.BatchNormalization(momentum=0.9, name="norm"),
            keras.layers.GlobalAveragePooling2D(),
            # Keras 2 gives the dropout of each trace another seed.
            *([keras.layers.Dropout(0.5, seed=11, name="dropout")] if IS_KERAS_3 else []),
            keras.layers.Dense(3, kernel_regularizer=keras.regularizers.L2(0.01), name="dense"),
        ]
    )


def _write_convolution(folder: Path) -> None:
    import rehub

    rehub.export(_convolution(), folder)


def _write_vectorized_text(folder: Path) -> None:
    import rehub

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
    rehub.export(model, folder)
    vocabulary.unlink()


def _keras2() -> Any:
    layers = tf.keras.layers
    return tf.keras.Sequential([layers.Input((3,)), layers.Dense(2), layers.BatchNormalization()])


class _TextEmbedding(tf.train.Checkpoint):
    def __init__(self, vocabulary: Path) -> None:
        super().__init__()
        self.vocabulary = tf.saved_model.Asset(str(vocabulary))
        initializer = tf.lookup.TextFileInitializer(
            self.vocabulary,
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        )
        self.table = tf.lookup.StaticVocabularyTable(initializer, num_oov_buckets=1)
        self.embeddings = tf.Variable(np.random.default_rng(1).normal(size=(5, 6)), dtype=tf.float32, name="embeddings")
        self.words = tf.Variable(["a", "b\0c"], trainable=False, name="words")
        self.variables = [self.embeddings, self.words]
        self.trainable_variables = [self.embeddings]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, sentences: Any) -> Any:
        words = tf.strings.split(sentences).to_tensor("")
        vectors = tf.nn.embedding_lookup(self.embeddings, self.table.lookup(words))
        return tf.reduce_mean(vectors, axis=1)


def _write_text(folder: Path) -> None:
    vocabulary = folder.parent / f"{folder.name}-vocabulary.txt"
    vocabulary.write_text("good\nbad\nmovie\nday\n")
    tf.saved_model.save(_TextEmbedding(vocabulary), str(folder))


class _Dicts(tf.train.Checkpoint):
    def __init__(self) -> None:
        super().__init__()
        self.w = tf.Variable([[1.0], [2.0], [3.0]], name="w")
        self.variables = [self.w]
        self.trainable_variables = [self.w]

    @tf.function(
        input_signature=[{"left": tf.TensorSpec([None, 3], tf.float32), "right": tf.TensorSpec([None, 3], tf.float32)}]
    )
    def __call__(self, inputs: Any) -> Any:
        product = inputs["left"] @ self.w
        return {"product": product, "sum": product + inputs["right"]}


class _Lists(tf.train.Checkpoint):
    def __init__(self) -> None:
        super().__init__()
        self.w = tf.Variable([1.0, -1.0], name="w")
        self.variables = [self.w]
        self.trainable_variables = [self.w]

    @tf.function(input_signature=[[tf.TensorSpec([None, 2], tf.float32), tf.TensorSpec([None, 2], tf.float32)]])
    def __call__(self, inputs: Any) -> Any:
        return [inputs[0] * self.w, inputs[1] - self.w]


class _Ragged(tf.train.Checkpoint):
    def __init__(self) -> None:
        super().__init__()
        self.table = tf.Variable(np.random.default_rng(2).normal(size=(9, 4)), dtype=tf.float32, name="table")
        self.variables = [self.table]
        self.trainable_variables = [self.table]

    @tf.function(input_signature=[tf.RaggedTensorSpec([None, None], tf.int32)])
    def __call__(self, tokens: Any) -> Any:
        return tf.reduce_sum(tf.gather(self.table, tokens), axis=1)


class _Linear(tf.train.Checkpoint):
    def __init__(self, kernel: Any) -> None:
        super().__init__()
        self.kernel = tf.Variable(kernel, dtype=tf.float32, name="kernel")
        self.variables = [self.kernel]
        self.trainable_variables = [self.kernel]

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32)])
    def __call__(self, inputs: Any) -> Any:
        return inputs @ self.kernel


class _SubObjects(tf.train.Checkpoint):
    """Named parts that follow the interface themselves, and a method."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = _Linear(np.eye(3) * 2)
        self.decoder = _Linear(np.eye(3) / 4)
        self.variables = [self.encoder.kernel, self.decoder.kernel]
        self.trainable_variables = [self.encoder.kernel]  # the decoder is frozen on purpose

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32)])
    def __call__(self, inputs: Any) -> Any:
        return self.decoder(self.encoder(inputs))

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32)])
    def encode(self, inputs: Any) -> Any:
        return self.encoder(inputs)


class _Hyperparameters(tf.train.Checkpoint):
    def __init__(self) -> None:
        super().__init__()
        self.w = tf.Variable([2.0, 3.0], name="w")
        self.variables = [self.w]
        self.trainable_variables = [self.w]
        for training in (False, True):
            self.__call__.get_concrete_function(
                tf.TensorSpec([None, 2], tf.float32), training=training, scale=tf.TensorSpec([], tf.float32)
            )

    @tf.function
    def __call__(self, inputs: Any, training: bool = False, scale: Any = 1.0) -> Any:
        return inputs * self.w * scale + (1.0 if training else 0.0)


class _PlainModule(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable([[1.0, 2.0], [3.0, 4.0]], name="kernel")
        self.offset = tf.Variable([0.5, 0.5], trainable=False, name="offset")

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32)])
    def __call__(self, inputs: Any) -> Any:
        return inputs @ self.kernel + self.offset


def _saves(make: Callable[[], Any]) -> Callable[[Path], None]:
    return lambda folder: tf.saved_model.save(make(), str(folder))


def _copies(source: Path) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        import shutil

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


def _write_converted(folder: Path) -> None:
    """A module in the TF1 Hub format: dense layers with regularizers around a batch normalisation."""
    from rehub.runtime.lift_tf1 import lift

    tf.saved_model.save(lift(DATA / "tf1_hub" / "rich"), str(folder))


def _guesslang() -> Path:
    import importlib.util

    spec = importlib.util.find_spec("guesslang")
    assert spec is not None, "guesslang is part of the test environments"
    assert spec.origin is not None
    return Path(spec.origin).parent / "data" / "model"


def _face_features() -> Path:
    import rehub

    return Path(rehub.__file__).parent / "demo" / "hub" / "rehub" / "face-features" / "1"


SAMPLES = [
    Sample(
        "dense",
        _saves(lambda: Reusable(_dense(), tf.TensorSpec([None, 8], tf.float32))),
        floats(8),
        call_with_training,
        native=_dense,
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
        _saves(lambda: Reusable(_normalized(), tf.TensorSpec([None, 8], tf.float32))),
        floats(8),
        call_with_training,
        native=_normalized,
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
        _saves(_Dicts),
        {"left": floats(3), "right": floats(3, seed=1)},
        call,
        trainable=1,
    ),
    Sample("lists", _saves(_Lists), [floats(2), floats(2, seed=1)], call, trainable=1),
    Sample(
        "ragged", _saves(_Ragged), tf.ragged.constant([[1, 2], [3], [], [4, 5, 6]], dtype=tf.int32), call, trainable=1
    ),
    Sample("sub_objects", _saves(_SubObjects), floats(3), call, trainable=1, others=1),
    Sample(
        "hyperparameters",
        _saves(_Hyperparameters),
        floats(2),
        lambda obj, inputs, training: obj(inputs, training=training, scale=tf.constant(0.5)),
        options={"arguments": {"scale": 0.5}},
        trainable=1,
    ),
    Sample("plain_module", _saves(_PlainModule), floats(2), call, trainable=1, others=1),
    Sample(
        "converted_module",
        _write_converted,
        floats(4),
        call_with_training,
        trainable=6,
        idle=1,
        others=2,
        moving=2,
        losses=2,
    ),
    Sample(
        "exported_convolution",
        _write_convolution,
        floats(6, 5, 2),
        call_with_training,
        native=_convolution,
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
        native=_keras2,
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
        load_options={"tags": ["train"]},
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
