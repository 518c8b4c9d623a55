"""What a model in memory is: how it is called, its input, its variables and its regularizers."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rehub.errors import DependencyError, PublishError, SignatureError
from rehub.keras import keras_private
from rehub.runtime import reusable, tf_private
from rehub.runtime.tf_version import import_tensorflow


@dataclasses.dataclass(frozen=True)
class Source:
    """A model that is to be exported.

    Attributes:
        model: The model itself.
        keras_version: 2 or 3 for a model of Keras, 0 for others.
        layers: Its Keras layers, the model itself included.
        variables: All ``tf.Variable`` objects that it lists.
        trainable_variables: Those of them that fine-tuning shall change.
        regularization_losses: Functions without arguments, one for each regularized variable. Those of frozen
            variables may be among them.
        names: How a variable is called, for those whose own name says too little; by the variable's id.
    """

    model: Any
    keras_version: int
    layers: Sequence[Any]
    variables: Sequence[Any]
    trainable_variables: Sequence[Any]
    regularization_losses: Sequence[Callable[[], Any]]
    names: Mapping[int, str]

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """What a call of the model takes."""
        return reusable.parameters_of(self.model.call if self.keras_version else self.model.__call__)

    @property
    def takes_training(self) -> bool:
        """Whether the model is told its mode. Keras 2 tells it the layers of all models."""
        return self.keras_version == 2 or "training" in self.parameters

    def nested(self, inputs: Any) -> Any:
        """Puts the only input into a list, for models that were made as ``keras.Model([x], ...)``."""
        symbolic = getattr(self.model, "input", None) if self.keras_version and hasattr(self.model, "inputs") else None
        return [inputs] if _is_list_of_one(symbolic) and not isinstance(inputs, (list, tuple, Mapping)) else inputs

    def takes(self, name: str) -> bool:
        """Whether a call of the model takes an argument by this name, besides the input."""
        # Models of Keras 3 take any, and drop it.
        takes_any = not self.keras_version and any(p.kind is p.VAR_KEYWORD for p in self.parameters.values())
        return takes_any or name in list(self.parameters)[1:]

    @property
    def kind(self) -> str:
        """The class of the model, for messages."""
        return type(self.model).__name__

    @property
    def trains_what_it_captures(self) -> bool:
        """Whether variables that the model uses but does not list are trained. Keras trains what it lists."""
        return not self.keras_version and not _has_own_lists(self.model)

    def roots(self) -> Iterator[Any]:
        """Objects on which hang the tables and files that the model uses."""
        yield self.model
        for layer in self.layers:
            if hasattr(layer, "resolved_object"):
                yield layer.resolved_object

    def methods(self) -> Mapping[str, Any]:
        """The functions, besides ``__call__``, of an object that is not of Keras."""
        if self.keras_version:
            return {}
        found = tf_private.methods_of(self.model)
        return {name: function for name, function in found.items() if not name.startswith("_")}

    def losses_of_optimizer(self) -> list[str]:
        """Says how the optimizer that a Keras model was compiled with regularizes."""
        optimizer: Any = getattr(self.model, "optimizer", None) if self.keras_version else None
        config: Any = optimizer.get_config() if hasattr(optimizer, "get_config") else {}
        inner = config.get("inner_optimizer")
        config = {**config, **(inner["config"] if isinstance(inner, Mapping) else {})}
        found = {name: config[name] for name in _REGULARIZATION if config.get(name)}
        if not found:
            return []
        listed = ", ".join(f"{name}={value:g}" for name, value in found.items())
        return [f"The optimizer {type(optimizer).__name__} regularizes ({listed}), and optimizers are not exported."]

    def constraints(self) -> list[str]:
        """Says which weights have constraints, which the optimizers of Keras alone apply."""
        weights = [*self.variables, *(weight for layer in self.layers for weight in layer.weights)]
        found = [each for each in weights if getattr(each, "constraint", None) is not None]
        names = sorted({each.path if hasattr(each, "path") else each.name.partition(":")[0] for each in found})
        return [f"Weights have constraints ({', '.join(names)}), which are not exported."] if names else []


_REGULARIZATION = (
    "weight_decay",
    "l1_regularization_strength",
    "l2_regularization_strength",
    "l2_shrinkage_regularization_strength",
)
"""Settings of the optimizers of Keras that pull weights towards zero."""


def describe(model: Any) -> Source:
    """Looks at a model.

    Raises:
        PublishError: If it cannot be called or tracked, or has no weights yet.
        DependencyError: If it is one of Keras 3 on another backend.
    """
    tf = import_tensorflow()
    version = _keras_version(model)
    if version:
        _check_keras(model)
        tops = [model]
    elif not isinstance(model, tf.__internal__.tracking.AutoTrackable) or not callable(model):
        raise PublishError(
            f"{model!r} cannot be exported.",
            hint="Pass a Keras model or layer, or a tf.Module that has a __call__ method.",
        )
    else:
        tops = [node for node in tf_private.reachable(model) if _keras_version(node)]
    names: dict[int, str] = {}
    variables: list[Any] = []
    trainable: list[Any] = []
    for top in tops:
        names |= {id(_raw(variable)): variable.path for variable in top.variables if hasattr(variable, "path")}
        # Lookups of Keras 2 list their tables, too.
        variables += [variable for variable in map(_raw, top.variables) if isinstance(variable, tf.Variable)]
        trainable += map(_raw, top.trainable_variables)
    if not version:
        of_keras = {id(variable) for variable in variables}  # a tf.Module does not know which of these are frozen
        variables += getattr(model, "variables", ())
        trainable += (each for each in getattr(model, "trainable_variables", ()) if id(each) not in of_keras)
    layers = reusable.unique(layer for top in tops for layer in keras_private.layers_of(top))
    losses = [*([] if version else reusable.regularization_losses_of(model)), *_regularizers(tops, layers)]
    return Source(model, version, layers, reusable.unique(variables), reusable.unique(trainable), losses, names)


def _keras_version(obj: Any) -> int:
    """Whose layer or model it is: 2 or 3, or 0 for neither."""
    for name in ("keras", "tf_keras"):
        module = sys.modules.get(name)
        if module is not None and isinstance(obj, module.layers.Layer):
            return 3 if hasattr(module, "version") else 2
    return 0


def _check_keras(model: Any) -> None:
    if _keras_version(model) == 3:
        import keras

        if keras.backend.backend() != "tensorflow":
            raise DependencyError(
                f"A model of Keras on its {keras.backend.backend()} backend holds no TensorFlow ops to export.",
                hint="Save it with model.save('model.keras'), load that file in a program that sets "
                "KERAS_BACKEND=tensorflow, and export it there.",
                package="keras",
                found=keras.backend.backend(),
                required="tensorflow",
            )
    if not model.built:
        raise PublishError(
            f"The {type(model).__name__} '{model.name}' has no weights yet.",
            hint="Train it, or call it on one batch of inputs, and export it then.",
        )


def _raw(variable: Any) -> Any:
    """The ``tf.Variable`` of a variable of Keras 3, or of Keras 2."""
    return variable.value if hasattr(variable, "path") else variable


def _regularizers(tops: Sequence[Any], layers: Sequence[Any]) -> list[Callable[[], Any]]:
    of_keras3 = reusable.unique(
        variable for top in tops for variable in top.trainable_variables if getattr(variable, "regularizer", None)
    )
    losses = [functools.partial(_loss_of, variable) for variable in of_keras3]
    return [*losses, *(loss for layer in layers for loss in keras_private.regularization_losses_of(layer))]


def _loss_of(variable: Any) -> Any:
    return variable.regularizer(variable)


def _has_own_lists(model: Any) -> bool:
    """Whether an object says itself what is trained; a ``tf.Module`` finds what its attributes hold, not more."""
    return not isinstance(model, import_tensorflow().Module) and hasattr(model, "trainable_variables")


def input_spec(source: Source, given: Any) -> Any:
    """Returns the nest of ``tf.TensorSpec`` that a model is called with.

    Args:
        source: The model.
        given: What the user says about it; None for nothing.

    Raises:
        SignatureError: If the user says nothing and the model does not know, or if that are no specs.
    """
    tf = import_tensorflow()
    known = given if given is not None else _known_input(source)
    if known is None:
        raise SignatureError(
            f"{source.kind} does not know what it is called with.",
            hint="Pass inputs=tf.TensorSpec([None, ...], dtype), or a list or dict of these, with None for the batch "
            "size and other sizes that vary.",
        )
    bad = [each for each in tf.nest.flatten(known) if not isinstance(each, tf.TypeSpec)]
    if bad:
        raise SignatureError(
            f"inputs holds {bad[0]!r}, which is no tf.TensorSpec.",
            hint="Describe each tensor by its shape and dtype: tf.TensorSpec([None, 224, 224, 3], tf.float32).",
        )
    return known


def _known_input(source: Source) -> Any:
    tf = import_tensorflow()
    if not source.keras_version:
        signature = getattr(source.model.__call__, "input_signature", None)
        return signature[0] if signature else None
    symbolic = _symbolic_input(source.model)
    if symbolic is None:
        return _saved_spec(source.model)
    return tf.nest.map_structure(_spec_of, symbolic[0] if _is_list_of_one(symbolic) else symbolic)


def _is_list_of_one(symbolic: Any) -> bool:
    return isinstance(symbolic, (list, tuple)) and len(symbolic) == 1


def _symbolic_input(model: Any) -> Any:
    """The ``keras.Input`` objects that a model or layer was called with; None for none."""
    for name in ("input", "inputs"):  # Sequential of Keras 3 has the latter only
        with contextlib.suppress(AttributeError, ValueError, RuntimeError):
            return getattr(model, name)
    return None


def _saved_spec(model: Any) -> Any:
    """What a subclassed model of Keras 2 was called with; Keras 3 remembers no dtypes."""
    known = model.save_spec() if hasattr(model, "save_spec") else None
    return None if known is None else known[0][0]


def _spec_of(symbolic: Any) -> Any:
    tf = import_tensorflow()
    if hasattr(symbolic, "type_spec"):  # of Keras 2
        spec = symbolic.type_spec
        return tf.TensorSpec(spec.shape, spec.dtype, symbolic.name) if isinstance(spec, tf.TensorSpec) else spec
    if getattr(symbolic, "ragged", False):
        return tf.RaggedTensorSpec(symbolic.shape, symbolic.dtype)
    if getattr(symbolic, "sparse", False):
        return tf.SparseTensorSpec(symbolic.shape, symbolic.dtype)
    # Keras 3 numbers the tensors of a program that got no names; a model that begins with one has a copy of it.
    name = None if re.fullmatch(r"keras_tensor(_\d+)?(CLONE)?", symbolic.name) else symbolic.name
    return tf.TensorSpec(symbolic.shape, symbolic.dtype, name)
