"""Applications to measure: of a module, by any library, and of a ``module_fn`` run in a plain graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tests.tf1.measurement import Application, flat_variables

v1 = tf.compat.v1


def of_module(hub: Any, spec: Any, inputs: Mapping[str, Any], signature: str, tags: frozenset[str]) -> Application:
    """Applies a module in the default graph; ``hub`` is the library whose ``Module`` is used."""
    return apply(place(hub, spec, tags), inputs, signature)


def place(hub: Any, spec: Any, tags: frozenset[str]) -> Any:
    """Adds a trainable module, from a spec or a path, to the default graph."""
    return hub.Module(spec if hasattr(spec, "get_tags") else str(spec), trainable=True, tags=set(tags))


def apply(module: Any, inputs: Mapping[str, Any], signature: str) -> Application:
    """Applies a module that is in the default graph."""
    tensors = {name: to_tensor(value) for name, value in inputs.items()}
    return Application(module(tensors, signature=signature, as_dict=True), flat_variables(module.variable_map))


def to_tensor(value: Any) -> Any:
    """A tensor of the default graph; a dense one has unknown sizes, as in most programs."""
    if isinstance(value, v1.SparseTensorValue):
        return tf.SparseTensor(*value)
    if isinstance(value, v1.ragged.RaggedTensorValue):
        return tf.RaggedTensor.from_row_splits(to_ragged_values(value.values), value.row_splits)
    tensor = tf.constant(value)
    return v1.placeholder_with_default(tensor, [None] * tensor.shape.rank)


def to_ragged_values(values: Any) -> Any:
    """The values under a ragged tensor's outermost rows."""
    return to_tensor(values) if isinstance(values, v1.ragged.RaggedTensorValue) else tf.constant(values)


class Recorder:
    """Stands in for a library while a ``module_fn`` runs: keeps the signatures."""

    def __init__(self) -> None:
        self.signatures: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}

    def add_signature(self, name: str | None = None, inputs: Any = None, outputs: Any = None) -> None:
        """As in tensorflow_hub."""
        self.signatures[name or "default"] = (_named(inputs), _named(outputs))


def _named(tensors: Any) -> dict[str, Any]:
    if tensors is None:
        return {}
    return dict(tensors) if isinstance(tensors, Mapping) else {"default": tensors}


def of_plain_graph(add_to: Callable[[Recorder], None], inputs: Mapping[str, Any], signature: str) -> Application:
    """Runs what a ``module_fn`` does in the default graph itself, and feeds the placeholders of a signature.

    Args:
        add_to: The ``module_fn``, given what takes the place of the library.
        inputs: Values by the names of the signature's inputs.
        signature: Its name.
    """
    recorder = Recorder()
    add_to(recorder)
    placeholders, outputs = recorder.signatures[signature]
    feeds = {placeholders[name]: value for name, value in inputs.items()}
    return Application(outputs, {variable.op.name: variable for variable in v1.global_variables()}, feeds)
