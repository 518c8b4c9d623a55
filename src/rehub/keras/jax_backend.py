"""Keras 3 on JAX: a model is a callback of the compiled program, with a gradient that is a callback, too.

A callback may run any op of TensorFlow. What its backward pass needs stays here, under a number that the program
carries from the one to the other.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import jax
import keras
import numpy as np
import tensorflow as tf
from jax.experimental import io_callback
from jax.experimental.sparse import JAXSparse

from rehub.errors import UsageError
from rehub.keras.keras_private import store_value, stored_value, value_in_scope
from rehub.keras.other_backend import (
    RUNNING,
    Mirror,
    OtherBackend,
    Program,
    Recording,
    refuse_export,
    refuse_unknown_shape,
)
from rehub.keras.recordings import MOST_ASKED, MOST_WAITING, Recordings

_DTYPES = ("float16", "bfloat16", "float32", "int8", "int16", "int32", "uint8", "uint16", "uint32", "bool", "complex64")
_WIDE_DTYPES = ("float64", "int64", "uint64", "complex128")

_OWN = 0  # the number of the recording of a call that runs once
_recordings = Recordings()


class JaxBackend(OtherBackend):
    """See `rehub.keras.backend.Backend`."""

    @property
    def dtypes(self) -> frozenset[str]:  # type: ignore[override]
        """Those that arrays can have; the setting can change while a program runs."""
        return frozenset((*_DTYPES, *_WIDE_DTYPES) if jax.config.jax_enable_x64 else _DTYPES)

    def frozen_twin(self, trained: keras.Variable, **options: Any) -> keras.Variable:
        """See `OtherBackend`."""
        return _FrozenTwin(trained, **options)

    def compiles(self, xla_compiles: bool) -> bool:
        """See `Backend`. A callback can be in any program."""
        return True

    def is_tensor(self, value: Any) -> bool:
        """See `OtherBackend`."""
        if isinstance(value, JAXSparse):
            raise UsageError(
                "A sparse array of JAX cannot be the input of a model of TensorFlow.",
                hint="Pass a tf.sparse.SparseTensor, or make the array dense.",
            )
        return isinstance(value, jax.Array)

    def to_tensor(self, array: Any) -> Any:
        """See `OtherBackend`."""
        return jax.numpy.asarray(self.fit(array))

    def fit(self, array: Any) -> Any:
        """Gives an array a dtype that JAX has.

        Raises:
            UsageError: If it holds integers that are too big for it.
        """
        array = np.asarray(array)
        fitting = array.astype(jax.dtypes.canonicalize_dtype(array.dtype), copy=False)
        if array.dtype.kind in "iu" and not np.array_equal(array, fitting):
            raise UsageError(
                f"The model returns {array.dtype} numbers that do not fit into {fitting.dtype}.",
                hint="Set JAX_ENABLE_X64=1, or jax.config.update('jax_enable_x64', True).",
            )
        return fitting

    def to_array(self, tensor: Any) -> Any:
        """See `OtherBackend`."""
        return np.asarray(tensor)

    def symbolic_dtype(self, dtype: tf.DType) -> str:
        """See `Backend`."""
        return str(jax.dtypes.canonicalize_dtype(dtype.as_numpy_dtype))

    def mark(self, value: Any) -> Any:
        """See `OtherBackend`."""
        return value

    def is_shown(self, mirror: Mirror, value: Any) -> bool:
        """See `OtherBackend`. Arrays never change."""
        return mirror.shown is value

    def push(self, variables: Sequence[keras.Variable]) -> None:
        """See `Backend`.

        Raises:
            UsageError: If the values are in a training loop of Keras.
        """
        if any(map(_is_in_loop, variables)):
            raise UsageError(
                "The values of the layer are in the loop of fit, evaluate or predict.",
                hint="Call model.jax_state_sync() first, or wait for the end of the epoch.",
            )
        super().push(variables)

    def run(
        self,
        function: Callable[[Any], Any],
        inputs: Any,
        variables: Sequence[keras.Variable] = (),
        changing: Sequence[keras.Variable] = (),
    ) -> Any:
        """See `Backend`."""
        call = _Call(Program(function, inputs, self.is_tensor), variables, changing, self)
        if not tf.executing_eagerly():
            raise refuse_export("JAX")
        try:
            outputs, changed = _run(call, tuple(call.program.tensors), tuple(variable.value for variable in variables))
        except (TypeError, ValueError) as error:
            if "forward-mode" not in str(error) and "JVP" not in str(error):  # JAX has no class for it
                raise
            raise UsageError(
                "JAX asks for derivatives in forward mode, or for derivatives of derivatives; a model of TensorFlow "
                "gives it first ones in reverse mode.",
                hint="Use jax.grad, jax.vjp or jax.jacrev, once.",
            ) from error
        for variable, value in zip(changing, changed, strict=True):
            variable.assign(value)
            if not isinstance(value, jax.core.Tracer):
                variable.mirror.shown = value
        return call.merge(outputs)


class _Call:
    """A program with the variables that it may read, and those of them that it may assign."""

    def __init__(
        self,
        program: Program,
        variables: Sequence[keras.Variable],
        changing: Sequence[keras.Variable],
        backend: JaxBackend,
    ) -> None:
        self.program, self.backend = program, backend
        self._mirrors = [variable.mirror for variable in variables]
        self._trained = [variable.trainable for variable in variables]
        self._changing = [variable.mirror for variable in changing]
        self._others: dict[int, Any] = {}
        self._own: Any = None

    def forward(self, tensors: Any, values: Any, *, record: bool) -> Any:
        """Runs the program; returns the number of the recording, outputs, and values that may have changed."""
        if _is_traced((*tensors, *values)):
            callback = functools.partial(self._call_back, record=record)
            return io_callback(callback, self._results(tensors), tensors, values)
        # A value may be still computed, by a program that waits for a callback: take it before the lock.
        arrays = [np.asarray(tensor) for tensor in tensors]
        jax.block_until_ready(values)
        with RUNNING:
            for mirror, value in zip(self._mirrors, values, strict=True):
                self.backend.show(mirror, value)
            recording, outputs, changed = self._compute(arrays, record=record)
            self._own = recording  # of the one run that this call is for, so it goes when the call does
        found = [self.backend.give(output) for output in outputs]
        self._others = {i: x for i, x in enumerate(found) if not self.backend.is_tensor(x)}
        arrays = [x for x in found if self.backend.is_tensor(x)]
        return np.int32(_OWN), tuple(arrays), tuple(map(jax.numpy.asarray, changed))

    def _call_back(self, tensors: Any, values: Any, *, record: bool) -> Any:
        """The same from within a program, where JAX makes no arrays."""
        with RUNNING:
            for mirror, value in zip(self._mirrors, values, strict=True):
                mirror.variable.assign(np.asarray(value))
                mirror.shown = None
            recording, outputs, changed = self._compute([np.asarray(tensor) for tensor in tensors], record=record)
        number = 0 if recording is None else _recordings.keep(recording, self)
        return np.int32(number), tuple(self.backend.fit(output.numpy()) for output in outputs), changed

    def _compute(self, arrays: Sequence[Any], *, record: bool) -> Any:
        trained = [m.variable for m, trained in zip(self._mirrors, self._trained, strict=True) if trained]
        _recordings.forget(self)
        outputs, recording = self.program.run(list(map(tf.constant, arrays)), trained if record else None)
        for mirror in self._changing:
            mirror.shown = None
        changed = tuple(self.backend.fit(mirror.variable.numpy()) for mirror in self._changing)
        return recording, outputs, changed

    def _results(self, tensors: Any) -> Any:
        outputs = self.program.specs([_spec(tensor) for tensor in tensors])
        for spec in outputs:
            refuse_unknown_shape(spec, "JAX")
        changed = [mirror.variable for mirror in self._changing]
        return (
            jax.ShapeDtypeStruct((), np.int32),
            tuple(map(_struct, outputs)),
            tuple(map(_struct, changed)),
        )

    def backward(self, number: Any, tensors: Any, values: Any, gradients: Any) -> Any:
        """Returns the gradients of tensors and values."""
        arguments = (*tensors, *values)
        may = (*(True for _ in tensors), *self._trained)
        wanted = [ok and jax.numpy.issubdtype(x.dtype, jax.numpy.inexact) for x, ok in zip(arguments, may, strict=True)]
        gradients = tuple(g for g in gradients if g.dtype != jax.dtypes.float0)
        if _is_traced((number, *gradients)):
            results = tuple(
                jax.ShapeDtypeStruct(x.shape, x.dtype) for x, ok in zip(arguments, wanted, strict=True) if ok
            )
            found = io_callback(self._ask(number), results, number, gradients)
        else:
            found = map(jax.numpy.asarray, _gradients(self._find(number), gradients))
        rest = iter(found)
        every = [next(rest) if ok else _no_gradient(x) for x, ok in zip(arguments, wanted, strict=True)]
        return tuple(every[: len(tensors)]), tuple(every[len(tensors) :])

    def _find(self, number: Any) -> Any:
        return self._own if int(number) == _OWN else _recordings.find(int(number))

    def _ask(self, number: Any) -> Callable[[Any, Any], Any]:
        """What a program calls back for gradients; JAX may keep it for ever, so it holds no recording."""
        if _is_traced((number,)) or int(number) != _OWN:
            return lambda number, gradients: _gradients(_recordings.find(int(number)), gradients)
        _recordings.hold(self._own, self)  # the program may end after all that holds the call is gone
        found = weakref.ref(self._own)
        return lambda _, gradients: _gradients(found(), gradients)

    def merge(self, arrays: Any) -> Any:
        """All outputs, nested as the program returned them."""
        rest = iter(arrays)
        count = len(self._others) + len(arrays)
        return self.program.pack([self._others[i] if i in self._others else next(rest) for i in range(count)])


def _gradients(recording: Recording | None, of_outputs: Any) -> Any:
    if recording is None:
        raise UsageError(
            "JAX asks for the gradients of a call that is too long ago.",
            hint=f"Keep at most {MOST_WAITING} calls waiting for their gradients, and ask again for those of at most "
            f"{MOST_ASKED}.",
        )
    found = recording.gradients([tf.constant(np.asarray(gradient)) for gradient in of_outputs])
    return tuple(gradient.numpy() for gradient in found)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _run(call: _Call, tensors: Any, values: Any) -> Any:
    return call.forward(tensors, values, record=False)[1:]


def _run_recorded(call: _Call, tensors: Any, values: Any) -> Any:
    number, *results = call.forward(tensors, values, record=True)
    return tuple(results), (number, tensors, values)


def _run_backward(call: _Call, kept: Any, gradients: Any) -> Any:
    number, tensors, values = kept
    return call.backward(number, tensors, values, gradients[0])


_run.defvjp(_run_recorded, _run_backward)


def _is_traced(arrays: Any) -> bool:
    return any(isinstance(array, jax.core.Tracer) for array in arrays)


def _spec(array: Any) -> tf.TensorSpec:
    if not all(isinstance(size, int) for size in array.shape):
        raise refuse_export("JAX")
    return tf.TensorSpec(array.shape, array.dtype)


def _struct(spec: Any) -> Any:
    dtype = jax.dtypes.canonicalize_dtype(spec.dtype.as_numpy_dtype)
    return jax.ShapeDtypeStruct(tuple(spec.shape), dtype)


def _no_gradient(array: Any) -> Any:
    if jax.numpy.issubdtype(array.dtype, jax.numpy.inexact):
        return jax.numpy.zeros_like(array)
    return np.zeros(array.shape, jax.dtypes.float0)


class _FrozenTwin(keras.Variable):  # type: ignore[misc]  # Keras has no types
    """The variable that frozen layers have, with an array of its own: compiled programs use up what they are given."""

    def __init__(self, trained: keras.Variable, **options: Any) -> None:
        self.trained = trained
        self._seen = stored_value(trained)
        super().__init__(_copy(self._seen), trainable=False, **options)

    @property
    def value(self) -> Any:
        """The value of the trained variable, also within a program that trains it."""
        own, trained = value_in_scope(self)[1], value_in_scope(self.trained)[1]
        if own is not None or trained is not None:
            return own if trained is None else trained
        current = stored_value(self.trained)
        if current is not None and current is not self._seen:  # None while Keras trains it
            store_value(self, _copy(current))
            self._seen = current
        return stored_value(self)

    def assign(self, value: Any) -> Any:
        """Assigns to the trained variable.

        But Keras gives values back after its loop, which took the array away, or used it up, or left it as it was.
        """
        own = stored_value(self)
        if value_in_scope(self)[0] or own is None or own is value or own.is_deleted():
            return super().assign(value)
        return self.trained.assign(value)


def _is_in_loop(variable: keras.Variable) -> bool:
    both = variable, getattr(variable, "trained", variable)
    return any(stored_value(each) is None for each in both)


def _copy(array: Any) -> Any:
    with jax.ensure_compile_time_eval():  # also where a program is traced
        return jax.numpy.copy(array)


BACKEND = JaxBackend()
