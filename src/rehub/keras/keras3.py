"""`KerasLayer` for Keras 3 on its TensorFlow backend."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from rehub.errors import DependencyError, PolicyError
from rehub.keras.inputs import refuse_foreign
from rehub.keras.keras_private import is_loading_in_safe_mode
from rehub.keras.layer import HubLayer

if keras.backend.backend() != "tensorflow":
    raise DependencyError(
        f"Keras runs on its {keras.backend.backend()} backend, this layer needs the TensorFlow backend.",
        hint="Set KERAS_BACKEND=tensorflow before Keras is imported.",
        package="keras",
        found=keras.backend.backend(),
        required="tensorflow",
    )

# One Keras variable for each tf.Variable, so that two layers made of one object share their weights.
_wrappers: weakref.WeakValueDictionary[int, keras.Variable] = weakref.WeakValueDictionary()


@keras.saving.register_keras_serializable(package="rehub", name="KerasLayer")
class KerasLayer(HubLayer, keras.layers.Layer):  # type: ignore[misc]  # noqa: D101 - it is the shared text
    __doc__ = HubLayer.__doc__

    def __repr__(self) -> str:
        return f"<KerasLayer {self.name} of Keras 3; for 'import tf_keras' use rehub.keras.Keras2Layer>"

    def _keras_arguments(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        kwargs = dict(kwargs)
        # Keras 3 would make a float32 InputLayer of these; Sequential reads the property input_shape instead.
        shape = kwargs.pop("input_shape", None)
        batch_shape = kwargs.pop("batch_input_shape", None)
        self._declared_shape: tuple[int | None, ...] | None = None if batch_shape is None else tuple(batch_shape)
        if shape is not None:
            self._declared_shape = (kwargs.pop("batch_size", None), *tuple(shape))
        dtype = kwargs.get("dtype")
        if dtype is None:
            kwargs["dtype"] = self._input_dtype()
        elif isinstance(dtype, tf.DType):
            kwargs["dtype"] = dtype.name
        return {"autocast": False, **kwargs}

    def _setup_layer(self, trainable: bool = False, **kwargs: Any) -> None:
        self._hub_weights: list[keras.Variable] = []
        self._untracked: list[Any] = []
        super()._setup_layer(trainable=trainable, **kwargs)
        self.built = True
        if not self.trainable:
            # Assigning trainable=False is a no-op in Keras when it is False already.
            for variable in self._trainable_variables:
                variable.trainable = False

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """The shape that the user declared, with the batch size first."""
        if self._declared_shape is None:
            raise AttributeError("input_shape was not declared")
        return self._declared_shape

    @property
    def supports_jit(self) -> bool:
        """False if XLA cannot compile the model; then ``compile(jit_compile="auto")`` leaves XLA off."""
        return self._xla_compiles

    @supports_jit.setter
    def supports_jit(self, value: bool) -> None:
        """Keras assigns True while it constructs any layer; the model itself decides."""

    def _add_existing_weight(self, weight: Any, trainable: bool | None = None) -> None:
        if isinstance(weight, keras.Variable):
            self._hub_weights.append(weight)
            return
        if not weight.shape.is_fully_defined():
            self._untracked.append(weight)
            return
        variable = _wrappers.get(id(weight))
        if variable is None:
            trainable = weight.trainable if trainable is None else trainable
            name = f"{weight.name.partition(':')[0].replace('/', '_')}_{len(self._hub_weights)}"
            variable = keras.Variable(weight, dtype=weight.dtype.name, trainable=trainable, autocast=False, name=name)
            _wrappers[id(weight)] = variable
        self._hub_weights.append(variable)

    def _add_existing_loss(self, loss: Callable[[], Any]) -> None:
        # A regularizer follows `trainable`, exists before the first call and counts once; add_loss does none of it.
        # The losses are spread over the variables, so that `layer.losses` lists them one by one.
        candidates = [v for v in self._trainable_variables if v.regularizer is None]
        if candidates:
            candidates[0].regularizer = _Losses(self)
            candidates[0].regularizer.losses.append(loss)
            return
        mine = [v.regularizer for v in self._trainable_variables if getattr(v.regularizer, "owner", None) is self]
        if mine:
            mine[-1].losses.append(loss)

    def _raw_weights(self) -> list[Any]:
        return [*(v.value for v in (*self._trainable_variables, *self._non_trainable_variables)), *self._untracked]

    def _input_dtype(self) -> str | None:
        specs = [spec for spec in tf.nest.flatten(self._input_specs()) if hasattr(spec, "dtype")]
        return specs[0].dtype.name if specs else None

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls the layer; Python lists of numbers or strings become one tensor here, since Keras 3 refuses them."""
        refuse_foreign(inputs, keras_version=3)
        return super().__call__(self._convert_inputs(inputs), *args, **kwargs)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Runs the model on inputs that are tensors already."""
        return self._run(inputs, training)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """Traces the model on symbolic inputs."""
        specs = tf.nest.map_structure(_tensor_spec, inputs)
        traced = tf.function(lambda x: self._run(x, training), autograph=False).get_concrete_function(specs)
        return tf.nest.map_structure(_keras_tensor, traced.structured_outputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shapes of the outputs, as plain tuples, for a shape (or a nest of shapes) with the batch size first."""
        specs = self._input_specs()
        dtype = specs[0].dtype if specs and hasattr(specs[0], "dtype") else tf.as_dtype(self.compute_dtype)
        outputs = self.compute_output_spec(keras.KerasTensor(tuple(input_shape), dtype.name))
        return keras.tree.map_structure(lambda tensor: tuple(tensor.shape), outputs)

    def _keras_config(self) -> dict[str, Any]:
        config = super()._keras_config()
        if self._declared_shape is not None:
            config["batch_input_shape"] = list(self._declared_shape)
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Makes the layer that a configuration describes.

        Raises:
            PolicyError: While Keras reads a file in safe mode: the SavedModel is a program, and would be run.
        """
        if is_loading_in_safe_mode():
            raise PolicyError(
                f"The file holds a hub.KerasLayer with the model '{config.get('handle')}', and a model is a program.",
                hint="If you trust its source, load the file with safe_mode=False.",
            )
        return super().from_config(config)


class _Losses:
    """A regularizer that ignores its variable and adds up the losses of one layer's model."""

    def __init__(self, owner: KerasLayer) -> None:
        self.owner = owner
        self.losses: list[Callable[[], Any]] = []

    def __call__(self, variable: Any) -> Any:
        return tf.add_n([loss() for loss in self.losses])


def _tensor_spec(tensor: Any) -> Any:
    shape = tf.TensorShape(tensor.shape)
    if getattr(tensor, "sparse", False):
        return tf.SparseTensorSpec(shape, tensor.dtype)
    if getattr(tensor, "ragged", False):
        return tf.RaggedTensorSpec(shape, tensor.dtype)
    return tf.TensorSpec(shape, tensor.dtype)


def _keras_tensor(spec: Any) -> Any:
    flags = {"sparse": isinstance(spec, tf.SparseTensorSpec), "ragged": isinstance(spec, tf.RaggedTensorSpec)}
    shape = None if spec.shape.rank is None else tuple(spec.shape)
    return keras.KerasTensor(shape, spec.dtype.name, **{name: True for name, on in flags.items() if on})
