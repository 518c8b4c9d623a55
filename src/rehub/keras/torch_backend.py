"""Keras 3 on PyTorch: a model is one function of autograd, whose backward pass TensorFlow computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
import torch

from rehub.keras.keras_private import stored_value
from rehub.keras.other_backend import RUNNING, Mirror, OtherBackend, Program, refuse_export, refuse_unknown_shape

_DTYPES = ("float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool", "complex64")


class TorchBackend(OtherBackend):
    """See `rehub.keras.backend.Backend`."""

    dtypes = frozenset(_DTYPES)

    def frozen_twin(self, trained: keras.Variable, **options: Any) -> keras.Variable:
        """See `OtherBackend`."""
        return _FrozenTwin(trained, **options)

    def compiles(self, xla_compiles: bool) -> bool:
        """See `Backend`. torch.compile cannot look into TensorFlow."""
        return False

    def is_tensor(self, value: Any) -> bool:
        """See `OtherBackend`."""
        return isinstance(value, torch.Tensor)

    def to_tensor(self, array: Any) -> Any:
        """See `OtherBackend`."""
        return keras.ops.convert_to_tensor(array)

    def mark(self, value: Any) -> Any:
        """See `OtherBackend`. What is written through ``tensor.data`` or an array over the memory leaves no trace."""
        return value, value.data_ptr(), _version_of(value)

    def is_shown(self, mirror: Mirror, value: Any) -> bool:
        """See `OtherBackend`."""
        if mirror.shown is None:
            return False
        tensor, *rest = mirror.shown
        return tensor is value and rest == [value.data_ptr(), _version_of(value)]

    def push(self, variables: Sequence[keras.Variable]) -> None:
        """See `Backend`. All values, also those that seem to be there."""
        for variable in variables:
            variable.mirror.shown = None
        super().push(variables)

    def run(
        self,
        function: Callable[[Any], Any],
        inputs: Any,
        variables: Sequence[keras.Variable] = (),
        changing: Sequence[keras.Variable] = (),
    ) -> Any:
        """See `Backend`."""
        program = Program(function, inputs, self.is_tensor)
        if any(tensor.device.type == "meta" for tensor in program.tensors):
            return self._run_symbolically(program)
        if any(type(tensor).__name__ == "FakeTensor" for tensor in program.tensors):
            raise refuse_export("PyTorch")
        trained = [variable for variable in variables if variable.trainable]
        values = [variable.value for variable in trained]
        with RUNNING:
            for variable in variables:
                self.show(variable.mirror, variable.value)
            call = _Call(program, [variable.mirror.variable for variable in trained], self)
            outputs = _Run.apply(call, *program.tensors, *values)
            self.pull(changing)
        return program.pack(call.merge(outputs))

    def _run_symbolically(self, program: Program) -> Any:
        specs = program.specs([_spec(tensor) for tensor in program.tensors])
        for spec in specs:
            refuse_unknown_shape(spec, "PyTorch")
        dtypes = (keras.ops.convert_to_tensor(spec.dtype.as_numpy_dtype(0)).dtype for spec in specs)
        return program.pack(
            [torch.empty(tuple(s.shape), dtype=d, device="meta") for s, d in zip(specs, dtypes, strict=True)]
        )


def _spec(tensor: torch.Tensor) -> tf.TensorSpec:
    return tf.TensorSpec(tuple(tensor.shape), keras.backend.standardize_dtype(tensor.dtype))


class _Call:
    """A program with what its backward pass needs.

    Attributes:
        others: Outputs that PyTorch cannot hold, by their places.
        differentiable: Which of the outputs that it can hold may have gradients.
    """

    def __init__(self, program: Program, variables: Sequence[tf.Variable], backend: TorchBackend) -> None:
        self.program, self.variables, self.backend = program, variables, backend
        self.recording: Any = None
        self.sources: list[int] = []
        self.others: dict[int, Any] = {}
        self.differentiable: list[bool] = []

    def forward(self, tensors: Sequence[torch.Tensor], *, record: bool) -> list[Any]:
        inputs = [tf.constant(self.backend.to_array(tensor)) for tensor in tensors[: len(self.program.tensors)]]
        outputs, self.recording = self.program.run(inputs, self.variables if record else None)
        found = []
        for place, output in enumerate(outputs):
            tensor = self.backend.give(output)
            if self.backend.is_tensor(tensor):
                found.append(tensor)
                self.differentiable.append(output.dtype.is_floating or output.dtype.is_complex)
            else:
                self.others[place] = output
        return found

    def backward(self, gradients: Sequence[torch.Tensor]) -> list[Any]:
        wanted = [g for g, ok in zip(gradients, self.differentiable, strict=True) if ok]
        found = self.recording.gradients([tf.constant(self.backend.to_array(g)) for g in wanted])
        return [self.backend.to_tensor(gradient.numpy()) for gradient in found]

    def merge(self, tensors: Sequence[Any]) -> list[Any]:
        """All outputs in their order."""
        rest = iter(tensors)
        count = len(self.others) + len(tensors)
        return [self.others[place] if place in self.others else next(rest) for place in range(count)]


def _version_of(tensor: torch.Tensor) -> int:
    # Private: PyTorch's own check of tensors that were changed before their backward pass; nothing public tells it.
    version: int = tensor._version
    return version


class _FrozenTwin(keras.Variable):  # type: ignore[misc]  # Keras has no types
    """The variable that frozen layers have: a parameter of its own over the same memory."""

    def __init__(self, trained: keras.Variable, **options: Any) -> None:
        self.trained = trained
        shared = torch.nn.Parameter(stored_value(trained).detach(), requires_grad=False)
        super().__init__(shared, trainable=False, **options)
        self._memory = shared.data_ptr()

    @property
    def value(self) -> Any:
        """The parameter, over the same memory again if one of the two was given another (``parameter.data = …``)."""
        own, trained = stored_value(self), stored_value(self.trained)
        if own.data_ptr() != trained.data_ptr():
            changed, other = (trained, own) if own.data_ptr() == self._memory else (own, trained)
            other.data = changed.data
            self._memory = own.data_ptr()
        return super().value


class _Run(torch.autograd.Function):  # type: ignore[misc]
    """A call whose arguments are the tensors among its inputs, then the values of its trained variables."""

    @staticmethod
    def forward(ctx: Any, call: _Call, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        ctx.call = call
        ctx.sources = [t.is_floating_point() or t.is_complex() for t in tensors]
        outputs = call.forward(tensors, record=any(ctx.needs_input_grad))
        ctx.mark_non_differentiable(*(t for t, ok in zip(outputs, call.differentiable, strict=True) if not ok))
        return tuple(outputs)

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[Any, ...]:
        found = iter(ctx.call.backward(gradients))
        return (None, *(next(found) if has_gradient else None for has_gradient in ctx.sources))


BACKEND = TorchBackend()
