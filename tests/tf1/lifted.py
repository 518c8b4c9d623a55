"""What a lifted module computes, trains and changes, taken in eager mode."""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tests.tf1.measurement import LEARNING_RATE, STEPS, Measurement, sum_of_squares

v1 = tf.compat.v1


@dataclasses.dataclass(frozen=True)
class Lifted:
    """An object of TensorFlow 2, and how a signature of it is called: inputs by name, to outputs by name."""

    call: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    variables: Sequence[Any]
    trainable_variables: Sequence[Any]
    losses: Sequence[Callable[[], Any]]


def of(model: Any, signature: str, training: bool) -> Lifted:
    """A lifted model, and all outputs of a signature."""
    named = model.named[signature]
    call = tf.function(lambda inputs: named(inputs, training), autograph=False)
    return Lifted(call, model.variables, model.trainable_variables, model.regularization_losses)


def of_call(model: Any, signature: str, training: bool, outputs: Collection[str]) -> Lifted:
    """What users of a model call, saved and loaded or not: itself for ``default``, the attribute for other signatures.

    Args:
        model: The model.
        signature: The name of the signature.
        training: The mode.
        outputs: The names of the signature's outputs.
    """
    called = model if signature == "default" else getattr(model, signature)
    main = main_output(outputs)

    def call(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        result = called(next(iter(inputs.values())) if len(inputs) == 1 else dict(inputs), training=training)
        return result if main is None else {main: result}

    return Lifted(call, called.variables, called.trainable_variables, called.regularization_losses)


def main_output(outputs: Collection[str]) -> str | None:
    """The output that a call returns; None if it returns a dict of all."""
    return next(iter(outputs)) if len(outputs) == 1 else "default" if "default" in outputs else None


def save_with_all_outputs(model: Any, folder: Path) -> None:
    """Saves a lifted model, and with it functions that return all outputs; a call of the model returns the main one."""
    for signature, named in model.named.items():
        specs = dict(named.structured_input_signature[1])
        for training in (False, True):
            run = tf.function(functools.partial(named, training=training), autograph=False, input_signature=[specs])
            setattr(model, _function_name(signature, training), run)
    tf.saved_model.save(model, str(folder), signatures=dict(model.signatures))


def of_loaded(model: Any, signature: str, training: bool) -> Lifted:
    """What `save_with_all_outputs` wrote, loaded again."""
    call = getattr(model, _function_name(signature, training))
    return Lifted(call, model.variables, model.trainable_variables, model.regularization_losses)


def _function_name(signature: str, training: bool) -> str:
    return f"all_outputs_of_{signature}_{training}"


def measure(lifted: Lifted, inputs: Mapping[str, Any], expected: Measurement, training: bool) -> Measurement:
    """Measures; what cannot be told apart here is taken from what is expected: update ops run with a call."""
    bench = _Bench(lifted, {name: to_tensor(value) for name, value in inputs.items()})
    variables, losses = bench.values(), [loss().numpy() for loss in lifted.losses]
    outputs, again = bench.outputs(), bench.outputs()
    after = bench.values()
    bench.reset(variables)
    gradients = bench.gradients()
    bench.reset(variables)
    bench.outputs()
    updated = bench.values() if expected.updated is not None else None
    if _changed(expected):
        updated = expected.updated
    bench.reset(variables)
    sgd_losses = [bench.step() for _ in range(STEPS)] if expected.sgd_losses else []
    found = Measurement(
        variables=variables,
        trainable=frozenset(bench.trainable),
        outputs=outputs,
        outputs_again=again,
        variables_after=after,
        gradients=gradients,
        losses=tuple(losses),
        update_ops=expected.update_ops,
        updated=updated,
        sgd_losses=tuple(sgd_losses),
        trained=bench.values() if sgd_losses else None,
    )
    bench.reset(variables)
    if expected.update_ops and training:
        return dataclasses.replace(
            found, outputs_again=expected.outputs_again, variables_after=expected.variables_after
        )
    if expected.update_ops:
        return dataclasses.replace(
            found, updated=expected.updated, sgd_losses=expected.sgd_losses, trained=expected.trained
        )
    return found


def _changed(expected: Measurement) -> bool:
    """Whether calls without update ops change variables, too."""
    before, after = expected.variables, expected.variables_after
    return any(not np.array_equal(after[name], value) for name, value in before.items())


class _Bench:
    def __init__(self, lifted: Lifted, inputs: Mapping[str, Any]) -> None:
        self.lifted, self.inputs = lifted, inputs
        self.trainable = {_name(variable): variable for variable in lifted.trainable_variables}

    def values(self) -> dict[str, Any]:
        return {_name(variable): variable.numpy() for variable in self.lifted.variables}

    def reset(self, values: Mapping[str, Any]) -> None:
        for variable in self.lifted.variables:
            variable.assign(values[_name(variable)])

    def outputs(self) -> dict[str, Any]:
        return {name: to_value(output) for name, output in self.lifted.call(self.inputs).items()}

    def gradients(self) -> dict[str, Any]:
        found, _ = self._gradients(with_losses=False)
        return {name: tf.convert_to_tensor(value).numpy() for name, value in found.items() if value is not None}

    def step(self) -> Any:
        gradients, loss = self._gradients(with_losses=True)
        for name, gradient in gradients.items():
            if gradient is not None:
                self.trainable[name].assign_sub(LEARNING_RATE * tf.convert_to_tensor(gradient))
        return loss.numpy()

    def _gradients(self, *, with_losses: bool) -> tuple[dict[str, Any], Any]:
        with tf.GradientTape() as tape:
            loss = sum_of_squares(self.lifted.call(self.inputs))
            if loss is None:
                return {}, None
            if with_losses:
                loss = tf.add_n([loss, *(each() for each in self.lifted.losses)])
        return tape.gradient(loss, self.trainable), loss


def _name(variable: Any) -> str:
    return str(variable.name.partition(":")[0])


def to_tensor(value: Any) -> Any:
    """A tensor of what an oracle holds."""
    if isinstance(value, v1.SparseTensorValue):
        return tf.SparseTensor(*value)
    if isinstance(value, v1.ragged.RaggedTensorValue):
        return tf.RaggedTensor.from_row_splits(to_tensor(value.values), value.row_splits)
    return tf.constant(value)


def to_value(output: Any) -> Any:
    """An array of a tensor, or what an oracle holds for others."""
    if isinstance(output, tf.SparseTensor):
        return v1.SparseTensorValue(output.indices.numpy(), output.values.numpy(), output.dense_shape.numpy())
    if isinstance(output, tf.RaggedTensor):
        return types.SimpleNamespace(values=to_value(output.values), row_splits=output.row_splits.numpy())
    return output.numpy()
