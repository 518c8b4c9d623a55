"""What a model folder is and whether it is whole."""

from __future__ import annotations

import dataclasses
import errno
import math
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from rehub.errors import FormatError
from rehub.formats import checkpoint_index, keras_metadata, saved_model, tf1_hub
from rehub.formats.checkpoint_index import CheckpointIndex
from rehub.formats.saved_model import MetaGraph
from rehub.formats.tf1_hub import Attachment
from rehub.model import lookalike, op_policy
from rehub.model.activations import Activation, model_activations
from rehub.model.endpoints import Endpoints, endpoints
from rehub.model.functions import Function, functions
from rehub.model.graph_activations import graph_activations
from rehub.model.objects import ModelObject, objects
from rehub.model.op_policy import CustomOp, Finding
from rehub.model.program import Program
from rehub.model.variables import Variable, regularization_losses, variables
from rehub.signature import Signature

Format = Literal["tf1_hub", "saved_model_1", "saved_model_2"]

_INDEX = "variables/variables.index"
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})
_KERAS_3_LAYER = frozenset({"_losses", "_loss_ids", "_losses_override"})


@dataclasses.dataclass(frozen=True)
class GraphInfo:
    """One graph of a model.

    Attributes:
        tags: What tells it from the model's other graphs.
        tensorflow_version: The TensorFlow that wrote it; empty when it did not say.
        tensorflow_git_version: The commit of that TensorFlow.
        signatures: Sorted by name.
        functions: What can be called after loading, besides the signatures; none in graphs without objects.
        variables: Those of the model.
        spare_variables: Those beside it: state of an optimizer, copies that an export made.
        regularization_losses: How many there are.
        objects: What the loaded object consists of, each object before its children; none in graphs without objects.
        assets: The files it reads, relative to the folder ``assets``.
        collections: How many elements each of its collections holds, by name.
        attachments: Messages that the publisher attached; only in the TF1 Hub format.
        ops: How many nodes of each type it holds, functions included.
        findings: Ops that reach out of the model, to files, the network, processes or Python.
        custom_ops: Ops that TensorFlow does not have built in.
        endpoints: Where a graph without objects can be fed and fetched.
        activations: The tensors inside of ``__call__`` and of each signature, by these names, that
            ``KerasLayer(output_key=...)`` can return; only where they were asked for.
    """

    tags: frozenset[str]
    tensorflow_version: str
    tensorflow_git_version: str
    signatures: tuple[Signature, ...]
    functions: tuple[Function, ...]
    variables: tuple[Variable, ...]
    spare_variables: tuple[Variable, ...]
    regularization_losses: int
    objects: tuple[ModelObject, ...]
    assets: tuple[str, ...]
    collections: Mapping[str, int]
    attachments: tuple[Attachment, ...]
    ops: Mapping[str, int]
    findings: tuple[Finding, ...]
    custom_ops: tuple[CustomOp, ...]
    endpoints: Endpoints
    activations: Mapping[str, tuple[Activation, ...]]


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    """What a model folder is.

    Attributes:
        folder: The model folder.
        format: The TF1 Hub format, a SavedModel of graphs only (``saved_model_1``), or one of Python objects
            (``saved_model_2``).
        keras: The version of the Keras whose layers it holds, only ``2`` or ``3`` where no file tells more; empty
            without Keras.
        meta_graphs: The graphs, with their tags and signatures; exactly one in a ``saved_model_2``.
        size_bytes: Of all files together.
        missing_files: What the model needs but its folder lacks, as `missing_files` returns it.
    """

    folder: Path
    format: Format
    keras: str
    meta_graphs: tuple[GraphInfo, ...]
    size_bytes: int
    missing_files: tuple[str, ...]

    @property
    def tag_sets(self) -> tuple[frozenset[str], ...]:
        """The tags of each graph."""
        return tuple(graph.tags for graph in self.meta_graphs)

    def to_json(self) -> dict[str, Any]:
        """Returns the same as dicts, lists, texts and numbers, for `json.dumps`.

        Numbers that JSON lacks are texts: ``inf``, ``-inf`` and ``nan``.
        """
        value = _plain(self)
        assert isinstance(value, dict)
        return value


def describe(folder: Path, *, activations: bool = False) -> ModelInfo:
    """Tells what a model folder is, without loading it.

    Args:
        folder: The model folder.
        activations: Whether to list the tensors inside of the functions, too.

    Raises:
        FormatError: If it holds no SavedModel, or a damaged one, or its files cannot be read.
    """
    path = saved_model.find(folder)
    if path is None:
        what, hint = lookalike.explain(folder)
        raise FormatError(f"'{folder}' is not a model folder: it is {what}.", hint=hint, path=str(folder))
    meta_graphs = saved_model.read(path).meta_graphs
    checkpoint = checkpoint_index.read(folder / _INDEX) if _is_whole(folder / _INDEX, 0) else None
    keras, graphs = "", []
    with saved_model.translated(path):
        for graph in meta_graphs:
            metadata = keras_metadata.read(folder, graph.message)
            keras = keras or metadata.version or _keras(graph.message)
            listing = model_activations if graph.has_object_graph else graph_activations
            inner = listing(graph.message) if activations else {}
            graphs.append(_graph_info(graph, checkpoint, metadata.classes, inner))
    return ModelInfo(
        folder,
        _format(folder, meta_graphs),
        keras,
        tuple(graphs),
        _size_bytes(folder),
        _missing(folder, meta_graphs, checkpoint),
    )


def missing_files(folder: Path) -> tuple[str, ...]:
    """Lists what a model needs but its folder lacks.

    A data shard of the variables that is shorter than their index demands is missing, too.

    Returns:
        Paths relative to the folder, with ``/``, sorted; empty when the model is whole.

    Raises:
        FormatError: If a file that tells what is needed cannot be read or is damaged.
    """
    path = saved_model.find(folder)
    if path is None:
        return (saved_model.FILE_NAME,)
    checkpoint = checkpoint_index.read(folder / _INDEX) if _is_whole(folder / _INDEX, 0) else None
    meta_graphs = saved_model.read(path).meta_graphs
    tf1_hub.is_tf1_hub(folder)
    return _missing(folder, meta_graphs, checkpoint)


def _missing(folder: Path, meta_graphs: Iterable[MetaGraph], checkpoint: CheckpointIndex | None) -> tuple[str, ...]:
    needed = {}
    for graph in meta_graphs:
        needed.update({f"assets/{name}": 0 for name in graph.assets})
        if graph.has_saver or graph.variables:
            needed[_INDEX] = 0
    if _INDEX in needed and checkpoint is not None:
        needed.update({f"variables/{name}": size for name, size in checkpoint.shard_sizes().items()})
    return tuple(sorted(name for name, size in needed.items() if not _is_whole(folder / name, size)))


def _graph_info(
    graph: MetaGraph,
    checkpoint: CheckpointIndex | None,
    classes: Mapping[int, str],
    activations: Mapping[str, tuple[Activation, ...]],
) -> GraphInfo:
    program = Program(graph.message)
    tree = objects(graph.message, classes)
    own, spare = variables(graph.message, tree, checkpoint)
    ops = op_policy.count_ops(program)
    return GraphInfo(
        tags=graph.tags,
        tensorflow_version=graph.tensorflow_version,
        tensorflow_git_version=graph.tensorflow_git_version,
        signatures=graph.signatures,
        functions=functions(graph.message, tree),
        variables=own,
        spare_variables=spare,
        regularization_losses=regularization_losses(graph.message),
        objects=tree,
        assets=graph.assets,
        collections=saved_model.collection_sizes(graph.message),
        attachments=tf1_hub.attachments(graph.message),
        ops=ops,
        findings=op_policy.findings(program),
        custom_ops=op_policy.custom_ops(ops),
        endpoints=endpoints(graph.message, program),
        activations=activations,
    )


def _keras(graph: Any) -> str:
    """The generation of Keras, by what it leaves in the object graph when it does not write its version."""
    nodes = graph.object_graph_def.nodes
    if any(node.user_object.identifier.startswith("_tf_keras_") for node in nodes):
        return "2"
    root = {child.local_name for child in nodes[0].children} if nodes else set()
    if {"_misc_assets", "non_trainable_variables"} <= root:  # what model.export writes
        return "2" if "_endpoint_names" in root else "3"
    return "3" if any({child.local_name for child in node.children} >= _KERAS_3_LAYER for node in nodes) else ""


def _format(folder: Path, meta_graphs: tuple[MetaGraph, ...]) -> Format:
    if tf1_hub.is_tf1_hub(folder):
        return "tf1_hub"
    return "saved_model_2" if len(meta_graphs) == 1 and meta_graphs[0].has_object_graph else "saved_model_1"


def _is_whole(path: Path, size_bytes: int) -> bool:
    try:
        status = path.stat()
    except OSError as error:
        if error.errno in _ABSENT:
            return False
        raise _unreadable(path, error) from error
    return stat.S_ISREG(status.st_mode) and status.st_size >= size_bytes


def _size_bytes(folder: Path) -> int:
    try:
        return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    except OSError as error:
        raise _unreadable(Path(error.filename or folder), error) from error


def _unreadable(path: Path, error: OSError) -> FormatError:
    return FormatError(f"'{path}' cannot be read: {error.strerror}.", hint="Check its permissions.", path=str(path))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    is_text = isinstance(value, Path) or (isinstance(value, float) and not math.isfinite(value))
    return str(value) if is_text else value
