"""``rehub.Module``: an instance of a module in a graph of ``tf.compat.v1``."""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Mapping
from typing import Any

from rehub.errors import ArgumentError, UsageError
from rehub.runtime import signature_tensors, tf_private
from rehub.runtime.signature_tensors import ParsedTensorInfo
from rehub.runtime.tf_version import import_tensorflow
from rehub.tf1.module_spec import ModuleSpec, as_module_spec
from rehub.tf1.state import State


class Module:
    """A module in the current graph: its variables and tables are made once, each call adds ops that use them.

    It needs a graph: ``with tf.Graph().as_default():``, a function of ``tf.compat.v1.wrap_function``, the ``model_fn``
    of an Estimator, or a program that called ``tf.compat.v1.disable_eager_execution()``. In other programs,
    `rehub.load` and `rehub.KerasLayer` use the same models.

    The initializers of the variables read the published values from disk, each time that they are run. For a spec
    without a checkpoint they are those of the publisher's graph. Tables are filled by
    ``tf.compat.v1.tables_initializer()``.

    Args:
        spec: A path, a URL, or a `ModuleSpec`.
        trainable: Whether the module's trainable variables go into ``TRAINABLE_VARIABLES``, its regularization losses
            into ``REGULARIZATION_LOSSES``, and the update ops of each application into ``UPDATE_OPS``.
        name: The variable scope of the module, made unique.
        tags: The tags of the graph variant to use; often ``{"train"}`` for training.

    Raises:
        SignatureError: If there is no graph variant with these tags.
        UsageError: If there is no graph (eager execution, ``tf.function``), or a name scope of this name is taken.
        HubError: What `rehub.load_module_spec` raises, if the module cannot be had.
    """

    def __init__(
        self,
        spec: ModuleSpec | str | os.PathLike[str],
        trainable: bool = False,
        name: str = "module",
        tags: Collection[str] | None = None,
    ) -> None:
        self._graph = _home_graph()
        self.spec = as_module_spec(spec)
        self.spec.check_tags(tags)
        self.trainable = trainable
        self._tags = frozenset(tags or ())
        self._nodes = self.spec.graph(self._tags)
        with self._graph.as_default():
            scope = _state_scope(name)
            self._name = scope.split("/")[-2]
            self.state = State(self._nodes, scope, trainable, self.spec.checkpoint)

    @property
    def graph(self) -> Any:
        """The ``tf.Graph`` that the module lives in."""
        return self._graph

    @property
    def variables(self) -> list[Any]:
        """All variables; the parts of partitioned ones one by one."""
        return [variable for _, variable in self.state.parts()]

    @property
    def variable_map(self) -> Mapping[str, Any]:
        """Each variable by its name in the module; a partitioned one as the list of its parts."""
        return self.state.variables

    def get_signature_names(self) -> list[str]:
        """Returns the names of the signatures."""
        return self.spec.get_signature_names(self._tags)

    def get_input_info_dict(self, signature: str | None = None) -> dict[str, ParsedTensorInfo]:
        """Returns what the inputs of a signature are, by name; None for the signature ``default``.

        Raises:
            SignatureError: If there is no such signature.
        """
        return self.spec.get_input_info_dict(signature, self._tags)

    def get_output_info_dict(self, signature: str | None = None) -> dict[str, ParsedTensorInfo]:
        """Returns what the outputs of a signature are, by name; None for the signature ``default``.

        Raises:
            SignatureError: If there is no such signature.
        """
        return self.spec.get_output_info_dict(signature, self._tags)

    def get_attached_message(self, key: str, message_type: Any, required: bool = False) -> Any:
        """Returns a message that the publisher attached, or None; see `ModuleSpec.get_attached_message`."""
        return self.spec.get_attached_message(key, message_type, self._tags, required)

    def __call__(
        self,
        inputs: Any = None,
        _sentinel: None = None,
        signature: str | None = None,
        as_dict: bool | None = None,
    ) -> Any:
        """Applies the module: adds the ops of a signature to the current graph.

        Args:
            inputs: The input, or a dict of all inputs by name: tensors, or what can be converted to them; sparse and
                ragged ones where the signature has such.
            signature: The name of the signature; None for ``default``.
            as_dict: Whether to return all outputs, instead of the one called ``default``.

        Returns:
            A tensor, or with ``as_dict`` a dict of tensors by name.

        Raises:
            SignatureError: If there is no such signature.
            ArgumentError: If the inputs are not those of the signature, or it has no output ``default``; a TypeError.
            UsageError: If the current graph is another one than the module's.
        """
        if _sentinel is not None:
            raise ArgumentError("A module takes one positional argument, its inputs.", hint="Pass the others by name.")
        tf = import_tensorflow()
        graph = tf.compat.v1.get_default_graph()
        if not _is_within(graph, self._graph):
            raise UsageError(
                "Module must be applied in the graph it was instantiated for.",
                hint="Create another instance in this graph; instances of one spec can have their variables restored "
                "from one checkpoint.",
            )
        definition = self.spec.signature(signature, self._tags)
        if not as_dict and "default" not in definition.outputs:
            raise ArgumentError(
                "There is no output named 'default'. Use as_dict=True.",
                hint=f"The outputs are {', '.join(sorted(definition.outputs))}.",
                available=tuple(sorted(definition.outputs)),
            )
        feeds = signature_tensors.feeds(definition.inputs, inputs)
        with graph.name_scope(f"{self._name}_apply_{(signature or 'default').replace(':', '_')}") as scope:
            outputs = self._apply(definition, feeds, scope)
        return outputs if as_dict else outputs["default"]

    def export(self, path: str | os.PathLike[str], session: Any) -> None:
        """Writes the module with the values that its variables have in a session.

        Args:
            path: A folder that does not exist yet.
            session: A session of the module's graph, with the variables initialized.

        Raises:
            PublishError: If the folder exists.
            UsageError: If the session is of another graph.
        """
        if session.graph is not self._graph:
            raise UsageError(
                "session graph differs from the graph where the module was instantiated.",
                hint="Pass a session of module.graph.",
            )
        parts = self.state.parts()
        values = session.run([variable for _, variable in parts])
        self.spec.write(path, {part.node: value for (part, _), value in zip(parts, values, strict=True)})

    def _apply(self, definition: Any, feeds: Mapping[str, Any], scope: str) -> dict[str, Any]:
        tf = import_tensorflow()
        graph = tf.compat.v1.get_default_graph()
        stand_ins = {**self.state.tensors, **feeds}
        roots = [
            self._nodes.resolve(name)
            for info in definition.outputs.values()
            for name in signature_tensors.component_names(info)
        ]
        updates = self._updates(stand_ins)
        needed = self._nodes.closure([*roots, *updates], stand_ins)
        self._nodes.import_nodes(needed, stand_ins, scope)
        for variable in self.variables:
            tf_private.watch(graph, variable)
        for name in updates:
            tf.compat.v1.add_to_collection("update_ops", graph.get_operation_by_name(scope + name.partition(":")[0]))

        def tensor(name: str) -> Any:
            name = name if name in feeds else self._nodes.resolve(name)
            if name in stand_ins:
                return tf_private.in_graph(graph, stand_ins[name])
            return graph.get_tensor_by_name(scope + name)

        return signature_tensors.results(definition.outputs, tensor)

    def _updates(self, given: Mapping[str, Any]) -> list[str]:
        """The update ops that can run with what is fed."""
        found = self._nodes.runnable(self._nodes.collection("update_ops"), given) if self.trainable else []
        if found and tf_private.is_in_control_flow():
            warnings.warn(
                f"{self._name!r} is applied within a condition or a loop, where its {len(found)} update ops cannot be "
                "run from outside; they are left out.",
                stacklevel=4,
            )
            return []
        return found


def _home_graph() -> Any:
    """The graph that a module made here lives in: the current one, or the one around a condition or a loop.

    Raises:
        UsageError: If there is none.
    """
    tf = import_tensorflow()
    if tf.executing_eagerly():
        raise UsageError(
            "hub.Module needs a graph, and there is none when eager execution is enabled.",
            hint="Use it within `with tf.Graph().as_default():` or tf.compat.v1.wrap_function, or use hub.load or "
            "hub.KerasLayer with the same handle.",
        )
    graph = tf.compat.v1.get_default_graph()
    while tf_private.is_control_flow_branch(graph):
        graph = graph.outer_graph
    if isinstance(graph, tf.__internal__.FuncGraph) and not tf_private.is_wrapped_function(graph):
        raise UsageError(
            "hub.Module cannot be created inside a tf.function.",
            hint="Use hub.load or hub.KerasLayer with the same handle, or tf.compat.v1.wrap_function in place of "
            "tf.function.",
        )
    return graph


def _is_within(graph: Any, home: Any) -> bool:
    """Whether a graph is another one, or the graph of a function within it."""
    while graph is not None and graph is not home:
        graph = getattr(graph, "outer_graph", None)
    return graph is home


def _state_scope(name: str) -> str:
    """Opens a variable scope and returns it, with a slash at its end.

    Raises:
        UsageError: If the variable scope is free, but the name scope is not.
    """
    tf = import_tensorflow()
    graph = tf.compat.v1.get_default_graph()
    with tf.compat.v1.variable_scope(None, default_name=name, auxiliary_name_scope=False) as variable_scope:
        scope = variable_scope.name
    with graph.name_scope(None):
        if graph.unique_name(scope, mark_as_used=False) != scope:
            raise UsageError(
                f"variable_scope {scope}/ was unused but the corresponding name_scope was already taken.",
                hint="Pass another name= to hub.Module.",
            )
        graph.unique_name(scope)
    return f"{scope}/"
