"""The interface of a Reusable SavedModel, read off any callable object.

Source: the Reusable SavedModel interface (``__call__``, ``variables``, ``trainable_variables``,
``regularization_losses``).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rehub.errors import SignatureError, UsageError
from rehub.runtime import tf_private
from rehub.signature import Kind, TensorSpec, describe


def variables_of(obj: Any) -> tuple[list[Any], list[Any]]:
    """Returns the trainable and the other variables of an object, in its own order.

    An absent list is an empty one. An object that has neither list (a plain ``tf.Module`` that was saved and loaded) is
    searched: the variables that its functions use, trainable where they were created so.
    """
    if not hasattr(obj, "variables") and not hasattr(obj, "trainable_variables"):
        return split(function_variables(concrete_functions(obj)))
    trainable = list(getattr(obj, "trainable_variables", None) or [])
    known = {id(variable) for variable in trainable}
    others = [variable for variable in getattr(obj, "variables", None) or [] if id(variable) not in known]
    return unique(trainable), unique(others)


def split(variables: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """Splits variables by their own ``trainable`` mark."""
    variables = list(variables)
    return [v for v in variables if v.trainable], [v for v in variables if not v.trainable]


def unique(variables: Iterable[Any]) -> list[Any]:
    """Drops what comes twice, by identity."""
    return list({id(variable): variable for variable in variables}.values())


def function_variables(functions: Iterable[Any]) -> list[Any]:
    """The variables that concrete functions use, each once."""
    return unique(variable for function in functions for variable in function.variables)


def regularization_losses_of(obj: Any) -> list[Callable[[], Any]]:
    """Returns the zero-argument functions that each give one scalar loss.

    Raises:
        SignatureError: If an entry cannot be called.
    """
    losses = list(getattr(obj, "regularization_losses", None) or [])
    for loss in losses:
        if not callable(loss):
            raise SignatureError(
                f"regularization_losses holds {loss!r}, which cannot be called.",
                hint="Let it hold functions without arguments that return one scalar each; export the model again.",
            )
    return losses


def loss_variables(loss: Any) -> list[Any]:
    """The variables that a loss depends on; none if it does not tell."""
    return function_variables(_traces(loss))


def call_of(obj: Any) -> Any:
    """Returns what knows the arguments and the traces of ``obj(…)``: a restored function itself, else its ``__call__``.

    None if it cannot be called.
    """
    return obj if hasattr(obj, "concrete_functions") else getattr(obj, "__call__", None)  # noqa: B004 - the attribute


def concrete_functions(obj: Any) -> list[Any]:
    """The traces behind a call of an object, or of a function that was loaded; empty for plain Python callables."""
    return _traces(call_of(obj))


def check_variables(obj: Any) -> None:
    """Refuses a function, or a part, of a loaded model that is there no more, and its variables with it.

    Raises:
        UsageError: If it is one. TensorFlow would fail an assertion when the function is called.
    """
    for function in [obj] if hasattr(obj, "structured_input_signature") else concrete_functions(obj):
        try:
            function.variables  # noqa: B018 - a property that looks for them
        except AssertionError as error:
            raise UsageError(
                "The function belongs to a loaded model that nothing holds any longer, so its variables are gone.",
                hint="Keep what hub.load returned: model = hub.load(…), then hub.KerasLayer(model.NAME).",
            ) from error


def _traces(call: Any) -> list[Any]:
    restored = getattr(call, "concrete_functions", None)
    if restored is not None:
        return list(restored)
    if hasattr(call, "function_spec") or hasattr(call, "get_concrete_function"):
        listing = getattr(call, "_list_all_concrete_functions", None)
        return list(listing()) if listing is not None else []
    return []


def parameters_of(call: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """The named parameters of a callable; empty when Python cannot tell."""
    try:
        return inspect.signature(call).parameters
    except (TypeError, ValueError):
        return {}


def has_training_argument(call: Callable[..., Any]) -> bool:
    """Whether ``training=`` may be passed by name."""
    parameter = parameters_of(call).get("training")
    return parameter is not None and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)


def is_graph_of_tf1(obj: Any) -> bool:
    """Whether an object came out of a SavedModel without object graph, as TensorFlow 1 and Estimators write them."""
    return hasattr(obj, "graph") and hasattr(obj, "prune")


def named_calls(obj: Any) -> Mapping[str, Any]:
    """What can be called by the name of a signature: the signature, or the calls of a lifted model."""
    return lifted_calls(obj) or signatures_of(obj)


def lifted_calls(obj: Any) -> Mapping[str, Any]:
    """The calls of a model of TensorFlow 1 that was lifted, by the names of its signatures; empty for others."""
    calls = getattr(obj, "named", None) if hasattr(type(obj), "_default_save_signature") else None
    return calls if isinstance(calls, Mapping) else {}


def signatures_of(obj: Any) -> Mapping[str, Any]:
    """The serving signatures of a loaded SavedModel; empty if it has none."""
    signatures = getattr(obj, "signatures", None)
    return signatures if isinstance(signatures, Mapping) else {}


def signature_table(obj: Any) -> tuple[str, ...]:
    """One readable line per signature, with its inputs and outputs."""
    return tuple(
        f"{name}({_fields(function.structured_input_signature[1])}) -> {{{_fields(function.structured_outputs)}}}"
        for name, function in sorted(named_calls(obj).items())
    )


def _fields(specs: Any) -> str:
    if not isinstance(specs, Mapping):
        return describe_spec(specs)
    return ", ".join(f"{name}: {describe_spec(spec)}" for name, spec in sorted(specs.items()))


def describe_spec(spec: Any) -> str:
    """Writes a TensorSpec-like value as ``float32[?, 64]``, a nest of them as Python would, others as their repr."""
    return describe(spec, _describe_leaf)


def _describe_leaf(spec: Any) -> str:
    if not hasattr(spec, "shape") or not hasattr(spec, "dtype"):
        return repr(spec)
    name = type(spec).__name__
    kind: Kind = "ragged" if name.startswith("Ragged") else "sparse" if name.startswith("Sparse") else "dense"
    return str(TensorSpec(getattr(spec.dtype, "name", str(spec.dtype)), dimensions(spec.shape), kind=kind))


def dimensions(shape: Any) -> tuple[int | None, ...] | None:
    """A shape of TensorFlow or Keras as plain numbers; None if its rank is unknown.

    A ``tf.TensorShape`` itself holds numbers, or, after ``disable_v2_tensorshape()``, objects.
    """
    if hasattr(shape, "as_list"):
        return None if shape.rank is None else tuple(shape.as_list())
    return tuple(shape)


def functions_in_mode(call: Callable[..., Any], functions: Sequence[Any], training: bool) -> list[Any]:
    """Drops those of the traces behind a callable that are for the other value of ``training``."""
    names = list(parameters_of(call))
    chosen = []
    for function in functions:
        positional, keywords = function.structured_input_signature
        arguments = {**dict(zip(names, positional)), **keywords}  # noqa: B905 - signatures end where defaults begin
        if arguments.get("training") is not (not training):
            chosen.append(function)
    return chosen


def xla_can_compile(functions: Sequence[Any]) -> bool:
    """Whether XLA has a kernel for every op that these concrete functions and all they call may run, and no strings."""
    for function in functions:
        definition = function.graph.as_graph_def()
        nodes = [*definition.node, *(node for body in definition.library.function for node in body.node_def)]
        library = {body.signature.name for body in definition.library.function}
        if not xla_has_kernels(node for node in nodes if node.op not in library):
            return False
    return True


def xla_has_kernels(nodes: Iterable[Any]) -> bool:
    """Whether XLA has a kernel for each of some nodes, and no strings."""
    import tensorflow as tf

    kernels: dict[str, bool] = {"Placeholder": True}
    for node in nodes:
        if any(attr.type == tf.string.as_datatype_enum for attr in node.attr.values()):
            return False
        if node.op not in kernels:
            kernels[node.op] = tf_private.has_xla_kernel(node.op)
        if not kernels[node.op]:
            return False
    return True
