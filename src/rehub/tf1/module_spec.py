"""What a module is, apart from any graph that it is used in."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from rehub.errors import FormatError, HandleError, SignatureError
from rehub.formats import saved_model, tf1_hub, tf1_hub_module
from rehub.resolvers.chain import resolve
from rehub.runtime import checkpoint, policy, remote, signature_tensors
from rehub.runtime.signature_tensors import ParsedTensorInfo
from rehub.runtime.tf1_graph import Tf1Graph, VariablePart
from rehub.runtime.tf_version import import_tensorflow


class ModuleSpec:
    """A module: its graphs, told apart by their tags, and the checkpoint that its variables begin with.

    `load_module_spec`, `create_module_spec` and `create_module_spec_from_saved_model` make them.

    Args:
        graphs: ``tf.compat.v1.MetaGraphDef`` messages. The constants of assets hold paths of files.
        checkpoint: The prefix of a checkpoint with the values of all variables; None to begin with initializers.
    """

    def __init__(self, graphs: Sequence[Any], checkpoint: str | None) -> None:
        self._graphs = {frozenset(graph.meta_info_def.tags): graph for graph in graphs}
        self.checkpoint = checkpoint
        self._built: dict[frozenset[str], Tf1Graph] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_built": {}}

    def graph(self, tags: frozenset[str]) -> Tf1Graph:
        """Returns a graph variant, ready to be imported.

        Raises:
            FormatError: If the module has a checkpoint that does not hold the variables of this variant.
        """
        if tags not in self._built:
            graph = Tf1Graph(self._graphs[tags])
            if self.checkpoint is not None:
                checkpoint.check(self.checkpoint, graph.variables)
            self._built[tags] = graph
        return self._built[tags]

    def get_tags(self) -> list[frozenset[str]]:
        """Returns the tags of each graph variant."""
        return list(self._graphs)

    def get_signature_names(self, tags: Collection[str] | None = None) -> list[str]:
        """Returns the names of the signatures of a graph variant.

        Raises:
            SignatureError: If there is no variant with these tags.
        """
        return sorted(self._meta_graph(tags).signature_def)

    def get_input_info_dict(
        self, signature: str | None = None, tags: Collection[str] | None = None
    ) -> dict[str, ParsedTensorInfo]:
        """Returns what the inputs of a signature are, by name.

        Args:
            signature: The name of the signature; None for ``default``.
            tags: The tags of the graph variant.

        Raises:
            SignatureError: If there is no such variant or signature.
        """
        inputs = self.signature(signature, tags).inputs
        return {name: signature_tensors.parse(inputs[name]) for name in sorted(inputs)}

    def get_output_info_dict(
        self, signature: str | None = None, tags: Collection[str] | None = None
    ) -> dict[str, ParsedTensorInfo]:
        """Returns what the outputs of a signature are, by name; arguments and errors as for `get_input_info_dict`."""
        outputs = self.signature(signature, tags).outputs
        return {name: signature_tensors.parse(outputs[name]) for name in sorted(outputs)}

    def get_attached_message(
        self, key: str, message_type: Any, tags: Collection[str] | None = None, required: bool = False
    ) -> Any:
        """Returns a message that the publisher attached, or None.

        Args:
            key: Its key.
            message_type: The class of the protocol message.
            tags: The tags of the graph variant.
            required: Whether its absence is an error.

        Raises:
            KeyError: If it is required and absent.
            SignatureError: If there is no variant with these tags.
        """
        values = tf1_hub.attached_bytes(self._meta_graph(tags))
        if key in values:
            return message_type.FromString(values[key])
        if required:
            raise KeyError(
                f"No attached message for key '{key}' in graph version {sorted(tags or [])} of Hub Module; there are: "
                f"{', '.join(sorted(values)) or 'none'}."
            )
        return None

    def export(
        self,
        path: str | os.PathLike[str],
        _sentinel: None = None,
        checkpoint_path: str | None = None,
        name_transform_fn: Callable[[str], str] | None = None,
    ) -> None:
        """Writes the module, with variables from a checkpoint.

        Args:
            path: A folder that does not exist yet.
            checkpoint_path: The prefix of the checkpoint, or the folder of one. None takes the values that the module
                begins with: those it was loaded with, or those of its initializers.
            name_transform_fn: Turns the name of a variable of the module into its name in the checkpoint.

        Raises:
            PublishError: If the folder exists.
            FormatError: If the checkpoint lacks a variable of the module, or holds one of another shape.
        """
        if _sentinel is not None:
            raise TypeError("ModuleSpec.export takes one positional argument, the path; pass the others by name.")
        if checkpoint_path is not None:
            self.write(path, checkpoint.read(checkpoint_path, self.variables(), name_transform_fn))
        else:
            self.write(path, self._first_values())

    def write(self, path: str | os.PathLike[str], values: Mapping[str, Any]) -> None:
        """Writes the module with some values of its variables.

        Args:
            path: A folder that does not exist yet.
            values: An array for each node that makes a variable; variables that are not among them, which another
                graph variant has, get the values that the module begins with.

        Raises:
            PublishError: If the folder exists.
        """
        parts = self.variables()
        if any(part.node not in values for part in parts):
            values = {**self._first_values(), **values}
        with remote.new_place(path) as folder:
            tf1_hub_module.write(folder, list(self._graphs.values()))
            checkpoint.write(str(folder / tf1_hub_module.VARIABLES), parts, [values[part.node] for part in parts])

    def variables(self) -> list[VariablePart]:
        """The variables of all graph variants, each once."""
        parts = {part.node: part for tags in self._graphs for part in self.graph(tags).variables}
        return list(parts.values())

    def signature(self, name: str | None, tags: Collection[str] | None) -> Any:
        """Returns the ``SignatureDef`` of a signature; arguments and errors as for `get_input_info_dict`."""
        signatures = self._meta_graph(tags).signature_def
        name = name or "default"
        if name not in signatures:
            raise SignatureError(
                f"Signature {name!r} is missing from the module.",
                hint=f"There are: {', '.join(map(repr, sorted(signatures)))}.",
                available=tuple(sorted(signatures)),
            )
        return signatures[name]

    def _meta_graph(self, tags: Collection[str] | None) -> Any:
        self.check_tags(tags)
        return self._graphs[frozenset(tags or ())]

    def check_tags(self, tags: Collection[str] | None) -> None:
        """Raises a SignatureError that lists the graph variants, if none has these tags."""
        if frozenset(tags or ()) not in self._graphs:
            available = tuple(str(sorted(each)) for each in self._graphs)
            raise SignatureError(
                f"No such graph variant: tags={sorted(tags or ())!r}.",
                hint=f"Choose one by its tags: {', '.join(available)}.",
                available=available,
            )

    def _first_values(self) -> dict[str, Any]:
        """The values that the variables begin with, by node."""
        from rehub.tf1.module import Module

        if self.checkpoint is not None:
            return checkpoint.read(self.checkpoint, self.variables())
        tf = import_tensorflow()
        found: dict[str, Any] = {}
        for tags in self._graphs:
            with tf.Graph().as_default(), tf.compat.v1.Session() as session:
                parts = Module(self, tags=tags).state.parts()
                session.run([tf.compat.v1.global_variables_initializer(), tf.compat.v1.tables_initializer()])
                values = session.run([variable for _, variable in parts])
                found = {part.node: value for (part, _), value in zip(parts, values, strict=True)} | found
        return found


def load_module_spec(path: str | os.PathLike[str]) -> ModuleSpec:
    """Reads a module in TF1 Hub format.

    Args:
        path: A path, or a URL that is resolved through the cache; see `rehub.resolve`.

    Raises:
        HandleError: If ``path`` is no path and no URL.
        ResolveError: If no model can be had by it; see `rehub.resolve` for this and for transfer and cache errors.
        FormatError: If the folder holds no module in TF1 Hub format, or a damaged one.
        PolicyError: If the module reaches out of itself and the setting ``op_policy`` is ``refuse``.
    """
    handle = os.fspath(path)
    folder = remote.fetch(resolve(handle))
    file = saved_model.find(folder)
    if file is not None and not tf1_hub.is_tf1_hub(folder):
        raise FormatError(
            f"'{handle}' is a SavedModel, not a module in TF1 Hub format.",
            hint="Load it with hub.load or hub.KerasLayer.",
            path=str(folder),
        )
    if file is None:
        raise FormatError(
            f"'{handle}' holds no module in TF1 Hub format: there is no saved_model.pb in '{folder}'.",
            hint="Pass the folder of an exported module.",
            path=str(folder),
        )
    policy.enforce(handle, saved_model.read(file).meta_graphs)
    tf = import_tensorflow()
    graphs = [tf.compat.v1.MetaGraphDef.FromString(graph.SerializeToString()) for graph in tf1_hub_module.read(folder)]
    prefix = folder / tf1_hub_module.VARIABLES
    has_checkpoint = prefix.with_suffix(".index").is_file()
    if not has_checkpoint and any("variables" in graph.collection_def for graph in graphs):
        raise FormatError(
            f"'{handle}' is no whole module: it lacks {tf1_hub_module.VARIABLES}.index.",
            hint="Copy or export the whole folder again, with all that is below it.",
            path=str(folder),
            member=f"{tf1_hub_module.VARIABLES}.index",
        )
    return ModuleSpec(graphs, str(prefix) if has_checkpoint else None)


def as_module_spec(spec: ModuleSpec | str | os.PathLike[str]) -> ModuleSpec:
    """Returns the spec of what stands for a module: a spec, a path or a URL; errors as for `load_module_spec`."""
    if isinstance(spec, ModuleSpec):
        return spec
    if isinstance(spec, (str, os.PathLike)):
        return load_module_spec(spec)
    raise HandleError(
        f"Unknown module spec type: {type(spec)!r}.",
        hint="Pass a path, a URL, or what hub.create_module_spec or hub.load_module_spec returned.",
        handle=spec,
    )
