"""What a lifted model consists of: its graph variants, the state that they share, and the calls of their signatures."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from rehub.formats.saved_model import NOT_CALLABLE
from rehub.model.graph_activations import signature_activations
from rehub.model.program import WRITES, data_inputs, node_of
from rehub.runtime import reusable, signature_tensors, tf_private
from rehub.runtime.functional_import import FunctionalImport, check
from rehub.runtime.lifted_tables import LiftedTable
from rehub.runtime.tf1_control_flow import ControlFlow
from rehub.runtime.tf1_graph import Tf1Graph, VariablePart


class LiftedGraph:
    """A graph variant of a model.

    Args:
        meta_graph: A ``tf.compat.v1.MetaGraphDef``.

    Attributes:
        graph: The graph.
        signatures: The ``SignatureDef`` of each signature that can be called.
        variables: Its variables.
        losses: The names of its regularization losses.
        updates: The names of its update ops.
    """

    def __init__(self, meta_graph: Any) -> None:
        self.graph = Tf1Graph(meta_graph, functional=True)
        self.signatures = {
            name: each for name, each in sorted(meta_graph.signature_def.items()) if name not in NOT_CALLABLE
        }
        self._meta_graph = meta_graph
        self.variables = self.graph.variables
        self.losses = self.graph.collection("regularization_losses")
        self.updates = self.graph.collection("update_ops")
        check(self.graph.nodes[name] for name in self.used())
        self.graph.check_ops(self.used())
        self._control_flow = ControlFlow(self.graph.nodes, self.graph.parts)
        self._switches = self._find_switches()

    @property
    def trains_otherwise(self) -> bool:
        """Whether this one graph does in training what it does not do in inference."""
        return bool(self.updates or self._switches)

    def outputs(self, signature: str) -> dict[str, str]:
        """The tensors of the graph that give those which the outputs of a signature name."""
        return {
            name: self.graph.resolve(name)
            for info in self.signatures[signature].outputs.values()
            for name in signature_tensors.component_names(info)
        }

    def check(self, signature: str) -> None:
        """Refuses a signature with control flow that cannot be built anew.

        Raises:
            ConversionError: It names the op.
        """
        inputs = self.signatures[signature].inputs.values()
        fed = dict.fromkeys(name for info in inputs for name in signature_tensors.component_names(info))
        targets = [*self.outputs(signature).values(), *self.graph.runnable(self.updates, fed)]
        FunctionalImport(self.graph, self._control_flow, fed, "").check(targets)

    def activations(self, signature: str) -> tuple[str, ...]:
        """The names of the tensors that a signature computes on its way, see `rehub.model.graph_activations`."""
        return signature_activations(self._meta_graph, signature)

    def depends_on(self, tensor: str) -> list[str]:
        """The variables that a tensor depends on, by their nodes."""
        names = self.graph.closure([tensor])
        return [part.node for part in self.variables if part.node in names]

    def updates_of(self, variables: Collection[str]) -> list[str]:
        """The update ops that write into no other variables than these."""
        return [name for name in self.updates if self._written([name]) <= set(variables)]

    def used(self) -> set[str]:
        """The nodes that signatures, losses and update ops depend on."""
        outputs = (name for signature in self.signatures for name in self.outputs(signature).values())
        return self.graph.closure([*outputs, *self.updates, *map(self.graph.resolve, self.losses)])

    def xla_can_compile(self, signature: str) -> bool:
        """Whether XLA can compile a signature. Loops may have lists, whose sizes it would have to know."""
        names = self.graph.closure([*self.outputs(signature).values(), *self.updates])
        names -= {part.node for part in self.variables}  # which a function captures
        ends = self._control_flow.loop_of.keys() | self._control_flow.condition_of.keys()
        return not names & ends and reusable.xla_has_kernels(self.graph.nodes[name] for name in names)

    def written(self) -> set[str]:
        """The variables that calls change, by their nodes."""
        return self._written(self.used())

    def _written(self, roots: Iterable[str]) -> set[str]:
        nodes = (self.graph.nodes[name] for name in self.graph.closure(roots))
        return {self.graph.source(data_inputs(node)[0]) for node in nodes if node.op.startswith(WRITES)}

    def begin(self, state: LiftedState, feeds: Mapping[str, Any], training: bool) -> FunctionalImport:
        """Begins to import parts of the graph into the function that is being traced.

        Args:
            state: What the variants share.
            feeds: The tensors to feed, by name.
            training: What the publisher's switches between training and inference are set to, if nothing feeds them.
        """
        switches = {name: tf.constant(training) for name in self._switches}
        return FunctionalImport(self.graph, self._control_flow, {**switches, **state.tensors(self), **feeds}, "model")

    def evaluate(self, state: LiftedState, name: str) -> Any:
        """Computes a tensor that needs no feeds, in the function that is being traced."""
        (value,) = self.begin(state, {}, training=True).run([self.graph.resolve(name)])
        state.watch()
        return value

    def _find_switches(self) -> list[str]:
        """Placeholders by which a publisher lets users choose the mode: scalars that are false unless fed."""
        found = []
        for name, node in self.graph.nodes.items():
            if node.op != "PlaceholderWithDefault" or node.attr["dtype"].type != tf.bool.as_datatype_enum:
                continue
            default = self.graph.nodes.get(node_of(node.input[0]))
            if default is None or default.op != "Const":
                continue
            value = tf.make_ndarray(default.attr["value"].tensor)
            if value.shape == () and not value:
                found.append(f"{name}:0")
        return found


class LiftedState:
    """The variables, tables and files of all variants.

    Args:
        graphs: The variants.
        parts: Their variables.
        values: The value of each, by its node.

    Attributes:
        variables: By their nodes.
        resources: The tables, and the files.
    """

    def __init__(self, graphs: Sequence[LiftedGraph], parts: Iterable[VariablePart], values: Mapping[str, Any]) -> None:
        written = set[str]().union(*(graph.written() for graph in graphs))
        self.variables = {part.node: _variable(part, values[part.node], part.node in written) for part in parts}
        self._assets: dict[str, Any] = {}
        self._tables: dict[Any, LiftedTable] = {}
        self._of_graph = {id(graph): self._find(graph) for graph in graphs}
        self.resources = [*self._assets.values(), *self._tables.values()]

    def tensors(self, graph: LiftedGraph) -> dict[str, Any]:
        """The tensors that stand for the state of a variant, by name."""
        found = {name: asset.asset_path for name, asset in self._of_graph[id(graph)][0].items()}
        found.update({f"{node}:0": table.resource_handle for node, table in self._of_graph[id(graph)][1].items()})
        found.update({f"{node}:0": _handle(variable) for node, variable in self.variables.items()})
        return found

    def watch(self) -> None:
        """Tells the function that is being traced which of the variables it uses."""
        function = tf.compat.v1.get_default_graph()
        captured = {id(outside) for outside, _ in function.captures}
        for variable in self.variables.values():
            if id(_handle(variable)) in captured:
                tf_private.watch(function, variable)

    def _find(self, graph: LiftedGraph) -> tuple[dict[str, Any], dict[str, LiftedTable]]:
        nodes, used = graph.graph.nodes, graph.used()
        paths = {
            name: nodes[node_of(name)].attr["value"].tensor.string_val[0].decode()
            for name in graph.graph.collection("asset_filepaths")
        }
        for path in paths.values():
            if path not in self._assets:
                self._assets[path] = tf.saved_model.Asset(path)
        assets = {name: self._assets[path] for name, path in paths.items()}
        tables = {}
        for name in graph.graph.state_nodes():
            if name in used and f"{name}:0" not in assets:
                # Variants that have the same table share it, since training may write into it.
                key = name, nodes[name].SerializeToString(deterministic=True)
                if key not in self._tables:
                    self._tables[key] = LiftedTable(graph.graph, name, assets)
                tables[name] = self._tables[key]
        return assets, tables


class LiftedCall:
    """A signature in one of the graph variants.

    Args:
        state: What the variants share.
        graph: The variant.
        signature: The name of the signature.
        training: Whether its update ops run, too.

    Attributes:
        state: As passed.
        graph: As passed.
        signature: As passed.
        training: As passed.
        inputs: The ``tf.TypeSpec`` of each input, by name.
        outputs: That of each output.
    """

    def __init__(self, state: LiftedState, graph: LiftedGraph, signature: str, *, training: bool) -> None:
        self.state, self.graph, self.signature, self.training = state, graph, signature, training
        self._outputs = graph.outputs(signature)
        graph.check(signature)
        self._definition = graph.signatures[signature]
        self.inputs = _specs(self._definition.inputs)
        self.outputs = _specs(self._definition.outputs)
        self._function = tf.function(self._compute, autograph=False, input_signature=[dict(self.inputs)])

    def run(self, inputs: Any) -> dict[str, Any]:
        """Returns the outputs; arguments and errors as for `LiftedCalls`."""
        found: dict[str, Any] = self._function(self.converted(inputs))
        return found

    @functools.cached_property
    def concrete_function(self) -> Any:
        """The function that takes a dict of the inputs."""
        return self._function.get_concrete_function()

    @functools.cached_property
    def serving(self) -> Any:
        """The function that takes the inputs by name."""
        return tf.function(lambda **inputs: self._function(inputs), autograph=False).get_concrete_function(
            **self.inputs
        )

    def inner(self, name: str, updates: Sequence[str]) -> Any:
        """Returns the function that takes a dict of the inputs, and returns a tensor inside of the graph."""
        return tf.function(
            lambda inputs: self._run(inputs, [self.graph.graph.resolve(f"{name}:0")], updates)[0],
            autograph=False,
            input_signature=[dict(self.inputs)],
        )

    def converted(self, inputs: Any) -> dict[str, Any]:
        """Returns the inputs by name; arguments and errors as for `LiftedCalls`."""
        return signature_tensors.converted(self._definition.inputs, inputs)

    def _compute(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        feeds = signature_tensors.feeds(self._definition.inputs, inputs)
        targets = [name if name in feeds else own for name, own in self._outputs.items()]
        tensors = dict(zip(self._outputs, self._run(inputs, targets, self.graph.updates), strict=True))
        return signature_tensors.results(self._definition.outputs, tensors.__getitem__)

    def _run(self, inputs: Mapping[str, Any], targets: Sequence[str], updates: Sequence[str]) -> list[Any]:
        feeds = signature_tensors.feeds(self._definition.inputs, inputs)
        evaluation = self.graph.begin(self.state, feeds, self.training)
        tensors = evaluation.run(targets)
        if self.training:
            runnable = self.graph.graph.runnable(updates, {**self.state.tensors(self.graph), **feeds})
            evaluation.run(f"^{node_of(update)}" for update in runnable)
        self.state.watch()
        return tensors


def _specs(messages: Mapping[str, Any]) -> dict[str, Any]:
    return {name: signature_tensors.parse(info).type_spec for name, info in sorted(messages.items())}


def _handle(variable: Any) -> Any:
    """The handle of a variable; while Keras builds a model for a ``tf.distribute`` strategy, that of the first copy."""
    if tf.distribute.has_strategy() and tf.distribute.in_cross_replica_context():
        return tf.distribute.get_strategy().experimental_local_results(variable)[0].handle
    return variable.handle


def _variable(part: VariablePart, value: Any, is_written: bool) -> Any:
    """Makes a variable.

    Calls that change variables, as batch normalization does, do so once for each replica of a ``tf.distribute``
    strategy; the mean of the replicas is the value. TensorFlow itself knows no mean of integers.
    """
    dtype, options = tf.as_dtype(part.dtype), {}
    if is_written and not part.is_trainable:
        means = tf.VariableAggregation.MEAN if dtype.is_floating else tf.VariableAggregation.ONLY_FIRST_REPLICA
        options = {"synchronization": tf.VariableSynchronization.ON_READ, "aggregation": means}
    return tf.Variable(value, trainable=part.is_trainable, name=part.node, dtype=dtype, shape=part.shape, **options)
