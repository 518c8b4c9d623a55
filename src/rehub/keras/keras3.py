"""`KerasLayer` for Keras 3 on its TensorFlow backend."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from rehub.errors import DependencyError, PolicyError, SignatureError, UsageError
from rehub.keras.inputs import refuse_foreign
from rehub.keras.keras_private import is_loading_in_safe_mode
from rehub.keras.layer import HubLayer
from rehub.runtime.load import check_graph
from rehub.runtime.reusable import dimensions

if not hasattr(keras, "version"):  # then it is the Keras 2 of TensorFlow 2.15
    raise DependencyError(
        f"A Keras 3 layer was asked for, and Keras {keras.__version__} is installed.",
        hint="Use rehub.keras.Keras2Layer with it, or install TensorFlow 2.16 or newer, which comes with Keras 3.",
        package="keras",
        found=keras.__version__,
        required="3",
    )
if keras.backend.backend() != "tensorflow":
    raise DependencyError(
        f"Keras runs on its {keras.backend.backend()} backend, this layer needs the TensorFlow backend.",
        hint="Set KERAS_BACKEND=tensorflow before Keras is imported.",
        package="keras",
        found=keras.backend.backend(),
        required="tensorflow",
    )

# Two Keras variables for each tf.Variable: the layers of one object that train share the one, those that are frozen the
# other. So a model with layers of both kinds trains, and trains nothing twice.
_trained: weakref.WeakValueDictionary[int, keras.Variable] = weakref.WeakValueDictionary()
_frozen: weakref.WeakValueDictionary[int, keras.Variable] = weakref.WeakValueDictionary()


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
        self._twins = _Twins()
        self._check_mode(trainable)
        super()._setup_layer(trainable=trainable, **kwargs)
        self.built = True

    @property
    def trainable(self) -> bool:
        """Whether the layer fine-tunes the model."""
        return bool(super().trainable)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._check_mode(value)
        keras.layers.Layer.trainable.fset(self, value)
        for variable in self._twins.trained:  # other layers of the same object may train them
            variable.trainable = True

    def _check_mode(self, trainable: bool) -> None:
        if trainable and not tf.compat.v1.executing_eagerly_outside_functions():
            raise UsageError(
                f"'{self._name_for_humans()}' is to be trained in graph mode, where Keras 3 trains no models: neither "
                "Model.fit nor Estimators take them.",
                hint="Install tf_keras and set TF_USE_LEGACY_KERAS=1, which makes tf.keras Keras 2; or train the "
                "trainable_variables of what hub.load returns, with an optimizer of tf.compat.v1.train.",
            )

    @property
    def weights(self) -> list[keras.Variable]:
        """All weights, as `variables` but without the state of random numbers."""
        return self._twins.of(super().weights, trained=self.trainable)

    @property
    def variables(self) -> list[keras.Variable]:
        """All state; a frozen layer has Keras variables of its own for the variables that others may train."""
        return self._twins.of(super().variables, trained=self.trainable)

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
        trainable = weight.trainable if trainable is None else trainable
        if not weight.shape.is_fully_defined():
            self._twins.unshaped[bool(trainable)].append(weight)
            return
        frozen = self._wrap(_frozen, weight, trainable=False)
        if not trainable:
            self._hub_weights.append(frozen)
            return
        variable = self._wrap(_trained, weight, trainable=True)
        self._twins.add(variable, frozen)
        self._hub_weights.append(variable)

    def _wrap(
        self, known: weakref.WeakValueDictionary[int, keras.Variable], weight: Any, *, trainable: bool
    ) -> keras.Variable:
        variable = known.get(id(weight))
        if variable is None:
            name = f"{weight.name.partition(':')[0].replace('/', '_')}_{len(self._hub_weights)}"
            variable = keras.Variable(weight, dtype=weight.dtype.name, trainable=trainable, autocast=False, name=name)
            known[id(weight)] = variable
        return variable

    def _add_existing_loss(self, loss: Callable[[], Any]) -> None:
        # A regularizer follows `trainable`, exists before the first call and counts once; add_loss does none of it.
        # The losses are spread over the variables, so that `layer.losses` lists them one by one.
        losses = self._twins.losses
        if self._twins.trained:
            variable = self._twins.trained[min(len(losses), len(self._twins.trained) - 1)]
            variable.regularizer = variable.regularizer or _Losses()
            variable.regularizer.layers.add(self)
        losses.append(loss)

    def _losses_at(self, regularizer: _Losses) -> list[Callable[[], Any]]:
        variables, last = self._twins.trained, len(self._twins.trained) - 1
        return [
            loss
            for place, loss in enumerate(self._twins.losses)
            if variables[min(place, last)].regularizer is regularizer
        ]

    def _check_trainability(self) -> None:
        super()._check_trainability()
        if self.trainable and self._twins.unshaped[True]:
            names = ", ".join(variable.name for variable in self._twins.unshaped[True])
            raise SignatureError(
                f"Keras 3 cannot train variables without a fixed shape: {names}.",
                hint="Use trainable=False, tf_keras, or tf.GradientTape with resolved_object.trainable_variables.",
            )

    def _raw_weights(self) -> list[Any]:
        wrapped = (v.value for v in (*self._trainable_variables, *self._non_trainable_variables))
        return [*wrapped, *self._twins.unshaped[True], *self._twins.unshaped[False]]

    def _input_dtype(self) -> str | None:
        specs = [spec for spec in tf.nest.flatten(self._input_specs()) if hasattr(spec, "dtype")]
        return specs[0].dtype.name if specs else None

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls the layer; Python lists of numbers or strings become one tensor here, since Keras 3 refuses them."""
        check_graph(self._func)
        refuse_foreign(inputs, keras_version=3)
        return super().__call__(self._convert_inputs(inputs), *args, **kwargs)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Runs the model on inputs that are tensors already."""
        if self.trainable and not self._twins.trained and not self.losses:
            for loss in self._twins.losses:  # there is no variable to hang them on
                self.add_loss(loss())
        return self._run(inputs, training)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """Traces the model on symbolic inputs."""
        specs = tf.nest.map_structure(_tensor_spec, inputs)
        traced = tf.function(lambda x: self._run(x, training), autograph=False).get_concrete_function(specs)
        return tf.nest.map_structure(_keras_tensor, traced.structured_outputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shapes of the outputs, as plain tuples, for a shape (or a nest of shapes) with the batch size first."""
        outputs = self.compute_output_spec(self._specs_of(input_shape))
        return keras.tree.map_structure(lambda tensor: dimensions(tensor.shape), outputs)

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


class _Twins:
    """What Keras shall not track of a layer.

    Attributes:
        trained: The Keras variables of the model's trainable variables.
        losses: The model's losses.
        unshaped: Variables without a fixed shape, which Keras 3 cannot wrap; by whether they are trainable.
    """

    def __init__(self) -> None:
        self.trained: list[keras.Variable] = []
        self.losses: list[Callable[[], Any]] = []
        self.unshaped: dict[bool, list[Any]] = {True: [], False: []}
        self._frozen: dict[int, keras.Variable] = {}

    def add(self, trained: keras.Variable, frozen: keras.Variable) -> None:
        """Remembers the two Keras variables of one variable."""
        self.trained.append(trained)
        self._frozen[id(trained)] = frozen

    def of(self, variables: list[keras.Variable], *, trained: bool) -> list[keras.Variable]:
        """Returns the same list, or the one of the frozen twins."""
        return variables if trained else [self._frozen.get(id(variable), variable) for variable in variables]


class _Losses:
    """A regularizer that ignores its variable and adds up losses of the models whose layers share the variable."""

    def __init__(self) -> None:
        self.layers: weakref.WeakSet[KerasLayer] = weakref.WeakSet()

    def __call__(self, variable: Any) -> Any:
        of_objects = {id(layer.resolved_object): layer for layer in self.layers if layer.trainable}
        losses = [loss() for layer in of_objects.values() for loss in layer._losses_at(self)]
        return tf.add_n(losses) if losses else 0.0


def _tensor_spec(tensor: Any) -> Any:
    shape = tf.TensorShape(tensor.shape)
    if getattr(tensor, "sparse", False):
        return tf.SparseTensorSpec(shape, tensor.dtype)
    if getattr(tensor, "ragged", False):
        return tf.RaggedTensorSpec(shape, tensor.dtype)
    return tf.TensorSpec(shape, tensor.dtype)


def _keras_tensor(spec: Any) -> Any:
    flags = {"sparse": isinstance(spec, tf.SparseTensorSpec), "ragged": isinstance(spec, tf.RaggedTensorSpec)}
    return keras.KerasTensor(
        dimensions(spec.shape), spec.dtype.name, **{name: True for name, on in flags.items() if on}
    )
