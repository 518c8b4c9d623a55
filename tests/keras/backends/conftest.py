"""Tests of the layer where Keras runs on JAX or PyTorch; the rows keras-jax and keras-torch collect them."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

BACKEND = keras.backend.backend()


class Statistics(tf.train.Checkpoint):
    """float32[?, 3] -> float32[?, 2]: a matrix, and the mean of a batch, whose moving mean inference subtracts."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], name="kernel")
        self.mean = tf.Variable([0.0, 0.0], trainable=False, name="mean")
        self.variables = [self.kernel, self.mean]
        self.trainable_variables = [self.kernel]
        self.regularization_losses = [tf.function(lambda: 0.1 * tf.nn.l2_loss(self.kernel), input_signature=[])]
        for training in (False, True):
            self.__call__.get_concrete_function(tf.TensorSpec([None, 3]), training=training)

    @tf.function
    def __call__(self, inputs, training=False):
        outputs = inputs @ self.kernel
        if not training:
            return outputs - self.mean
        batch = tf.reduce_mean(outputs, axis=0)
        self.mean.assign(0.9 * self.mean + 0.1 * batch)
        return outputs - batch


class Blocks(tf.train.Checkpoint):
    """float32[?, 3] -> float32[?, 2]: the matrices of a block and of a head; training counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.block = tf.Variable([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], name="block/kernel")
        self.head = tf.Variable([[0.1, 0.2], [0.3, 0.4]], name="head/kernel")
        self.calls = tf.Variable(0.0, trainable=False, name="calls")
        self.variables = [self.block, self.head, self.calls]
        self.trainable_variables = [self.block, self.head]
        for training in (False, True):
            self.__call__.get_concrete_function(tf.TensorSpec([None, 3]), training=training)

    @tf.function
    def __call__(self, inputs, training=False):
        if training:
            self.calls.assign_add(1.0)
        return inputs @ self.block @ self.head


class Words(tf.train.Checkpoint):
    """string[?] -> float32[?, 2]: a trained vector for each of some words."""

    def __init__(self) -> None:
        super().__init__()
        self.table = tf.Variable([[0.0, 0.0], [1.0, 2.0], [3.0, 4.0]], name="table")
        self.words = tf.Variable(["", "good", "bad"], trainable=False, name="words")
        self.variables = [self.table, self.words]
        self.trainable_variables = [self.table]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts):
        return tf.gather(self.table, tf.argmax(texts[:, None] == self.words, axis=1))


class Numbers(tf.Module):
    """int64[?, 2] -> their sums as int64, and as a ragged tensor of the odd ones."""

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.int64)])
    def __call__(self, numbers):
        return {"sums": tf.reduce_sum(numbers, axis=1), "odd": tf.ragged.boolean_mask(numbers, numbers % 2 == 1)}


def _saved(tmp_path_factory: pytest.TempPathFactory, model: object) -> str:
    path = str(tmp_path_factory.mktemp("model"))
    tf.saved_model.save(model, path)
    return path


@pytest.fixture(scope="session")
def statistics(tmp_path_factory: pytest.TempPathFactory) -> str:
    return _saved(tmp_path_factory, Statistics())


@pytest.fixture(scope="session")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> str:
    return _saved(tmp_path_factory, Blocks())


@pytest.fixture(scope="session")
def words(tmp_path_factory: pytest.TempPathFactory) -> str:
    return _saved(tmp_path_factory, Words())


@pytest.fixture(scope="session")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> str:
    return _saved(tmp_path_factory, Numbers())


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(8, 3)).astype("float32")


@pytest.fixture
def y() -> np.ndarray:
    return np.random.default_rng(2).normal(size=(8, 1)).astype("float32")


@pytest.fixture
def make_model() -> Callable[..., keras.Model]:
    """Makes a compiled model of three inputs around a layer."""

    def make(layer: keras.layers.Layer) -> keras.Model:
        head = keras.layers.Dense(1, kernel_initializer="ones")
        model = keras.Sequential([keras.Input((3,)), layer, head])
        model.compile(keras.optimizers.SGD(0.1), "mse")
        return model

    return make


def array(tensor: object) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def is_tensor(value: object) -> bool:
    """Whether it is a tensor of the backend."""
    return not tf.is_tensor(value) and isinstance(value, type(keras.ops.zeros(1)))
