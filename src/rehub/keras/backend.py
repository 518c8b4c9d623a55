"""What the layer of Keras 3 asks of the backend that Keras runs on."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import keras
import tensorflow as tf

from rehub.errors import DependencyError


class Backend(Protocol):
    """Runs models, whose variables and functions are TensorFlow's, within Keras of one backend.

    Attributes:
        is_tensorflow: Whether Keras itself runs on TensorFlow, so that nothing has to cross over.
    """

    is_tensorflow: bool

    def holds(self, dtype: tf.DType) -> bool:
        """Whether tensors and variables of the backend can have this dtype."""

    def trains(self, dtype: tf.DType) -> bool:
        """Whether a layer may train variables of this dtype, which a model declares trainable."""

    def fixed_variable(self, weight: tf.Variable, name: str) -> keras.Variable:
        """The Keras variable that shows the value of one of a model that no layer trains."""

    def twins(self, weight: tf.Variable, name: str) -> tuple[keras.Variable, keras.Variable]:
        """Two such variables of one that layers may train: those that do share the one, all others the other.

        So a model with layers of both kinds trains, and trains nothing twice.
        """

    def compiles(self, xla_compiles: bool) -> bool:
        """Whether Keras may compile a model with the layer, given whether XLA can compile the SavedModel."""

    def is_in_tensorflow(self, inputs: Any) -> bool:
        """Whether a call is part of a graph of TensorFlow although Keras runs on another backend: in a tf.data map."""

    def take(self, inputs: Any, convert: Callable[[Any], Any]) -> Any:
        """Turns what a user passed into tensors of the backend; what it cannot hold, into TensorFlow's.

        Args:
            inputs: Tensors of either side, arrays, Python values or symbolic tensors of Keras, nested.
            convert: Turns Python values and arrays into tensors of TensorFlow.
        """

    def widen(self, inputs: Any, specs: Any) -> Any:
        """Casts 32-bit integers to the 64 bits that a model takes, where the backend does not have them.

        Args:
            inputs: Tensors of TensorFlow.
            specs: What the model was traced for.
        """

    def symbolic_dtype(self, dtype: tf.DType) -> str:
        """The dtype that an output of this dtype has in the backend."""

    def run(
        self,
        function: Callable[[Any], Any],
        inputs: Any,
        variables: Sequence[keras.Variable] = (),
        changing: Sequence[keras.Variable] = (),
    ) -> Any:
        """Calls a function of TensorFlow tensors, differentiably in inputs and variables.

        Args:
            function: What to call with the inputs.
            inputs: What `take` returned.
            variables: All variables that the function may read.
            changing: Those of them that it may assign.

        Returns:
            Tensors of the backend; what it cannot hold stays a tensor of TensorFlow.
        """

    def push(self, variables: Sequence[keras.Variable]) -> None:
        """Copies the values that Keras has into the variables of the model."""

    def pull(self, variables: Sequence[keras.Variable]) -> None:
        """Copies the values of the model's variables into those of Keras."""


@functools.cache
def backend() -> Backend:
    """The backend that Keras runs on.

    Raises:
        DependencyError: If it is another one than TensorFlow, JAX and PyTorch.
    """
    name = keras.backend.backend()
    if name not in ("tensorflow", "jax", "torch"):
        raise DependencyError(
            f"Keras runs on its {name} backend, which cannot run SavedModels.",
            hint="Set KERAS_BACKEND to tensorflow, jax or torch before Keras is imported.",
            package="keras",
            found=name,
            required="tensorflow, jax or torch",
        )
    found: Backend = importlib.import_module(f"rehub.keras.{name}_backend").BACKEND
    return found
