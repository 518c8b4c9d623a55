"""What batch normalization does while a layer trains; the words are those of ``KerasLayer(batch_norm=...)``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

from rehub.errors import SignatureError
from rehub.runtime.tf_version import import_tensorflow

BatchNorm = Literal["train", "frozen", "inference"]
"""``train``: the model's ``training=True``. ``frozen``: the same, and moving statistics keep their values.
``inference``: the model's ``training=False``, while weights are trained."""

_MODES = ("train", "frozen", "inference")


def check(mode: str, has_training_argument: bool, model: str) -> None:
    """Refuses what is no mode, and modes that the model does not have.

    Raises:
        SignatureError: If ``mode`` is none, or chooses between traces and the model has one.
    """
    if mode not in _MODES:
        raise SignatureError(
            f"batch_norm={mode!r} is no mode.",
            hint="Choose one of 'train' (training=True), 'frozen' (the same, but moving statistics are not updated) "
            "and 'inference' (training=False).",
            available=_MODES,
        )
    if mode != "train" and not has_training_argument:
        raise SignatureError(
            f"batch_norm={mode!r} is about calls with training=True, and '{model}' is called without training=.",
            hint="Leave batch_norm out: what is called here always computes the same.",
        )


def call_keeping(variables: Iterable[Any], call: Callable[[], Any]) -> Any:
    """Calls something, and puts the floating-point numbers that it assigned to variables back.

    Each replica of a ``tf.distribute`` strategy reads and assigns its own, by their handles. In graphs, a function of
    its own keeps the order: those that sessions run, and branches in them, have no automatic control dependencies.
    """
    tf = import_tensorflow()
    if tf.executing_eagerly():
        return _call_keeping(variables, call)
    return tf.function(lambda: _call_keeping(variables, call), autograph=False)()


def _call_keeping(variables: Iterable[Any], call: Callable[[], Any]) -> Any:
    tf = import_tensorflow()
    handles = [(variable.handle, variable.dtype) for variable in variables if variable.dtype.is_floating]
    before = [tf.raw_ops.ReadVariableOp(resource=handle, dtype=dtype) for handle, dtype in handles]
    try:
        return call()
    finally:
        for (handle, _), value in zip(handles, before, strict=True):
            tf.raw_ops.AssignVariableOp(resource=handle, value=value)
