"""The object that stands in an exported SavedModel for a model."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rehub.conversion import export_arguments, leaves
from rehub.conversion.export_arguments import Hyperparameter
from rehub.conversion.export_source import Source
from rehub.errors import HubError, PublishError, SignatureError
from rehub.keras import keras_private
from rehub.runtime import reusable, tf_private
from rehub.runtime.reusable import describe_spec
from rehub.runtime.tf_version import import_tensorflow

_SERVING_DEFAULT = "serving_default"


class ReusableObject:
    """A model behind the interface of Reusable SavedModels.

    Only functions, variables, and what functions need are saved: nothing of Keras, no optimizer.

    Args:
        source: The model.
        inputs: The nest of specs that it is called with.
        hyperparameters: The arguments that it gets.

    Attributes:
        losses_of_calls: Says which losses the model added while it was called; they are none of the object's.

    Raises:
        PublishError: If the model cannot be traced.
        SignatureError: If a hyperparameter makes no difference to it.
    """

    def __init__(self, source: Source, inputs: Any, hyperparameters: Sequence[Hyperparameter]) -> None:
        self._source = source
        self._inputs = inputs
        self._hyperparameters = hyperparameters
        self._used: set[str] = set()
        self.losses_of_calls: list[str] = []
        self._function = import_tensorflow().function(
            _with_signature(self._call, source, hyperparameters),
            # Fit of Keras 3 runs Python as it stands; Keras 2 and functions of TensorFlow convert "if" and "for".
            autograph=source.keras_version != 3,
        )
        self._traces = [self._trace(dict(values)) for values in self._combinations()]
        unused = [each for each in hyperparameters if each.layers and each.name not in self._used]
        if unused:
            layers = ", ".join(layer.name for layer in unused[0].layers)
            raise SignatureError(
                f"The argument {unused[0].name!r} makes no difference: {layers} computes the same whatever "
                f"{unused[0].attribute!r} is.",
                hint="Name the layer that uses it in its call. What its default switches off stays off: give a dropout "
                "a positive rate.",
            )

    def _call(self, inputs: Any, training: bool, values: Mapping[str, Any]) -> Any:
        """What is traced: by `_trace`, and by TensorFlow once more while it saves."""
        source = self._source
        mode = {"training": training} if source.takes_training else {}
        with self._unchanged_layers(), export_arguments.applied(self._hyperparameters, values, self._used) as keywords:
            return source.model(source.nested(inputs), **mode, **keywords)

    @contextlib.contextmanager
    def _unchanged_layers(self) -> Iterator[None]:
        """Takes the traces of a trace from the layers: seeds that it used up, and losses, which are symbolic."""
        layers = self._source.layers
        try:
            with keras_private.keeping_seeds(layers):
                yield
        finally:
            adding = [layer.name for layer in layers if keras_private.losses_of_calls(layer)]
            for layer in layers:
                keras_private.clear_losses_of_calls(layer)
        for name in adding:
            loss = f"'{name}' adds a loss that depends on its inputs or outputs, which cannot be exported."
            if loss not in self.losses_of_calls:
                self.losses_of_calls.append(loss)

    def _combinations(self) -> list[Any]:
        """All ways to call the model, inference with the defaults of Python values among them."""
        axes = [("training", (False, True))] if self._source.takes_training else []
        choices = axes + [(each.name, each.traces) for each in self._hyperparameters]
        return list(itertools.product(*([(name, value) for value in values] for name, values in choices)))

    def _trace(self, values: Mapping[str, Any]) -> Any:
        try:
            return self._function.get_concrete_function(self._inputs, **values)
        except HubError:
            raise
        except Exception as error:
            mode = "".join(f", {name}={value}" for name, value in values.items() if isinstance(value, bool))
            raise PublishError(
                f"{self._source.kind} cannot be called with {describe_spec(self._inputs)}{mode}: {error}",
                hint="Check that it can be called so in a tf.function, and that inputs describes what it takes.",
            ) from error

    def save(self, folder: Path, signatures: Mapping[str, Any]) -> None:
        """Writes the SavedModel.

        Args:
            folder: An empty one.
            signatures: The user's own.

        Raises:
            PublishError: If a function uses something that hangs on no attribute of the model.
            SignatureError: If a signature is none.
        """
        tf = import_tensorflow()
        served = {name: _concrete(name, function) for name, function in signatures.items()}
        served.setdefault(_SERVING_DEFAULT, self._serving_default())
        methods = self._source.methods()
        losses = self._losses()
        functions = [
            *self._traces,
            *served.values(),
            *(trace for function in (*methods.values(), *losses) for trace in tf_private.traces_of(function)),
        ]
        variables, trainable = self._variables(functions)
        obj = tf.__internal__.tracking.AutoTrackable()
        for name, method in methods.items():
            setattr(obj, name, method)
        obj.__call__ = self._function
        obj.variables = variables
        obj.trainable_variables = trainable
        obj.regularization_losses = losses
        obj._resources = _resources(functions, self._source.roots())
        names = [self._source.names.get(id(variable)) for variable in variables]
        try:
            with tf_private.saved_as(variables, names, self._are_statistics(variables)):
                tf.saved_model.save(obj, str(folder), signatures=served)
        except AssertionError as error:  # TensorFlow has no class of its own for it
            if "untracked" not in str(error):
                raise
            raise PublishError(
                f"{self._source.kind} uses a table or another resource that hangs on none of its attributes: {error}",
                hint="Keep it as an attribute of the model, or of the layer that uses it.",
            ) from error

    def _losses(self) -> list[Any]:
        """The regularization losses, without those of nothing but frozen variables: Keras 2 has these, too."""
        tf = import_tensorflow()
        functions = [
            tf.function(loss, input_signature=[], autograph=False) for loss in self._source.regularization_losses
        ]
        trainable = self._source.trainable_variables
        return [each for each in functions if _owners(each.get_concrete_function().captured_inputs, trainable)]

    def _variables(self, functions: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """All variables and the trainable ones. Those that nobody trains or uses, such as metrics, are left out."""
        source = self._source
        captured = _captured_variables(functions, source.variables)
        known = {id(variable) for variable in source.variables}
        trainable = list(source.trainable_variables)
        if source.trains_what_it_captures:
            trainable += [variable for variable in captured if id(variable) not in known and variable.trainable]
        kept = {id(variable) for variable in (*captured, *trainable)}
        everything = reusable.unique([*source.variables, *captured])
        return [variable for variable in everything if id(variable) in kept], trainable

    def _are_statistics(self, variables: Sequence[Any]) -> list[bool]:
        """Whether training moves a variable without training it, and nothing says what replicas do with their copies.

        So it is with batch normalization of Keras 3: each replica would keep its own, and one of them would be saved.
        """
        tf = import_tensorflow()
        handles = [handle for trace in self._traces for handle in tf_private.written_captures(trace)]
        written = {id(variable) for variable in _owners(handles, variables)}
        return [
            id(variable) in written
            and not variable.trainable
            and variable.dtype.is_floating
            and variable.aggregation == tf.VariableAggregation.NONE
            for variable in variables
        ]

    def _serving_default(self) -> Any:
        """A function of named tensors that calls the model for inference, and returns named tensors."""
        tf = import_tensorflow()
        specs = dict(zip(_input_names(self._inputs), tf.nest.flatten(self._inputs), strict=True))

        def serve(**tensors: Any) -> Any:
            inputs = tf.nest.pack_sequence_as(self._inputs, [tensors[name] for name in specs])
            return _named_outputs(self._function(inputs))

        return tf.function(serve, autograph=False).get_concrete_function(
            **{name: _renamed(spec, name) for name, spec in specs.items()}
        )


def _with_signature(call: Callable[..., Any], source: Source, hyperparameters: Sequence[Hyperparameter]) -> Any:
    """Makes a function whose arguments can be read off it: those that the exported model shall have."""

    def exported(inputs: Any, training: bool = False, **values: Any) -> Any:
        return call(inputs, training, values)

    inputs, training, _ = inspect.signature(exported).parameters.values()
    parameters = [inputs, *[training] * source.takes_training, *(each.parameter for each in hyperparameters)]
    exported.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return exported


def _concrete(name: str, function: Any) -> Any:
    tf = import_tensorflow()
    if isinstance(function, tf.types.experimental.ConcreteFunction):
        return function
    if getattr(function, "input_signature", None) is None:
        raise SignatureError(
            f"The signature {name!r} is {function!r}, of which the inputs are not known.",
            hint="Pass a function that is decorated by @tf.function(input_signature=[tf.TensorSpec(...)]).",
        )
    return function.get_concrete_function()


def _owners(handles: Iterable[Any], variables: Iterable[Any]) -> list[Any]:
    """The variables that handles belong to; a variable on replicas has several."""
    wanted = {id(handle) for handle in handles}
    return [
        variable
        for variable in variables
        if any(id(part.handle) in wanted for part in getattr(variable, "values", None) or [variable])
    ]


def _captured_variables(functions: Sequence[Any], known: Sequence[Any]) -> list[Any]:
    """The variables that functions use, known ones before others."""
    handles = [handle for function in functions for handle in function.captured_inputs]
    found = _owners(handles, known)
    parts = {id(part.handle) for variable in found for part in getattr(variable, "values", None) or [variable]}
    others = reusable.function_variables(functions)
    return [*found, *_owners((handle for handle in handles if id(handle) not in parts), others)]


def _resources(functions: Sequence[Any], roots: Iterable[Any]) -> list[Any]:
    """The lookup tables and files that functions use."""
    tf = import_tensorflow()
    captured = {id(tensor) for function in functions for tensor in function.captured_inputs}
    nodes = reusable.unique(node for root in roots for node in tf_private.reachable(root))
    return [
        node
        for node in nodes
        if (isinstance(node, tf.saved_model.experimental.TrackableResource) and id(node.resource_handle) in captured)
        or (isinstance(node, tf.saved_model.Asset) and id(node.asset_path) in captured)
    ]


def _input_names(inputs: Any) -> list[str]:
    """What the inputs of a signature are called: by the keys of dicts, or as their specs say."""
    names = leaves.names_of(inputs, "inputs", "inputs")
    if not isinstance(inputs, Mapping):
        specs = import_tensorflow().nest.flatten(inputs)
        names = [getattr(spec, "name", None) or name for spec, name in zip(specs, names, strict=True)]
    return leaves.numbered(re.sub(r"\W", "_", name) for name in names)


def _renamed(spec: Any, name: str) -> Any:
    tf = import_tensorflow()
    return tf.TensorSpec(spec.shape, spec.dtype, name) if isinstance(spec, tf.TensorSpec) else spec


def _named_outputs(outputs: Any) -> dict[str, Any]:
    """What a signature returns: the keys of a dict, or output_0 and so on, as TensorFlow calls them."""
    names = leaves.names_of(outputs, "output_0", "output")
    return dict(zip(names, import_tensorflow().nest.flatten(outputs), strict=True))
