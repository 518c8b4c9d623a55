"""Models of TensorFlow 1 in sessions of their own, as a measure for what is made of them, or they are made of."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from rehub.conversion.entry_point import EntryPoint
from rehub.runtime import signature_tensors
from rehub.runtime.tf_version import import_tensorflow
from rehub.tf1.module import Module


class Tf1Session:
    """A model in a session. Each call finds the variables with the values of the model.

    Args:
        folder: A module in the TF1 Hub format, or a SavedModel of TensorFlow 1.
        tags: Those of the graph.
        is_module: Which of the two it is.
    """

    def __init__(self, folder: Path, tags: Collection[str], *, is_module: bool) -> None:
        tf = import_tensorflow()
        self._graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=self._graph)
        with self._graph.as_default():
            if is_module:
                self._module: Module | None = Module(str(folder), tags=tags)
                self._session.run(tf.compat.v1.tables_initializer())
                self._reset: tuple[Any, dict[Any, Any]] = tf.compat.v1.global_variables_initializer(), {}
            else:
                self._module = None
                loaded = tf.compat.v1.saved_model.load(self._session, list(tags), str(folder))
                self._definitions = dict(loaded.signature_def)
                self._reset = _assignments(self._session)

    def entry(self, signature: str) -> EntryPoint:
        """Returns a signature of the model; it gives the parts of each output, one for a dense tensor."""
        tf = import_tensorflow()
        if self._module is not None:
            infos = self._module.get_input_info_dict(signature)
            with self._graph.as_default():
                inputs = {name: placeholders(name, info.type_spec) for name, info in infos.items()}
                outputs = self._module(inputs, signature=signature, as_dict=True)
            feeds = {name: tf.nest.flatten(value, expand_composites=True) for name, value in inputs.items()}
        else:
            definition, tensor = self._definitions[signature], self._graph.get_tensor_by_name
            infos = {name: signature_tensors.parse(message) for name, message in definition.inputs.items()}
            feeds = {
                name: list(map(tensor, signature_tensors.component_names(message)))
                for name, message in definition.inputs.items()
            }
            outputs = signature_tensors.results(definition.outputs, tensor)
        fetches = {name: tf.nest.flatten(value, expand_composites=True) for name, value in outputs.items()}

        def call(values: Mapping[str, Any]) -> dict[str, Any]:
            fed = {
                place: part.numpy()
                for name, places in feeds.items()
                for place, part in zip(places, tf.nest.flatten(values[name], expand_composites=True), strict=True)
            }
            self._session.run(*self._reset)
            found: dict[str, Any] = self._session.run(fetches, fed)
            return found

        return EntryPoint(signature, {name: info.type_spec for name, info in infos.items()}, call, is_signature=True)


def _assignments(session: Any) -> tuple[list[Any], dict[Any, Any]]:
    """Ops that give the variables the values that they have now, and what to feed these."""
    v1 = import_tensorflow().compat.v1
    variables = v1.global_variables()
    are_initialized = session.run([v1.is_variable_initialized(variable) for variable in variables])
    kept = [variable for variable, is_initialized in zip(variables, are_initialized, strict=True) if is_initialized]
    holders = [v1.placeholder(variable.dtype.base_dtype, variable.shape) for variable in kept]
    ops = [variable.assign(holder, read_value=False) for variable, holder in zip(kept, holders, strict=True)]
    return ops, dict(zip(holders, session.run(kept), strict=True))


def placeholders(name: str, spec: Any) -> Any:
    """Adds a tensor that fits a ``tf.TypeSpec`` to the current graph, to be fed."""
    tf = import_tensorflow()
    parts = tf.nest.flatten(spec, expand_composites=True)
    made = [tf.compat.v1.placeholder(part.dtype, part.shape, name) for part in parts]
    return tf.nest.pack_sequence_as(spec, made, expand_composites=True)
