"""Models of TensorFlow 1 as objects of TensorFlow 2 that can be fine-tuned and saved.

The graph is not run as it is: its variables and tables become objects, its loops and conditions those of TensorFlow 2,
and the graph variant for training stands behind ``training=True``, on the same variables.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import tensorflow as tf

from rehub.errors import FormatError, SignatureError
from rehub.formats import saved_model, tf1_hub, tf1_hub_module
from rehub.runtime import checkpoint, policy, remote
from rehub.runtime.lifted_graph import LiftedCall, LiftedGraph, LiftedState

_TRAIN = "train"
_DEFAULTS = ("default", "serving_default")
_OWN_NAMES = frozenset(
    {
        "attached_messages",
        "main",
        "named",
        "regularization_losses",
        "signatures",
        "tags",
        "trainable_variables",
        "variables",
    }
)


def lift(
    path: str | os.PathLike[str],
    tags: Collection[str] | None = None,
    signature: str | None = None,
    handle: str | None = None,
) -> LiftedModel:
    """Loads a model of TensorFlow 1, in the TF1 Hub format or not, as an object of TensorFlow 2.

    Args:
        path: Its folder.
        tags: The tags of the graph variant for inference. None takes that of a module without tags, and the one of a
            SavedModel that is not for training. A variant with the same tags and ``train`` is the one for training.
        signature: The signature that a call of the object runs; None for ``default``, ``serving_default``, or the only
            one.
        handle: The model's name for the reader; None for its folder.

    Raises:
        PolicyError: If a graph reaches out of itself, and the setting ``op_policy`` is ``refuse``.
        FormatError: If the folder holds no whole model of TensorFlow 1.
        ConversionError: If an op cannot be part of a function of TensorFlow 2; it names the op.
        SignatureError: If there is no such signature or graph variant; it lists those that there are.
    """
    folder = remote.fetch(os.fspath(path))
    file = saved_model.find(folder)
    if file is None:
        raise FormatError(
            f"There is no model in '{folder}'.", hint="Pass the folder of a SavedModel or module.", path=str(folder)
        )
    messages = tf1_hub_module.read_graphs(file)
    if any(graph.HasField("object_graph_def") for graph in messages):
        raise FormatError(
            f"The model in '{folder}' is of TensorFlow 2 already.",
            hint="Load it with hub.load or hub.KerasLayer.",
            path=str(folder),
        )
    graphs = {
        frozenset(message.meta_info_def.tags): tf.compat.v1.MetaGraphDef.FromString(message.SerializeToString())
        for message in messages
    }
    inference = _choose_tags(graphs, tags)
    training = next((each for each in (inference | {_TRAIN}, frozenset({_TRAIN})) if each in graphs), inference)
    used = [graph for graph in saved_model.read(file).meta_graphs if graph.tags in (inference, training)]
    policy.enforce(handle or str(folder), used)
    return LiftedModel(graphs[inference], graphs[training], str(folder / tf1_hub_module.VARIABLES), signature)


def _choose_tags(graphs: Collection[frozenset[str]], tags: Collection[str] | None) -> frozenset[str]:
    if tags is not None:
        wanted = frozenset([tags] if isinstance(tags, str) else tags)
        candidates = [wanted] if wanted in graphs else []
    else:
        candidates = [each for each in graphs if not each] or [each for each in graphs if _TRAIN not in each]
        candidates = candidates or list(graphs)
    if len(candidates) == 1:
        return candidates[0]
    available = tuple(str(sorted(each)) for each in graphs)
    raise SignatureError(
        f"There is no graph with the tags {sorted(tags)}." if tags is not None else "There are several graphs.",
        hint=f"Choose one by its tags: {', '.join(available)}.",
        available=available,
    )


class LiftedCalls:
    """A signature of the model in both modes: takes a tensor or a dict of tensors, returns a dict.

    Attributes:
        structured_input_signature: As that of a concrete function with named inputs.
        structured_outputs: As those of a concrete function.
    """

    def __init__(self, inference: LiftedCall, training: LiftedCall) -> None:
        self._calls = {False: inference, True: training}
        self.structured_input_signature: tuple[tuple[()], Mapping[str, Any]] = (), inference.inputs
        self.structured_outputs: Mapping[str, Any] = inference.outputs

    def __call__(self, inputs: Any = None, training: bool = False) -> dict[str, Any]:
        """Returns all outputs by name.

        Args:
            inputs: The input, or a dict of all inputs by name.
            training: Whether to run the graph variant for training, and its update ops.

        Raises:
            ArgumentError: If these are not the inputs of the signature.
        """
        return self._calls[bool(training)].run(inputs)

    def activations(self) -> tuple[str, ...]:
        """The names of the tensors that the signature computes on its way in both modes."""
        inference, training = (call.graph.activations(call.signature) for call in self._calls.values())
        return tuple(name for name in inference if name in set(training))

    def xla_can_compile(self) -> bool:
        """Whether XLA can compile the signature in both modes."""
        return all(call.graph.xla_can_compile(call.signature) for call in self._calls.values())

    def inner(self, name: str) -> LiftedTensor:
        """Returns the calls of one of these tensors."""
        return LiftedTensor(self._calls, name)

    @property
    def concrete_functions(self) -> list[Any]:
        """The concrete functions that a call may run: for inference, and for training."""
        return [self._calls[training].concrete_function for training in (False, True)]

    @property
    def serving(self) -> Any:
        """The concrete function for inference that takes the inputs by name."""
        return self._calls[False].serving


class LiftedTensor:
    """A tensor inside of the model: takes what a signature takes.

    Of the update ops, those run that concern the variables which the tensor depends on.

    Attributes:
        variables: The variables that it depends on.
    """

    def __init__(self, calls: Mapping[bool, LiftedCall], name: str) -> None:
        used = {node for call in calls.values() for node in call.graph.depends_on(f"{name}:0")}
        self.variables = [variable for node, variable in calls[False].state.variables.items() if node in used]
        self._calls = calls
        self._functions = {mode: call.inner(name, call.graph.updates_of(used)) for mode, call in calls.items()}

    def __call__(self, inputs: Any = None, training: bool = False) -> Any:
        """Returns the tensor; arguments and errors as for `LiftedCalls`."""
        return self._functions[bool(training)](self._calls[bool(training)].converted(inputs))


class LiftedSignature(tf.__internal__.tracking.AutoTrackable):  # type: ignore[misc]
    """A signature of the model: a callable with the interface of a Reusable SavedModel.

    Attributes:
        variables: As those of the model.
        trainable_variables: As those of the model.
        regularization_losses: As those of the model.
    """

    def __init__(self, model: LiftedModel, calls: LiftedCalls) -> None:
        object.__setattr__(self, "calls", calls)  # what is tracked must be savable
        self.variables = model.variables
        self.trainable_variables = model.trainable_variables
        self.regularization_losses = model.regularization_losses

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def __call__(self, inputs: Any, training: bool = False) -> Any:
        """Runs the signature.

        Args:
            inputs: Its input, or a dict of all inputs by name.
            training: Whether to run the graph variant for training, and its update ops.

        Returns:
            The output ``default``, or the only one; else a dict of all.
        """
        return _main_output(self.calls(inputs, training))

    def _trackable_children(self, save_type: str = "checkpoint", **kwargs: Any) -> Any:
        if save_type == "savedmodel":
            _trace(self, self.calls)
        return super()._trackable_children(save_type, **kwargs)


class LiftedModel(tf.__internal__.tracking.AutoTrackable):  # type: ignore[misc]
    """A model of TensorFlow 1 with the interface of a Reusable SavedModel, which ``tf.saved_model.save`` writes.

    Each of its signatures is an attribute, too, by its name, and can be called and fine-tuned like the object itself.

    Attributes:
        variables: All variables.
        trainable_variables: Those that the publisher trained.
        regularization_losses: Functions that each return a scalar.
        attached_messages: A function that returns the publisher's messages, as bytes, by their keys; only if there are
            any.
        named: The calls of each signature, by its name.
        main: Those that a call of the object runs; None if it is not clear which.
        tags: Those of the graph variant for inference.

    Args:
        inference: The graph variant for inference, a ``tf.compat.v1.MetaGraphDef``.
        training: The one for training; may be the same.
        prefix: That of the checkpoint with the values of the variables.
        signature: As for `lift`.
    """

    def __init__(self, inference: Any, training: Any, prefix: str, signature: str | None = None) -> None:
        first = LiftedGraph(inference)
        last = first if inference is training else LiftedGraph(training)
        parts = {part.node: part for graph in (first, last) for part in graph.variables}
        values = checkpoint.read(prefix, list(parts.values())) if parts else {}
        state = LiftedState([first, last], parts.values(), values)
        self.variables = list(state.variables.values())
        self.trainable_variables = [state.variables[node] for node, part in parts.items() if part.is_trainable]
        self._resources = state.resources
        self.regularization_losses = [
            tf.function(functools.partial(last.evaluate, state, name), autograph=False, input_signature=[])
            for name in last.losses
        ]
        named: dict[str, LiftedCalls] = {}
        for name in first.signatures:
            call = trained = LiftedCall(state, first, name, training=False)
            if name in last.signatures and (last is not first or last.trains_otherwise):
                trained = LiftedCall(state, last, name, training=True)
            named[name] = LiftedCalls(call, trained)
            setattr(self, f"{name}_signature" if name in _OWN_NAMES else name, LiftedSignature(self, named[name]))
        object.__setattr__(self, "named", named)  # what is tracked must be savable
        object.__setattr__(self, "main", self._choose(signature))
        object.__setattr__(self, "tags", frozenset(inference.meta_info_def.tags))
        messages = tf1_hub.attached_bytes(inference)
        if messages:
            self.attached_messages = tf.function(
                lambda: {key: tf.constant(value) for key, value in messages.items()},
                autograph=False,
                input_signature=[],
            )

    @property
    def signatures(self) -> Mapping[str, Any]:
        """A concrete function for each signature, for inference."""
        return _Serving(self.named)

    @property
    def _default_save_signature(self) -> Any:
        """What ``tf.saved_model.save`` writes as ``serving_default``, if it is given no signatures."""
        return None if self.main is None else self.main.serving

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def __call__(self, inputs: Any, training: bool = False) -> Any:
        """Runs the main signature; see `LiftedSignature.__call__`.

        Raises:
            SignatureError: If there is none.
        """
        if self.main is None:
            raise SignatureError(
                "The model has several signatures, and none of them is the default.",
                hint=f"Choose one: {', '.join(sorted(self.named))}.",
                available=tuple(sorted(self.named)),
            )
        return _main_output(self.main(inputs, training))

    def _choose(self, signature: str | None) -> LiftedCalls | None:
        names = _DEFAULTS if signature is None else (signature,)
        found = [self.named[name] for name in names if name in self.named]
        if signature is not None and not found:
            raise SignatureError(
                f"There is no signature {signature!r}.",
                hint=f"There are: {', '.join(sorted(self.named)) or 'none'}.",
                available=tuple(sorted(self.named)),
            )
        return next(iter([*found, *(self.named.values() if len(self.named) == 1 else ())]), None)

    def _trackable_children(self, save_type: str = "checkpoint", **kwargs: Any) -> Any:
        if save_type == "savedmodel" and self.main is not None:
            _trace(self, self.main)
        return super()._trackable_children(save_type, **kwargs)


class _Serving(Mapping[str, Any]):
    """Concrete functions, made when they are asked for."""

    def __init__(self, named: Mapping[str, LiftedCalls]) -> None:
        self._named = named

    def __getitem__(self, name: str) -> Any:
        return self._named[name].serving

    def __iter__(self) -> Iterator[str]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)


def _main_output(outputs: dict[str, Any]) -> Any:
    return next(iter(outputs.values())) if len(outputs) == 1 else outputs.get("default", outputs)


def _trace(callable_object: Any, calls: LiftedCalls) -> None:
    """Makes the concrete functions of a call, which is what is saved of it."""
    specs = calls.structured_input_signature[1]
    example: Any = dict(specs)
    if len(specs) == 1:
        ((name, example),) = specs.items()
        if isinstance(example, tf.TensorSpec):
            example = tf.TensorSpec(example.shape, example.dtype, name)  # who converts it back reads the name there
    for training in (False, True):
        callable_object.__call__.get_concrete_function(example, training=training)
