"""Making modules: from a function that builds a graph, or from a SavedModel."""

from __future__ import annotations

import os
import re
import warnings
import weakref
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from rehub.errors import DependencyError, FormatError, PublishError, UsageError
from rehub.formats import saved_model, tf1_hub
from rehub.model.program import Program, tensor_names
from rehub.runtime import tf_private
from rehub.runtime.tf_version import import_tensorflow
from rehub.tf1.custom_gradients import CustomGradients
from rehub.tf1.module_spec import ModuleSpec

_SUPPORTED = frozenset(
    {
        "variables",
        "trainable_variables",
        "model_variables",
        "table_initializer",
        "update_ops",
        "regularization_losses",
        "asset_filepaths",
        "cond_context",
        "while_context",
    }
)
"""The collections that a module can have. Source: TF1 Hub format."""

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class _Draft:
    """What `add_signature` and `attach_message` said of a graph."""

    def __init__(self) -> None:
        self.signatures: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
        self.attachments: dict[str, bytes] = {}


_drafts: weakref.WeakKeyDictionary[Any, _Draft] = weakref.WeakKeyDictionary()


def create_module_spec(
    module_fn: Callable[..., Any],
    tags_and_args: Iterable[tuple[Collection[str], Mapping[str, Any]]] | None = None,
    drop_collections: Collection[str] | None = None,
) -> ModuleSpec:
    """Makes a module from a function that builds its graph.

    Args:
        module_fn: Builds the graph with ``tf.compat.v1``, and calls `add_signature` at least once. What it returns is
            not used.
        tags_and_args: For modules with several graph variants: the tags of each, and the keyword arguments that
            ``module_fn`` builds it with. Variables of the same name are the same in all variants.
        drop_collections: Collections of the graph to leave out, such as ``tf.compat.v1.GraphKeys.LOSSES``.

    Returns:
        The spec, which has no checkpoint: the module begins with its initializers.

    Raises:
        PublishError: If a graph has no signature, state that no module can have, or tags twice.
        DependencyError: If ``module_fn`` uses ``tf.compat.v1.layers``, which Keras 3 does not have.
    """
    tf = import_tensorflow()
    graphs = []
    for tags, arguments in [(set[str](), {})] if tags_and_args is None else tags_and_args:
        with tf.Graph().as_default() as graph:
            _build(module_fn, arguments)
            graphs.append(_meta_graph(graph, tags, drop_collections or ()))
    _check_tags(graphs)
    spec = ModuleSpec(graphs, None)
    _check_shared_variables(spec)
    return spec


def add_signature(name: str | None = None, inputs: Any = None, outputs: Any = None) -> None:
    """Adds a signature to the module that is being built.

    Args:
        name: Its name; None for ``default``.
        inputs: A tensor, or a dict of tensors by name, dense, sparse or ragged, that users feed; None for no inputs.
        outputs: A tensor, or a dict of tensors by name.

    Raises:
        UsageError: If no graph is being built.
        PublishError: If an input or output is no tensor of the graph that is being built.
    """
    draft = _current_draft("hub.add_signature")
    graph = import_tensorflow().compat.v1.get_default_graph()
    name = name or "default"
    if name in draft.signatures:
        warnings.warn(f"The signature {name!r} is added again; only the last one counts.", stacklevel=2)
    draft.signatures[name] = (
        {key: _checked(name, "input", key, value, graph) for key, value in _as_dict(inputs).items()},
        {key: _checked(name, "output", key, value, graph) for key, value in _as_dict(outputs).items()},
    )


def attach_message(key: str, message: Any) -> None:
    """Attaches a message to the module that is being built; `ModuleSpec.get_attached_message` gives it back.

    Args:
        key: A name of letters, digits and underscores that begins with a letter.
        message: A protocol message.

    Raises:
        UsageError: If no graph is being built.
        PublishError: If the key is malformed.
    """
    draft = _current_draft("hub.attach_message")
    if not _KEY.fullmatch(key):
        raise PublishError(
            f"hub.attach_message() called with malformed key '{key}'.",
            hint="Use letters, digits and underscores, and a letter at the beginning.",
        )
    if key in draft.attachments:
        warnings.warn(f"The message {key!r} is attached again; only the last one counts.", stacklevel=2)
    draft.attachments[key] = message.SerializeToString()


def create_module_spec_from_saved_model(
    saved_model_path: str | os.PathLike[str], drop_collections: Collection[str] | None = None
) -> ModuleSpec:
    """Makes a module from a SavedModel of TensorFlow 1.

    Args:
        saved_model_path: Its folder.
        drop_collections: Collections of its graphs to leave out, such as those of its initialization.

    Returns:
        The spec, which begins with the variables of the SavedModel.

    Raises:
        FormatError: If the folder holds no SavedModel, a damaged one, or one of TensorFlow 2.
        PublishError: If its graphs have state that no module can have.
    """
    tf = import_tensorflow()
    folder = Path(saved_model_path).absolute()
    file = saved_model.find(folder)
    if file is None:
        raise FormatError(f"'{folder}' holds no SavedModel.", hint="Pass the folder of one.", path=str(folder))
    graphs = []
    for graph in saved_model.read(file).meta_graphs:
        if graph.has_object_graph:
            raise FormatError(
                f"'{folder}' is a SavedModel of TensorFlow 2.",
                hint="A module needs a graph of TensorFlow 1; hub.load and hub.KerasLayer use this model as it is.",
                path=str(folder),
            )
        message = tf.compat.v1.MetaGraphDef.FromString(graph.message.SerializeToString())
        _take_over_assets(message, graph.message, folder / "assets")
        _keep_collections(message, drop_collections or ())
        graphs.append(message)
    _check_tags(graphs)
    prefix = folder / "variables" / "variables"
    return ModuleSpec(graphs, str(prefix) if prefix.with_suffix(".index").is_file() else None)


def _build(module_fn: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    try:
        module_fn(**arguments)
    except AttributeError as error:
        if "not available with Keras 3" not in str(error):
            raise
        raise DependencyError(
            f"The module_fn uses tf.compat.v1.layers: {error}",
            hint="Install tf_keras and set TF_USE_LEGACY_KERAS=1 before TensorFlow is imported, or make the variables "
            "with tf.compat.v1.get_variable.",
            package="tf_keras",
        ) from error


def _meta_graph(graph: Any, tags: Collection[str], dropped: Collection[str]) -> Any:
    tf = import_tensorflow()
    draft = _drafts.get(graph)
    if draft is None or not draft.signatures:
        raise PublishError(
            "No signatures present.", hint="Please call hub.add_signature(...) at least once in the module_fn."
        )
    names = [name for name in graph.get_all_collection_keys() if isinstance(name, str) and graph.get_collection(name)]
    _check_collections(names, dropped)
    _check_variables(graph)
    gradients = CustomGradients()
    message = tf.compat.v1.train.export_meta_graph(
        collection_list=[name for name in names if name not in dropped], clear_devices=True, strip_default_attrs=True
    )
    gradients.bind(message.graph_def)
    message.meta_info_def.tags.extend(sorted(tags))
    for name, (inputs, outputs) in draft.signatures.items():
        for values, field in ((inputs, "inputs"), (outputs, "outputs")):
            target = getattr(message.signature_def[name], field)
            for key, value in values.items():
                target[key].CopyFrom(tf_private.tensor_info(value))
    tf1_hub.attach(message, draft.attachments)
    return message


def _check_collections(names: Iterable[str], dropped: Collection[str]) -> None:
    unsupported = sorted(set(names) - _SUPPORTED - set(dropped))
    if unsupported:
        raise PublishError(
            f"Unsupported collections in graph: {unsupported}.",
            hint="Use hub.create_module_spec(..., drop_collections=[...]) as appropriate.",
        )


def _check_variables(graph: Any) -> None:
    tf = import_tensorflow()
    known = {variable.op.name for variable in graph.get_collection(tf.compat.v1.GraphKeys.GLOBAL_VARIABLES)}
    kinds = ("Variable", "VariableV2", "VarHandleOp")
    stray = sorted(op.name for op in graph.get_operations() if op.type in kinds and op.name not in known)
    if stray:
        raise PublishError(
            f"The module_fn makes variables that are not among the global variables: {', '.join(stray[:8])}.",
            hint="Make them with tf.compat.v1.get_variable, without collections=.",
        )


def _check_tags(graphs: Iterable[Any]) -> None:
    seen = set()
    for graph in graphs:
        tags = frozenset(graph.meta_info_def.tags)
        if tags in seen:
            raise PublishError(f"Tags {sorted(tags)!r} used repeatedly.", hint="Give each graph variant its own.")
        seen.add(tags)


def _check_shared_variables(spec: ModuleSpec) -> None:
    known: dict[str, Any] = {}
    for tags in spec.get_tags():
        for part in spec.graph(frozenset(tags)).variables:
            what = part.dtype, part.shape.as_list() if part.shape.rank is not None else None, part.offset
            if known.setdefault(part.node, what) != what:
                raise PublishError(
                    f"The variable {part.full_name!r} is not the same in all graph variants: with the tags "
                    f"{sorted(tags)!r} it has the shape {what[1]}, elsewhere {known[part.node][1]}.",
                    hint="Variants share their variables; give this one another name where it is another.",
                )


def _take_over_assets(message: Any, own: Any, folder: Path) -> None:
    """Lets the constants of assets hold paths, and names them in the collection of a module."""
    files = {asset.tensor_info.name.partition(":")[0]: asset.filename for asset in saved_model.asset_messages(own)}
    for node in message.graph_def.node:
        if node.name in files:
            node.attr["value"].tensor.string_val[:] = [str(folder / files[node.name]).encode()]
    del message.asset_file_def[:]
    message.collection_def.pop("saved_model_assets", None)
    if files:
        names = message.collection_def["asset_filepaths"].node_list.value
        names.extend(name for node in files if (name := f"{node}:0") not in names)


def _keep_collections(message: Any, dropped: Collection[str]) -> None:
    for name in dropped:
        message.collection_def.pop(name, None)
    _check_collections(message.collection_def, ())
    message.ClearField("saver_def")
    for signature in message.signature_def.values():
        signature.method_name = ""
    _keep_what_is_used(message)


def _keep_what_is_used(message: Any) -> None:
    """Drops the nodes that neither signatures nor collections lead to: those that save and restore, above all."""
    names = [
        tensor
        for signature in message.signature_def.values()
        for info in (*signature.inputs.values(), *signature.outputs.values())
        for tensor in tensor_names(info)
    ]
    for key, collection in message.collection_def.items():
        names += collection.node_list.value
        if key == "variables":
            for variable in tf_private.variable_definitions(message.collection_def, key):
                names += [variable.variable_name, variable.initializer_name, variable.snapshot_name]
    names += tf_private.names_in_control_flow(message.collection_def)
    kept = Program(message).upstream(names)
    nodes = [node for node in message.graph_def.node if node.name in kept]
    for node in nodes:
        places = [place for place in node.attr["_class"].list.s if place.removeprefix(b"loc:@").decode() in kept]
        del node.attr["_class"]
        if places:
            node.attr["_class"].list.s.extend(places)
    definition = type(message.graph_def)(library=message.graph_def.library, versions=message.graph_def.versions)
    definition.node.extend(nodes)
    message.graph_def.CopyFrom(definition)


def _current_draft(caller: str) -> _Draft:
    tf = import_tensorflow()
    if tf.executing_eagerly():
        raise UsageError(
            f"{caller} was called where no graph is being built.", hint="Call it in the module_fn of a module."
        )
    return _drafts.setdefault(tf.compat.v1.get_default_graph(), _Draft())


def _as_dict(values: Any) -> dict[str, Any]:
    if values is None:
        return {}
    return dict(values) if isinstance(values, Mapping) else {"default": values}


def _checked(signature: str, kind: str, key: str, value: Any, graph: Any) -> Any:
    """Returns a tensor of the graph that is being built; a variable as what it holds."""
    tf = import_tensorflow()
    if isinstance(value, tf.Variable):
        value = tf.convert_to_tensor(value)
    if not tf.is_tensor(value):
        raise PublishError(
            f"Signature {signature!r}, {kind} {key!r}: {type(value).__name__} is no tensor.",
            hint="Pass a tensor, a sparse or a ragged one, of the graph that is being built.",
        )
    if any(getattr(part, "graph", None) is not graph for part in tf.nest.flatten(value, expand_composites=True)):
        raise PublishError(
            f"Signature {signature!r}, {kind} {key!r}: {value!r} is of another graph than the one that is being built.",
            hint="Make all of it within the module_fn.",
        )
    return value
