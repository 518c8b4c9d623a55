"""`KerasLayer` for Keras 3, on each backend that `rehub.keras.backend` knows."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from rehub.errors import DependencyError, PolicyError, SignatureError, UsageError
from rehub.keras.backend import backend
from rehub.keras.distribution import explain_failure
from rehub.keras.inputs import refuse_foreign
from rehub.keras.keras_private import (
    explain_failures,
    forget_parameters,
    is_loading_in_safe_mode,
    leave_inputs_to_layer,
)
from rehub.keras.layer import HubLayer
from rehub.runtime.load import check_graph, shared_by_parts
from rehub.runtime.reusable import dimensions
from rehub.runtime.variable_writes import written_handles

if not hasattr(keras, "version"):  # then it is the Keras 2 of TensorFlow 2.15
    raise DependencyError(
        f"A Keras 3 layer was asked for, and Keras {keras.__version__} is installed.",
        hint="Use rehub.keras.Keras2Layer with it, or install TensorFlow 2.16 or newer, which comes with Keras 3.",
        package="keras",
        found=keras.__version__,
        required="3",
    )
if [int(number) for number in keras.version().split(".")[:2]] < [3, 10]:  # it trains copies of a model's variables
    raise DependencyError(
        f"Keras {keras.version()} is older than 3.10, the oldest Keras 3 in which models of TensorFlow are layers.",
        hint="Run: pip install --upgrade keras",
        package="keras",
        found=keras.version(),
        required="3.10",
    )


@keras.saving.register_keras_serializable(package="rehub", name="KerasLayer")
class KerasLayer(HubLayer, keras.layers.Layer):  # type: ignore[misc]  # noqa: D101 - it is the shared text
    __doc__ = HubLayer.__doc__
    __init__ = HubLayer._construct

    def __new__(cls, *args: Any, **kwargs: Any) -> KerasLayer:
        """Refuses layers of Keras, before PyTorch finds them among the attributes of one of its modules."""
        handle = args[0] if args else kwargs.get("handle")
        if isinstance(handle, keras.layers.Layer) and not backend().is_tensorflow:
            raise cls._no_model(type(handle).__name__)
        layer: KerasLayer = super().__new__(cls, *args, **kwargs)
        return layer

    @staticmethod
    def _no_model(name: str) -> UsageError:
        return UsageError(
            f"'{name}' computes with variables of Keras on {keras.backend.backend()}; it is no model of TensorFlow.",
            hint="Use it as a layer or in one, without hub.KerasLayer.",
        )

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
        self._check_mode(trainable)
        super()._setup_layer(trainable=trainable, **kwargs)

    def _on_start(self) -> None:
        self._backend = backend()
        self._hub_weights: list[keras.Variable] = []
        self._twins = _Twins()
        self.built = True
        if not self._backend.is_tensorflow:
            leave_inputs_to_layer(self)
        elif tf.distribute.has_strategy():
            explain_failures(explain_failure)

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
        forget_parameters(self)

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
        """False if the backend cannot compile the model; then ``compile(jit_compile="auto")`` leaves it as it is."""
        return self._backend.compiles(self._xla_compiles)

    @supports_jit.setter
    def supports_jit(self, value: bool) -> None:
        """Keras assigns True while it constructs any layer; the model itself decides."""

    def _add_existing_weight(self, weight: Any, trainable: bool | None = None) -> None:
        if isinstance(weight, keras.Variable):
            if not self._backend.is_tensorflow:
                raise self._no_model(self._name_for_humans())
            self._hub_weights.append(weight)
            self._twins.raw[bool(trainable)].append(weight.value)
            return
        trainable = bool(weight.trainable if trainable is None else trainable)
        self._twins.raw[trainable].append(weight)
        if not weight.shape.is_fully_defined() or not self._backend.holds(weight.dtype):
            self._twins.unheld[trainable].append(weight)
            return
        name = f"{weight.name.partition(':')[0].replace('/', '_')}_{len(self._hub_weights)}"
        is_declared = trainable or any(weight is declared for declared in self._trainability.declared)
        if not is_declared or not self._backend.trains(weight.dtype):
            self._hub_weights.append(self._backend.fixed_variable(weight, name))
            return
        trained, frozen = self._backend.twins(weight, name)
        if trainable:
            self._twins.add(trained, frozen)
        self._hub_weights.append(trained if trainable else frozen)

    def _add_existing_loss(self, loss: Callable[[], Any]) -> None:
        # A regularizer follows `trainable`, exists before the first call and counts once; add_loss does none of it.
        # The losses are spread over the variables, so that `layer.losses` lists them one by one.
        losses = self._twins.losses
        if self._twins.trained:
            variable = self._twins.trained[min(len(losses), len(self._twins.trained) - 1)]
            variable.regularizer = variable.regularizer or _Losses()
            variable.regularizer.layers.add(self)
        losses.append(loss)

    def add_loss(self, loss: Any) -> None:
        """Adds losses: tensors, or functions without arguments, as Keras 2 takes them, which count once."""
        losses = loss if isinstance(loss, (list, tuple)) else [loss]
        for each in filter(callable, losses):
            self._add_existing_loss(each)
        tensors = [each for each in losses if not callable(each)]
        if tensors:
            super().add_loss(tensors)

    def _losses_at(self, regularizer: _Losses) -> list[Callable[[], Any]]:
        variables, last = self._twins.trained, len(self._twins.trained) - 1
        return [
            loss
            for place, loss in enumerate(self._twins.losses)
            if variables[min(place, last)].regularizer is regularizer
        ]

    def _check_trainability(self) -> None:
        super()._check_trainability()
        if self.trainable and self._twins.unheld[True]:
            names = ", ".join(f"{variable.name} ({variable.dtype.name})" for variable in self._twins.unheld[True])
            raise SignatureError(
                f"Keras 3 on {keras.backend.backend()} cannot train variables without a fixed shape, or of dtypes that "
                f"it does not have: {names}.",
                hint="Use trainable=False, tf_keras, or tf.GradientTape with resolved_object.trainable_variables. JAX "
                "has 64-bit dtypes if JAX_ENABLE_X64=1 is set.",
            )

    def _raw_weights(self) -> list[Any]:
        return [*self._twins.raw[True], *self._twins.raw[False]]

    def sync(self) -> None:  # noqa: D102 - it is the shared text
        self._backend.push(self._present_weights())

    def _present_weights(self) -> list[keras.Variable]:
        return self._twins.of(self._hub_weights, trained=self.trainable)

    def _input_dtype(self) -> str | None:
        specs = [spec for spec in tf.nest.flatten(self.input_specs()) if hasattr(spec, "dtype")]
        return specs[0].dtype.name if specs else None

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls the layer; Python lists of numbers or strings become one tensor here, since Keras 3 refuses them."""
        check_graph(self._func)
        refuse_foreign(inputs, keras_version=3)
        if self._backend.is_in_tensorflow(inputs):
            return self._run_in_tensorflow(inputs, *args, **kwargs)
        return super().__call__(self._backend.take(inputs, self._convert_inputs), *args, **kwargs)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Runs the model on inputs that are tensors already."""
        if self.trainable and not self._twins.trained and not self.losses:
            for loss in self._twins.losses:  # there is no variable to hang them on
                self.add_loss(self._backend.run(_without_inputs(loss), (), self._hub_weights))
        if self._backend.is_tensorflow:
            return self._run(inputs, training)
        return self._backend.run(
            lambda tensors: self._run(tensors, training), inputs, self.variables, self._changing_variables(training)
        )

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def _run_in_tensorflow(self, inputs: Any, training: bool | None = None) -> Any:
        with tf.init_scope():
            self.sync()
        return self._run(inputs, training)

    def _run(self, inputs: Any, training: Any) -> Any:
        return super()._run(self._backend.widen(inputs, self.input_specs()), training)

    def _changing_variables(self, training: bool | None) -> list[keras.Variable]:
        """The variables that a call may assign: statistics, seeds, counters."""
        trains = bool(training and self.trainable)
        if trains not in self._twins.changing:
            trained = set(map(id, self._twins.trained))
            others = [variable for variable in self._hub_weights if id(variable) not in trained]
            functions = self._functions_in_mode(trains)
            handles = set(map(id, written_handles(functions)))
            self._twins.changing[trains] = [
                each for each in others if not functions or id(each.mirror.variable.handle) in handles
            ]
        return self._twins.changing[trains]

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """Traces the model on symbolic inputs."""
        self._refuse_texts(inputs)
        if self._backend.is_tensorflow and tf.distribute.has_strategy():
            explain_failures(explain_failure)
        specs = tf.nest.map_structure(_tensor_spec, inputs)
        traced = tf.function(lambda x: self._run(x, training), autograph=False).get_concrete_function(specs)
        return tf.nest.map_structure(self._keras_tensor, traced.structured_outputs)

    def _refuse_texts(self, inputs: Any) -> None:
        texts = [x for x in tf.nest.flatten(inputs) if isinstance(x, keras.KerasTensor) and x.dtype == "string"]
        if texts and not self._backend.is_tensorflow:
            raise UsageError(
                f"Strings are to go through a Keras model, and {keras.backend.backend()}, which it runs on, has none.",
                hint="Call the layer eagerly, or in a map of tf.data, and give the model what it returns.",
            )

    def _keras_tensor(self, output: Any) -> Any:
        kind: dict[str, Any] = {}
        if isinstance(output, tf.SparseTensor):
            kind = {"sparse": True}
        elif isinstance(output, tf.RaggedTensor):
            kind = {"ragged": True, "ragged_rank": output.ragged_rank, "row_splits_dtype": output.row_splits.dtype.name}
        known = {name: value for name, value in kind.items() if hasattr(keras.KerasTensor, name)}  # older ones lack some
        return keras.KerasTensor(dimensions(output.shape), self._backend.symbolic_dtype(output.dtype), **known)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shapes of the outputs, as plain tuples, for a shape (or a nest of shapes) with the batch size first."""
        outputs = self.compute_output_spec(self._specs_of(input_shape))
        return keras.tree.map_structure(lambda tensor: dimensions(tensor.shape), outputs)

    def save_own_variables(self, store: Any) -> None:
        """Writes all variables into a Keras weights file, which any backend reads."""
        self.sync()
        super().save_own_variables(store)

    def load_own_variables(self, store: Any) -> None:
        """Reads what `save_own_variables` wrote, on whatever backend.

        Raises:
            FormatError: If the file holds another number of variables, or other shapes.
        """
        super().load_own_variables(store)
        self._backend.pull(self._present_weights())

    def _handle_config(self) -> dict[str, Any]:
        if self._options.embed_saved_model:
            self.sync()
        return super()._handle_config()

    def __reduce__(self) -> tuple[Any, ...]:
        self.sync()
        return _restore, super().__reduce__()

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


def _restore(restore: Callable[..., KerasLayer], arguments: tuple[Any, ...]) -> KerasLayer:
    layer = restore(*arguments)
    layer._backend.pull(layer._present_weights())
    return layer


def _without_inputs(*losses: Callable[[], Any]) -> Callable[[Any], Any]:
    return lambda _: tf.add_n([loss() for loss in losses])


class _Twins:
    """What Keras shall not track of a layer.

    Attributes:
        trained: The Keras variables of the model's variables that the layer trains.
        losses: The model's losses.
        raw: The variables of the model, by whether they are trainable.
        changing: The Keras variables that a call may assign, by whether it trains.
        unheld: Variables that Keras cannot hold, by whether they are trainable: those without a fixed shape, and those
            of dtypes that the backend does not have. They stay in TensorFlow.
    """

    def __init__(self) -> None:
        self.trained: list[keras.Variable] = []
        self.losses: list[Callable[[], Any]] = []
        self.raw: dict[bool, list[Any]] = {True: [], False: []}
        self.unheld: dict[bool, list[Any]] = {True: [], False: []}
        self.changing: dict[bool, list[keras.Variable]] = {}
        self._frozen: dict[int, keras.Variable] = {}

    def add(self, trained: keras.Variable, frozen: keras.Variable) -> None:
        """Remembers the two Keras variables of one variable."""
        self.trained.append(trained)
        self._frozen[id(trained)] = frozen

    def of(self, variables: list[keras.Variable], *, trained: bool) -> list[keras.Variable]:
        """Returns the same list, or the one of the frozen twins."""
        return variables if trained else [self._frozen.get(id(variable), variable) for variable in variables]


class _Losses(keras.regularizers.Regularizer):  # type: ignore[misc]  # Keras 3.12 takes no other callable
    """A regularizer that ignores its variable and adds up losses of the models whose layers share the variable."""

    def __init__(self) -> None:
        self.layers: weakref.WeakSet[KerasLayer] = weakref.WeakSet()

    def __call__(self, variable: Any) -> Any:
        of_objects = {id(shared_by_parts(layer._func)): layer for layer in self.layers if layer.trainable}
        losses = [loss for layer in of_objects.values() for loss in layer._losses_at(self)]
        variables = [variable for layer in of_objects.values() for variable in layer.variables]
        return backend().run(_without_inputs(*losses), (), variables) if losses else 0.0


def _tensor_spec(tensor: Any) -> Any:
    shape = tf.TensorShape(tensor.shape)
    if getattr(tensor, "sparse", False):
        return tf.SparseTensorSpec(shape, tensor.dtype)
    if getattr(tensor, "ragged", False):
        splits = getattr(tensor, "row_splits_dtype", None) or tf.int64
        return tf.RaggedTensorSpec(shape, tensor.dtype, getattr(tensor, "ragged_rank", None), splits)
    return tf.TensorSpec(shape, tensor.dtype)
