"""Small models for the tests of the layer."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf


class Scale(tf.train.Checkpoint):
    """float32[?, 3] -> its product with a kernel; the doubled one in training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable([1.0, 2.0, 3.0], name="kernel")
        self.offset = tf.Variable(1.0, trainable=False, name="offset")
        self.variables = [self.kernel, self.offset]
        self.trainable_variables = [self.kernel]
        self.regularization_losses = [tf.function(lambda: tf.reduce_sum(self.kernel), input_signature=[])]
        for training in (False, True):
            self.__call__.get_concrete_function(tf.TensorSpec([None, 3], tf.float32), training=training)

    @tf.function
    def __call__(self, inputs, training=False):
        return inputs * self.kernel * (2.0 if training else 1.0) + self.offset

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
    def both(self, x):
        return {"product": x * self.kernel, "sum": x + self.kernel}

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
    def one(self, x):
        return {"product": x * self.kernel}


@pytest.fixture(scope="session")
def scale(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("scale")
    obj = Scale()
    tf.saved_model.save(obj, str(path), signatures={"both": obj.both, "one": obj.one})
    return str(path)


@pytest.fixture(scope="session")
def only_signatures(tmp_path_factory: pytest.TempPathFactory) -> str:
    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        def serve(self, x):
            return {"double": x * 2.0}

    path = tmp_path_factory.mktemp("signatures")
    module = Module()
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.serve})
    return str(path)


@pytest.fixture
def batch() -> tf.Tensor:
    return tf.constant(np.arange(6.0).reshape(2, 3), tf.float32)
