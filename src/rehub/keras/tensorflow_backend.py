"""Keras 3 on TensorFlow: Keras' variables are those of the model, and its tensors too."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf


class TensorFlowBackend:
    """See `rehub.keras.backend.Backend`."""

    is_tensorflow = True

    def __init__(self) -> None:
        self._trained: weakref.WeakValueDictionary[int, keras.Variable] = weakref.WeakValueDictionary()
        self._frozen: weakref.WeakValueDictionary[int, keras.Variable] = weakref.WeakValueDictionary()

    def holds(self, dtype: tf.DType) -> bool:
        """See `Backend`."""
        return True

    def trains(self, dtype: tf.DType) -> bool:
        """See `Backend`. TensorFlow gives no gradients of integers, and Keras passes such variables over."""
        return True

    def fixed_variable(self, weight: tf.Variable, name: str) -> keras.Variable:
        """See `Backend`."""
        return self._wrap(self._frozen, weight, name, trainable=False)

    def twins(self, weight: tf.Variable, name: str) -> tuple[keras.Variable, keras.Variable]:
        """See `Backend`."""
        return self._wrap(self._trained, weight, name, trainable=True), self.fixed_variable(weight, name)

    def _wrap(
        self,
        known: weakref.WeakValueDictionary[int, keras.Variable],
        weight: tf.Variable,
        name: str,
        *,
        trainable: bool,
    ) -> keras.Variable:
        variable = known.get(id(weight))
        if variable is None:
            variable = keras.Variable(weight, dtype=weight.dtype.name, trainable=trainable, autocast=False, name=name)
            known[id(weight)] = variable
        return variable

    def compiles(self, xla_compiles: bool) -> bool:
        """See `Backend`."""
        return xla_compiles

    def is_in_tensorflow(self, inputs: Any) -> bool:
        """See `Backend`."""
        return False

    def take(self, inputs: Any, convert: Callable[[Any], Any]) -> Any:
        """See `Backend`."""
        return convert(inputs)

    def widen(self, inputs: Any, specs: Any) -> Any:
        """See `Backend`."""
        return inputs

    def symbolic_dtype(self, dtype: tf.DType) -> str:
        """See `Backend`."""
        return str(dtype.name)

    def run(
        self,
        function: Callable[[Any], Any],
        inputs: Any,
        variables: Sequence[keras.Variable] = (),
        changing: Sequence[keras.Variable] = (),
    ) -> Any:
        """See `Backend`."""
        return function(inputs)

    def push(self, variables: Sequence[keras.Variable]) -> None:
        """See `Backend`."""

    def pull(self, variables: Sequence[keras.Variable]) -> None:
        """See `Backend`."""


BACKEND = TensorFlowBackend()
