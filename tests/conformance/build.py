"""Keras models around a hub layer, and comparisons of nested values."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import tensorflow as tf

from tests.conformance.sample import BACKEND, IS_KERAS_3, Sample

keras: Any = importlib.import_module("keras") if IS_KERAS_3 else tf.keras


def symbolic_inputs(sample: Sample) -> Any:
    """``keras.Input`` objects of the structure of the sample's inputs."""
    if isinstance(sample.inputs, dict):
        return {name: _symbolic_input(tensor, name=name) for name, tensor in sample.inputs.items()}
    return tf.nest.map_structure(_symbolic_input, sample.inputs)


def _symbolic_input(tensor: Any, **options: Any) -> Any:
    flags = {"ragged": True} if isinstance(tensor, tf.RaggedTensor) else {}
    return keras.Input(tuple(tensor.shape[1:]), dtype=tensor.dtype.name, **flags, **options)


@keras.utils.register_keras_serializable(package="conformance")
class Head(keras.layers.Layer):
    """The first float output, through a dense layer that starts small."""

    def __init__(self, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.dense = keras.layers.Dense(1, kernel_initializer=keras.initializers.Constant(0.05), dtype="float32")
        # Built at once: Keras restores the weights of a subclassed model only if it can build it by its input shape.
        self.dense.build((None, width))

    def call(self, outputs: Any) -> Any:
        reshape = keras.ops.reshape if IS_KERAS_3 else tf.reshape
        return self.dense(reshape(tf.nest.flatten(outputs)[0], [-1, self.width]))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (None, 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}


@keras.utils.register_keras_serializable(package="conformance")
class Subclass(keras.Model):
    """A model that calls the layer in Python."""

    def __init__(self, layer: Any, head: Any) -> None:
        # Keras 3 traces subclassed models for a SavedModel, with inputs of their own dtype.
        super().__init__(**({"dtype": layer.dtype} if IS_KERAS_3 else {}))
        self.layer = layer
        self.head = head

    def call(self, inputs: Any, training: Any = None) -> Any:
        return self.head(self.layer(inputs, training=training))

    def build(self, input_shape: Any) -> None:
        self.built = True  # its parts are; Keras would call the model with float32 to find out

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {"layer": serialize(self.layer), "head": serialize(self.head)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(*(keras.saving.deserialize_keras_object(config[part]) for part in ("layer", "head")))


def width_of(sample: Sample, layer: Any) -> int:
    """The size of the last axis of the layer's first output."""
    shape = tf.nest.flatten(layer(sample.inputs))[0].shape
    return shape[-1] if len(shape) > 1 else 1


def build(sample: Sample, layer: Any, composition: str, width: int | None = None) -> Any:
    """A model with one output ``float32[batch, 1]`` around the layer."""
    head = Head(width_of(sample, layer) if width is None else width)
    if composition == "sequential":
        return keras.Sequential([symbolic_inputs(sample), layer, head])
    if composition == "functional":
        inputs = symbolic_inputs(sample)
        return keras.Model(inputs, head(layer(inputs)))
    model = Subclass(layer, head)
    model(sample.inputs)
    return model


def native_twin(sample: Sample, layer: Any) -> Any:
    """The native Keras model of a sample, with the values of a layer of it."""
    assert sample.native is not None
    native = sample.native()
    for variable, value in zip(_variables(native), values(_variables(layer)), strict=True):
        variable.assign(value)
    return native


def _variables(layer: Any) -> list[Any]:
    """All variables, also those that Keras 3 does not count as weights: seeds."""
    return [*layer.trainable_variables, *layer.non_trainable_variables]


def targets() -> Any:
    return tf.constant([[1.0], [0.0], [-1.0], [2.0]])


def data(sample: Sample) -> tf.data.Dataset:
    """Three equal batches."""
    inputs = tuple(sample.inputs) if isinstance(sample.inputs, list) else sample.inputs
    return tf.data.Dataset.from_tensors((inputs, targets())).repeat(3)


def apply_state(model: Any, layer: Any, state: str) -> None:
    """Brings a layer that was made trainable or not into the state of a test."""
    if state == "thawed":
        layer.trainable = True
    elif state == "refrozen":
        layer.trainable = False


def starts_trainable(state: str) -> bool:
    return state in ("trainable", "refrozen")


def trains(state: str) -> bool:
    return state in ("trainable", "thawed")


def as_tf(value: Any) -> Any:
    """A nest of what a layer returned, as tensors of TensorFlow."""
    if BACKEND == "tensorflow":
        return value
    return tf.nest.map_structure(
        lambda x: x if tf.is_tensor(x) else tf.constant(keras.ops.convert_to_numpy(x)),
        value,
    )


def as_array(output: Any) -> Any:
    """One dense output of a model, as an array."""
    return as_tf(output).numpy()


def values(variables: Any) -> list[Any]:
    return [np.asarray(v.numpy() if hasattr(v, "numpy") else v) for v in variables]


def assert_same_weights(one: Any, other: Any, tolerance: float = 0.0) -> None:
    """Compares the variables of two layers, trainable ones first."""
    assert_same_values(_variables(one), _variables(other), tolerance)


def assert_same_values(some: Any, others: Any, tolerance: float = 0.0) -> None:
    """Compares variables (or arrays) one by one, within a relative and absolute tolerance."""
    for a, b in zip(values(some), values(others), strict=True):
        if a.dtype.kind == "f":
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(a, b)


def assert_equal(actual: Any, expected: Any, tolerance: float = 1e-6) -> None:
    """Compares nests of tensors: structure, dtype, and values within a relative and absolute tolerance."""
    actual, expected = as_tf(actual), as_tf(expected)
    tf.nest.assert_same_structure(actual, expected, expand_composites=True)
    pairs = zip(
        tf.nest.flatten(actual, expand_composites=True), tf.nest.flatten(expected, expand_composites=True), strict=True
    )
    for one, other in pairs:
        assert one.dtype == other.dtype or (BACKEND == "jax" and one.dtype == tf.int32 and other.dtype == tf.int64)
        if one.dtype.is_floating:
            np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(one.numpy(), other.numpy())
