"""Models of TensorFlow within Keras on another backend: what JAX and PyTorch have in common.

The values live in Keras' variables. Before a model runs, they are copied into its own variables, unless they are there
already; what it assigned is copied back.
"""

from __future__ import annotations

import abc
import dataclasses
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rehub.errors import UsageError

# Other frameworks run parts of a program at the same time; the variables of a model hold the values of one call.
RUNNING = threading.RLock()


class Mirror:
    """A variable of a model, and which value of the backend it holds.

    Attributes:
        variable: The ``tf.Variable``.
        shown: What the backend knows the value by; None if that is unknown.
    """

    def __init__(self, variable: tf.Variable) -> None:
        self.variable = variable
        self.shown: Any = None


@dataclasses.dataclass(frozen=True)
class Recording:
    """What is needed for the gradients of one run."""

    tape: tf.GradientTape
    sources: Sequence[Any]
    outputs: Sequence[Any]

    def gradients(self, of_outputs: Sequence[tf.Tensor]) -> list[Any]:
        """The gradients of tensors and variables, as dense tensors."""
        with RUNNING:
            gradients = self.tape.gradient(
                self.outputs,
                self.sources,
                [tf.cast(gradient, output.dtype) for gradient, output in zip(of_outputs, self.outputs, strict=True)],
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )
        return [tf.convert_to_tensor(gradient) for gradient in gradients]


class Program:
    """One call of a function of TensorFlow, whose inputs are in part tensors of the backend.

    Args:
        function: What to call.
        inputs: Its argument.
        is_tensor: Tells the tensors of the backend.

    Attributes:
        tensors: The tensors of the backend among the inputs.
    """

    def __init__(self, function: Callable[[Any], Any], inputs: Any, is_tensor: Callable[[Any], bool]) -> None:
        self._function = function
        self._inputs = inputs
        self._leaves = tf.nest.flatten(inputs)
        self._places = [place for place, leaf in enumerate(self._leaves) if is_tensor(leaf)]
        self.tensors = [self._leaves[place] for place in self._places]
        self._outputs: Any = None

    def run(self, tensors: Sequence[Any], variables: Sequence[tf.Variable] | None) -> tuple[list[Any], Any]:
        """Runs the function.

        Args:
            tensors: TensorFlow's form of `tensors`.
            variables: Those whose gradients may be asked for; None if nothing is to be recorded.

        Returns:
            The outputs, one by one, and the `Recording`, if there is one.
        """
        if variables is None:
            self._outputs = self._function(self._with(tensors))
            return tf.nest.flatten(self._outputs), None
        try:
            return self._record(tensors, variables, persistent=True)
        except LookupError:  # for a second use of a tape, TensorFlow wants gradients of gradients, which some ops lack
            return self._record(tensors, variables, persistent=False)

    def _record(
        self, tensors: Sequence[Any], variables: Sequence[tf.Variable], *, persistent: bool
    ) -> tuple[list[Any], Recording]:
        with tf.GradientTape(persistent=persistent, watch_accessed_variables=False) as tape:
            sources = [x for x in (*tensors, *variables) if _has_gradient(x)]
            tape.watch(sources)
            self._outputs = self._function(self._with(tensors))
        flat = tf.nest.flatten(self._outputs)
        return flat, Recording(tape, sources, [x for x in flat if is_dense(x) and _has_gradient(x)])

    def specs(self, tensors: Sequence[tf.TensorSpec]) -> list[Any]:
        """What the outputs are for tensors of these specs, as far as can be told without a run."""
        inputs = self._with(tensors)
        specs = [
            x if x is None or isinstance(x, tf.TypeSpec) else tf.type_spec_from_value(x)
            for x in tf.nest.flatten(inputs)
        ]
        traced = tf.function(self._function, autograph=False).get_concrete_function(
            tf.nest.pack_sequence_as(inputs, specs)
        )
        self._outputs = traced.structured_outputs
        return list(tf.nest.flatten(self._outputs))

    def pack(self, outputs: Sequence[Any]) -> Any:
        """Nests outputs like those of the last run."""
        return tf.nest.pack_sequence_as(self._outputs, list(outputs))

    def _with(self, tensors: Sequence[Any]) -> Any:
        leaves = list(self._leaves)
        for place, tensor in zip(self._places, tensors, strict=True):
            leaves[place] = tensor
        return tf.nest.pack_sequence_as(self._inputs, leaves)


def _has_gradient(tensor: Any) -> bool:
    return bool(tensor.dtype.is_floating or tensor.dtype.is_complex)


def is_dense(tensor: Any) -> bool:
    """Whether it is a plain tensor, not a ragged or sparse one."""
    return isinstance(tensor, (tf.Tensor, tf.TensorSpec))


class OtherBackend(abc.ABC):
    """See `rehub.keras.backend.Backend`."""

    is_tensorflow = False
    dtypes: frozenset[str]

    def __init__(self) -> None:
        self._mirrors: weakref.WeakValueDictionary[int, Mirror] = weakref.WeakValueDictionary()
        self._fixed: weakref.WeakValueDictionary[Mirror, Any] = weakref.WeakValueDictionary()
        self._trained: weakref.WeakValueDictionary[Mirror, Any] = weakref.WeakValueDictionary()
        self._frozen: weakref.WeakValueDictionary[Mirror, Any] = weakref.WeakValueDictionary()

    def holds(self, dtype: tf.DType) -> bool:
        """See `Backend`."""
        return dtype.name in self.dtypes

    def trains(self, dtype: tf.DType) -> bool:
        """See `Backend`. Neither JAX nor PyTorch lets a program ask for gradients of integers, such as counters."""
        return bool(dtype.is_floating or dtype.is_complex)

    def fixed_variable(self, weight: tf.Variable, name: str) -> keras.Variable:
        """See `Backend`."""
        mirror = self._mirror(weight)
        variable = self._fixed.get(mirror)
        if variable is None:
            variable = keras.Variable(weight.numpy(), trainable=False, **_options(weight, name))
            variable.mirror = mirror
            self._fixed[mirror] = variable
        return variable

    def twins(self, weight: tf.Variable, name: str) -> tuple[keras.Variable, keras.Variable]:
        """See `Backend`."""
        mirror = self._mirror(weight)
        trained, frozen = self._trained.get(mirror), self._frozen.get(mirror)
        if trained is None:
            trained = keras.Variable(weight.numpy(), trainable=True, **_options(weight, name))
            trained.mirror = mirror
            self._trained[mirror] = trained
        if frozen is None:
            frozen = self.frozen_twin(trained, **_options(weight, name))
            frozen.mirror = mirror
            self._frozen[mirror] = frozen
        return trained, frozen

    def _mirror(self, weight: tf.Variable) -> Mirror:
        if tf.distribute.has_strategy():
            raise UsageError(
                f"A strategy of tf.distribute is active, and Keras runs on {keras.backend.backend()}.",
                hint="Make the layer outside of its scope, and distribute by the means of the backend; or set "
                "KERAS_BACKEND=tensorflow.",
            )
        return self._mirrors.setdefault(id(weight), Mirror(weight))

    @abc.abstractmethod
    def frozen_twin(self, trained: keras.Variable, **options: Any) -> keras.Variable:
        """Makes the Keras variable that always shows the value of another one and is never trained.

        It keeps that one as its attribute ``trained``, so that a layer that trains it later finds the same values.
        """

    def is_in_tensorflow(self, inputs: Any) -> bool:
        """See `Backend`."""
        return not tf.executing_eagerly() and not any(self._is_own(leaf) for leaf in tf.nest.flatten(inputs))

    def take(self, inputs: Any, convert: Callable[[Any], Any]) -> Any:
        """See `Backend`."""
        leaves = tf.nest.flatten(inputs)
        if not any(self._is_own(leaf) for leaf in leaves):
            inputs = convert(inputs)
            leaves = tf.nest.flatten(inputs)
        if all(leaf is None or self._is_own(leaf) or self._can_take(leaf) for leaf in leaves):
            leaves = [self._own(leaf) for leaf in leaves]
        else:  # Keras passes on tensors of one kind alone
            leaves = [tf.constant(self.to_array(leaf)) if self.is_tensor(leaf) else leaf for leaf in leaves]
        return tf.nest.pack_sequence_as(inputs, leaves)

    def widen(self, inputs: Any, specs: Any) -> Any:
        """See `Backend`."""
        dtypes = {spec.dtype for spec in tf.nest.flatten(specs) if hasattr(spec, "dtype")}
        if self.holds(tf.int64) or tf.int64 not in dtypes or tf.int32 in dtypes:
            return inputs
        return tf.nest.map_structure(
            lambda x: tf.cast(x, tf.int64) if getattr(x, "dtype", None) == tf.int32 else x, inputs
        )

    def symbolic_dtype(self, dtype: tf.DType) -> str:
        """See `Backend`."""
        return str(dtype.name)

    def _is_own(self, leaf: Any) -> bool:
        return self.is_tensor(leaf) or isinstance(leaf, (keras.Variable, keras.KerasTensor))

    def _can_take(self, leaf: Any) -> bool:
        return not tf.is_tensor(leaf) or (is_dense(leaf) and self.holds(leaf.dtype))

    def _own(self, leaf: Any) -> Any:
        if isinstance(leaf, keras.Variable):
            return leaf.value
        return leaf if leaf is None or self._is_own(leaf) else self.to_tensor(np.asarray(leaf))

    @abc.abstractmethod
    def is_tensor(self, value: Any) -> bool:
        """Whether a value is a tensor of the backend."""

    def to_array(self, tensor: Any) -> Any:
        """The value of a tensor of the backend; bfloat16 too, which PyTorch cannot tell numpy."""
        return keras.ops.convert_to_numpy(tensor)

    @abc.abstractmethod
    def to_tensor(self, array: Any) -> Any:
        """Makes a tensor of the backend."""

    def give(self, output: Any) -> Any:
        """Makes an output of a model a tensor of the backend, if it can hold it."""
        if is_dense(output) and output.dtype != tf.string and output.dtype != tf.resource:
            return self.to_tensor(output.numpy())
        return output

    def push(self, variables: Sequence[keras.Variable]) -> None:
        """See `Backend`."""
        with RUNNING:
            for variable in variables:
                self.show(variable.mirror, variable.value)

    def show(self, mirror: Mirror, value: Any) -> None:
        """Gives the variable of a model a value of the backend, unless it has it."""
        if not self.is_shown(mirror, value):
            mirror.variable.assign(self.to_array(value))
            mirror.shown = self.mark(value)

    @abc.abstractmethod
    def mark(self, value: Any) -> Any:
        """What tells that the same tensor still has the same value."""

    @abc.abstractmethod
    def is_shown(self, mirror: Mirror, value: Any) -> bool:
        """Whether the variable of the model has the value already."""

    def pull(self, variables: Sequence[keras.Variable]) -> None:
        """See `Backend`."""
        for variable in variables:
            variable.assign(self.to_tensor(variable.mirror.variable.numpy()))
            variable.mirror.shown = None


def _options(weight: tf.Variable, name: str) -> dict[str, Any]:
    return {"dtype": weight.dtype.name, "autocast": False, "name": name}


def refuse_export(backend: str) -> UsageError:
    """The error for programs that are traced to be written down."""
    return UsageError(
        f"{backend} traces the program, to export it, and cannot look into a model of TensorFlow.",
        hint="Export layer.resolved_object with tf.saved_model.save, after layer.sync(); or load the model's .keras "
        "file with KERAS_BACKEND=tensorflow, and export it there.",
    )


def refuse_unknown_shape(spec: Any, backend: str) -> None:
    """Raises an error if a compiled program could not tell how big an output is, or could not hold it.

    Raises:
        UsageError: It says what to do instead.
    """
    if not is_dense(spec) or spec.dtype == tf.string:
        raise UsageError(
            f"The model returns {spec}, which cannot be in a compiled program of {backend}.",
            hint="Call the layer outside of it: eagerly, or in a map of tf.data.",
        )
    if not spec.shape.is_fully_defined():
        raise UsageError(
            f"The model returns a tensor of the shape {spec.shape}, which depends on values; {backend} compiles for "
            "fixed shapes.",
            hint="Declare the shape with output_shape= if it is always the same, or call the layer eagerly.",
        )
