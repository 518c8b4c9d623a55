"""`KerasLayer` for Keras 2: ``tf_keras``, or the Keras of TensorFlow 2.15."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from rehub.errors import DependencyError
from rehub.keras import trainability
from rehub.keras.graph_mode import is_in_session_graph, prepare_gradients
from rehub.keras.inputs import refuse_foreign
from rehub.keras.layer import HubLayer
from rehub.runtime import tf_private
from rehub.runtime.load import check_graph

if hasattr(tf.keras, "version"):  # then tf.keras is Keras 3
    try:
        import tf_keras as keras
    except ImportError as error:
        raise DependencyError(
            "A Keras 2 layer was asked for, and tf_keras is not installed.",
            hint="Run: pip install tf_keras (in the version of your TensorFlow).",
            package="tf_keras",
        ) from error
else:
    keras = tf.keras


@keras.saving.register_keras_serializable(package="rehub", name="KerasLayer")
class KerasLayer(HubLayer, keras.layers.Layer):  # type: ignore[misc]  # noqa: D101 - it is the shared text
    __doc__ = HubLayer.__doc__
    __init__ = HubLayer._construct

    def __repr__(self) -> str:
        return f"<KerasLayer {self.name} of Keras 2; for 'import keras' use rehub.keras.Keras3Layer>"

    def _keras_arguments(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        return {"autocast": False, **kwargs}

    def _setup_layer(self, trainable: bool = False, **kwargs: Any) -> None:
        variables = self._trainability.variables
        for variable, name in zip(variables, trainability.names_of(variables), strict=True):
            if variable.name.partition(":")[0] != name:
                tf_private.rename_variable(variable, f"{name}:0")
        super()._setup_layer(trainable=trainable, **kwargs)
        if is_in_session_graph():
            # Keras' session initialises the weights of layers alone; calls of the model and checkpoints read the rest.
            holder = keras.layers.Layer()
            for variable in tf_private.reachable_variables(self._func):
                _add_weight(holder, variable, trainable=False)

    def _add_existing_weight(self, weight: Any, trainable: bool | None = None) -> None:
        _add_weight(self, weight, trainable=weight.trainable if trainable is None else trainable)

    def _add_existing_loss(self, loss: Callable[[], Any]) -> None:
        def value() -> Any:
            result = loss()
            if is_in_session_graph():
                prepare_gradients(result, self._trainable_weights)
            return result

        self.add_loss(value)

    def _raw_weights(self) -> list[Any]:
        return [*self._trainable_weights, *self._non_trainable_weights]

    def call(self, inputs: Any, training: Any = None) -> Any:
        """Runs the model; ``training`` may be a bool or, in graphs, a scalar bool tensor."""
        if training is None:
            training = keras.backend.learning_phase()
        outputs = self._run(inputs, training)
        if self.trainable and tf.is_tensor(training) and is_in_session_graph():
            prepare_gradients(outputs, self._trainable_weights)
        return outputs

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls the layer; Python lists of numbers or strings become one tensor."""
        check_graph(self._func)
        refuse_foreign(inputs, keras_version=2)
        return super().__call__(self._convert_inputs(inputs), *args, **kwargs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The declared ``output_shape`` behind the batch size; without one, what tracing finds."""
        declared = self._options.output_shape
        if declared is None:
            call = tf.function(lambda inputs: self._run(inputs, False), autograph=False)
            traced = call.get_concrete_function(self._specs_of(input_shape))
            return tf.nest.map_structure(lambda spec: spec.shape, traced.structured_outputs)
        batch = tf.TensorShape(tf.nest.flatten(input_shape)[:1])
        return tf.nest.map_structure(batch.concatenate, declared)


def _add_weight(layer: Any, variable: Any, *, trainable: bool) -> None:
    layer.add_weight(
        name=variable.name,
        shape=variable.shape,
        dtype=variable.dtype,
        trainable=trainable,
        getter=lambda *_, **__: variable,
    )
