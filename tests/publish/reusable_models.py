"""Small models as their publishers save them, good ones and such with one thing wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

SPEC = tf.TensorSpec([None, 4], tf.float32, "inputs")


def save(
    folder: Path,
    make_call: Callable[[Any], Callable[..., Any]] | None = None,
    *,
    traces: Sequence[tuple[Any, ...]] = ((SPEC, False), (SPEC, True)),
    adjust: Callable[[Any], object] = lambda obj: None,
    serves: bool = True,
) -> Path:
    """Saves an object with a kernel, an offset that is not trained, and a regularizer.

    Args:
        folder: Where.
        make_call: Gets the object and returns its ``__call__``.
        traces: The arguments that it is traced with.
        adjust: Changes the object before it is traced.
        serves: Whether it has a signature.
    """
    obj = tf.train.Checkpoint()
    obj.kernel = tf.Variable(tf.random.stateless_normal([4, 3], [1, 2]), name="kernel")
    obj.offset = tf.Variable(tf.zeros([3]), trainable=False, name="offset")
    obj.variables, obj.trainable_variables = [obj.kernel, obj.offset], [obj.kernel]
    obj.regularization_losses = [loss_of(lambda: tf.reduce_sum(obj.kernel**2))]
    obj.__call__ = tf.function((make_call or dense)(obj))
    adjust(obj)
    concrete = [obj.__call__.get_concrete_function(*arguments) for arguments in traces]
    tf.saved_model.save(obj, str(folder), {"serving_default": concrete[0]} if serves else {})
    return folder


def loss_of(compute: Callable[[], Any]) -> Any:
    return tf.function(compute, input_signature=[])


def dense(obj: Any) -> Callable[..., Any]:
    def call(inputs: Any, training: bool = False) -> Any:
        outputs = tf.matmul(inputs, obj.kernel)
        if training:
            obj.offset.assign_sub((obj.offset - tf.reduce_mean(outputs, 0)) * 0.1)
        return outputs + obj.offset

    return call


def computing(compute: Callable[[Any, Any], Any]) -> Callable[[Any], Callable[..., Any]]:
    """A call of what computes outputs from the object and inputs."""

    def make_call(obj: Any) -> Callable[..., Any]:
        def call(inputs: Any, training: bool = False) -> Any:
            return compute(obj, inputs) + obj.offset

        return call

    return make_call
