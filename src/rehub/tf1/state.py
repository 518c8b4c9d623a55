"""What all applications of a module share: variables, tables and assets."""

from __future__ import annotations

import uuid
import weakref
from collections.abc import Mapping
from typing import Any

from rehub.errors import FormatError
from rehub.runtime import checkpoint, tf_private
from rehub.runtime.tf1_graph import Tf1Graph, VariablePart
from rehub.runtime.tf_version import import_tensorflow


class State:
    """The state of one instance of a module, made in the current graph when it is constructed.

    Args:
        graph: The module's graph.
        scope: The name scope of all that is made, such as ``module/``.
        trainable: Whether the variables can be trained.
        prefix: That of the checkpoint that holds the values; None to begin with the publisher's initializers.

    Attributes:
        tensors: The tensors that stand for those of the module's graph, by name, such as ``w:0``.
    """

    def __init__(self, graph: Tf1Graph, scope: str, trainable: bool, prefix: str | None) -> None:
        tf = import_tensorflow()
        self._graph, self._scope, self._trainable, self._prefix = graph, scope, trainable, prefix
        self.tensors: dict[str, Any] = {}
        self._parts: dict[str, tuple[VariablePart, Any]] = {}
        self._imported: dict[str, Any] = {}
        self._waiting = {part.node: part for part in graph.variables}
        alone = tf.compat.v1.get_default_graph().colocate_with(None, ignore_existing=True)
        with tf.control_dependencies(None), alone:
            self._add_assets()
            for part in graph.variables:
                self._add_variable(part)
            if isinstance(tf.compat.v1.get_default_graph(), tf.__internal__.FuncGraph):
                self._add_outer_tables()
            else:
                self._add_tables()
            if trainable:
                self._add_losses()

    @property
    def variables(self) -> Mapping[str, Any]:
        """Each variable by its name in the module; those that are partitioned as the list of their parts."""
        found: dict[str, Any] = {}
        for part, variable in self._parts.values():
            if part.offset is None:
                found[part.full_name] = variable
            else:
                found.setdefault(part.full_name, []).append((part.offset, variable))
        return {
            name: [variable for _, variable in sorted(value, key=lambda each: each[0])]
            if isinstance(value, list)
            else value
            for name, value in found.items()
        }

    def parts(self) -> list[tuple[VariablePart, Any]]:
        """All variables, with what the module knows of them, parts one by one."""
        return list(self._parts.values())

    def _import(self, roots: list[str]) -> Mapping[str, str]:
        """Adds what some tensors and operations need, and returns their names in the current graph."""
        given = {**self._imported, **self.tensors}
        names = self._graph.closure(roots, given)
        self._graph.import_nodes(names, given, self._scope)
        graph = import_tensorflow().compat.v1.get_default_graph()
        for name in names:
            for place, tensor in enumerate(graph.get_operation_by_name(self._scope + name).outputs):
                self._imported[f"{name}:{place}"] = tensor
        return {root: self._scope + root for root in roots}

    def _add_assets(self) -> None:
        tf = import_tensorflow()
        graph = tf.compat.v1.get_default_graph()
        names = self._graph.collection("asset_filepaths")
        for name, own in self._import(names).items():
            tensor = self.tensors[name] = graph.get_tensor_by_name(own)
            tf.compat.v1.add_to_collection("asset_filepaths", tensor)

    def _add_variable(self, part: VariablePart) -> None:
        tf = import_tensorflow()
        if part.node in self._parts:
            return
        del self._waiting[part.node]
        keys = tf.compat.v1.GraphKeys
        initial_value = self._restored if self._prefix is not None else self._initialized
        with tf_private.variables_of_one_device():
            variable = tf.compat.v1.Variable(
                initial_value(part),
                trainable=self._trainable and part.is_trainable,
                collections=[keys.GLOBAL_VARIABLES, *[keys.MODEL_VARIABLES] * part.is_model_variable],
                name=f"{self._scope}{part.node}/",  # as it is: names that end so are neither made unique nor remembered
                dtype=tf.as_dtype(part.dtype),
                validate_shape=False,
                use_resource=True,
                shape=part.shape,
            )
        with tf.compat.v1.get_default_graph().name_scope(None):
            tf.compat.v1.get_default_graph().unique_name(self._scope + part.node)
        if part.offset is not None:
            tf_private.set_slice(variable, self._scope + part.full_name, part.full_shape, part.offset)
        self._parts[part.node] = part, variable
        self.tensors[f"{part.node}:0"] = variable.handle

    def _restored(self, part: VariablePart) -> Any:
        """What reads the value from the checkpoint, each time that it is asked for."""
        tf = import_tensorflow()

        def read() -> Any:
            (value,) = tf.raw_ops.RestoreV2(
                prefix=self._prefix,
                tensor_names=[part.full_name],
                shape_and_slices=[checkpoint.slice_text(part)],
                dtypes=[tf.as_dtype(part.dtype)],
            )
            value.set_shape(part.shape)
            return value

        return read

    def _initialized(self, part: VariablePart) -> Any:
        """The initial value of the publisher's graph, after the variables that it is computed from."""
        if not part.initial_value:
            raise FormatError(
                f"The variable {part.full_name!r} has no initial value, and there is no checkpoint.",
                hint="Give the module's graph an initializer for it.",
            )
        for name in self._graph.closure([part.initial_value], {**self._imported, **self.tensors}):
            if name in self._waiting:
                self._add_variable(self._waiting[name])
        (own,) = self._import([part.initial_value]).values()
        return import_tensorflow().compat.v1.get_default_graph().get_tensor_by_name(own)

    def _add_tables(self) -> None:
        tf = import_tensorflow()
        graph = tf.compat.v1.get_default_graph()
        makers = [name for name in self._graph.state_nodes() if f"{name}:0" not in self.tensors]
        for name, own in self._import(makers).items():
            for place, tensor in enumerate(graph.get_operation_by_name(own).outputs):
                self.tensors[f"{name}:{place}"] = tensor
        for own in self._import(self._graph.collection("table_initializer")).values():
            tf.compat.v1.add_to_collection("table_initializer", graph.get_operation_by_name(own))

    def _add_outer_tables(self) -> None:
        """Makes and fills the tables outside of the function that is being built, which captures them."""
        tf = import_tensorflow()
        function = tf.compat.v1.get_default_graph()
        makers = [name for name in self._graph.state_nodes() if f"{name}:0" not in self.tensors]
        if not makers:
            return
        scope = f"rehub_{uuid.uuid4().hex}/"

        def make() -> list[Any]:
            initializers = self._graph.collection("table_initializer")
            names = self._graph.closure([*makers, *initializers])
            self._graph.import_nodes(names, {}, scope, name_shared=True)
            graph = tf.compat.v1.get_default_graph()
            with tf.control_dependencies([graph.get_operation_by_name(scope + name) for name in initializers]):
                tf.no_op(name=scope + "done/")
            return [graph.get_operation_by_name(scope + name).outputs[0] for name in makers]

        with tf.init_scope():
            wrapped = tf.compat.v1.wrap_function(make, [])
            wrapped.prune([], scope + "done")()
            handles = wrapped()
        weakref.finalize(function, _destroy, handles).atexit = False
        for name, handle in zip(makers, handles, strict=True):
            self.tensors[f"{name}:0"] = handle

    def _add_losses(self) -> None:
        tf = import_tensorflow()
        names = self._graph.collection("regularization_losses")
        graph = tf.compat.v1.get_default_graph()
        for own in self._import([self._graph.resolve(name) for name in names]).values():
            tf.compat.v1.add_to_collection("regularization_losses", graph.get_tensor_by_name(own))


def _destroy(handles: Any) -> None:
    tf = import_tensorflow()
    with tf.__internal__.eager_context.eager_mode():
        for handle in handles:
            tf.raw_ops.DestroyResourceOp(resource=handle, ignore_lookup_error=True)
