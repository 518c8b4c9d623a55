"""``saved_model.pb`` (or ``saved_model.pbtxt``): graphs, signatures and what they need from other files."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from google.protobuf import text_format
from google.protobuf.message import DecodeError

from rehub.errors import FormatError
from rehub.formats import dtype, schema
from rehub.formats.structured_value import shape, type_spec
from rehub.formats.whole_file import read_bytes
from rehub.signature import Kind, Signature, TensorSpec

FILE_NAME = "saved_model.pb"
TEXT_FILE_NAME = "saved_model.pbtxt"

NOT_CALLABLE = frozenset({"__saved_model_init_op", "__saved_model_train_op"})
"""Entries among the signatures by which SavedModels name an operation to run, not something to call."""


@dataclasses.dataclass(frozen=True)
class MetaGraph:
    """One graph of a SavedModel, told from the others by its tags.

    Attributes:
        tags: The tag set; empty for the plain variant of a TF1 Hub module.
        tensorflow_version: The TensorFlow that wrote it; empty when it did not say.
        tensorflow_git_version: The commit of that TensorFlow.
        signatures: Sorted by name.
        assets: The files it reads, relative to the folder ``assets``.
        variables: Names of the variables, without ``:0``, sorted.
        has_saver: Whether the graph restores a checkpoint by itself.
        has_object_graph: Whether it holds Python objects (TF2).
        message: The ``MetaGraphDef``; the references within its object graph lead somewhere.
    """

    tags: frozenset[str]
    tensorflow_version: str
    tensorflow_git_version: str
    signatures: tuple[Signature, ...]
    assets: tuple[str, ...]
    variables: tuple[str, ...]
    has_saver: bool
    has_object_graph: bool
    message: Any = dataclasses.field(repr=False, compare=False)


@dataclasses.dataclass(frozen=True)
class SavedModel:
    """The content of one file.

    Attributes:
        path: The file.
        meta_graphs: At least one, in the order of the file.
    """

    path: Path
    meta_graphs: tuple[MetaGraph, ...]


def find(folder: Path) -> Path | None:
    """Returns the file that holds the SavedModel of a folder; None if there is none.

    Raises:
        FormatError: If the folder cannot be read, or the SavedModel is split into chunks, as TensorFlow writes those
            of more than 2 GB on request.
    """
    chunked = folder / "saved_model.cpb"
    try:
        found = next((path for path in (folder / FILE_NAME, folder / TEXT_FILE_NAME, chunked) if path.is_file()), None)
    except OSError as error:
        raise FormatError(
            f"'{folder}' cannot be read: {error.strerror}.", hint="Check its permissions.", path=str(folder)
        ) from error
    if found == chunked:
        raise FormatError(
            f"'{chunked}' is a SavedModel split into chunks, which rehub does not read.",
            hint="Ask its publisher for an export without experimental_image_format.",
            path=str(chunked),
        )
    return found


def read(path: Path) -> SavedModel:
    """Reads a SavedModel's file.

    Args:
        path: ``saved_model.pb``, or ``saved_model.pbtxt`` in protobuf's text format.

    Raises:
        FormatError: If it cannot be read, is damaged, or names assets outside its folder.
    """
    try:
        data = read_bytes(path)
    except OSError as error:
        raise FormatError(
            f"'{path}' cannot be read: {error.strerror}.", hint="Check that it is a file you may read.", path=str(path)
        ) from error
    with translated(path):
        message = _parse_text(data) if path.suffix == ".pbtxt" else _parse(data)
        if not message.meta_graphs:
            raise DamagedError("it holds no graph")
        return SavedModel(path, tuple(_meta_graph(graph) for graph in message.meta_graphs))


class DamagedError(Exception):
    """What is wrong with the content; becomes a FormatError where the file's name is known."""


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turns each `DamagedError` into a `FormatError` about this file."""
    try:
        yield
    except DamagedError as error:
        raise FormatError(
            f"'{path}' is not a whole SavedModel: {error}.",
            hint="Fetch the model again, or ask its publisher for another export.",
            path=str(path),
        ) from error


def _parse(data: bytes) -> Any:
    try:
        return schema.parse("tensorflow.SavedModel", data)
    except DecodeError as error:
        raise DamagedError(f"its {len(data)} bytes are no valid message") from error


def _parse_text(data: bytes) -> Any:
    message = schema.message("tensorflow.SavedModel")()
    try:
        return text_format.Parse(data.decode(), message, allow_unknown_field=True, descriptor_pool=schema.pool())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise DamagedError(str(error)) from error
    except RecursionError as error:
        raise DamagedError("its messages are nested too deeply") from error


def _meta_graph(graph: Any) -> MetaGraph:
    _check_references(graph)
    signatures = sorted(graph.signature_def.items())
    return MetaGraph(
        tags=frozenset(graph.meta_info_def.tags),
        tensorflow_version=graph.meta_info_def.tensorflow_version,
        tensorflow_git_version=graph.meta_info_def.tensorflow_git_version,
        signatures=tuple(_signature(name, value) for name, value in signatures if name not in NOT_CALLABLE),
        assets=tuple(sorted({_asset(asset.filename) for asset in asset_messages(graph)})),
        variables=tuple(sorted(set(_variables(graph)))),
        has_saver=graph.HasField("saver_def"),
        has_object_graph=graph.HasField("object_graph_def"),
        message=graph,
    )


def _check_references(graph: Any) -> None:
    objects = graph.object_graph_def
    count, num_assets = len(objects.nodes), len(graph.asset_file_def)
    for place, node in enumerate(objects.nodes):
        for child in node.children:
            if not 0 <= child.node_id < count:
                raise DamagedError(f"object {place} has a child {child.node_id} of {count}")
        if node.HasField("asset") and not 0 <= node.asset.asset_file_def_index < num_assets:
            raise DamagedError(f"object {place} is asset {node.asset.asset_file_def_index} of {num_assets}")
    for name, function in objects.concrete_functions.items():
        for bound in function.bound_inputs:
            if not 0 <= bound < count:
                raise DamagedError(f"the function {name[:80]!r} captures object {bound} of {count}")


def asset_messages(graph: Any) -> Iterator[Any]:
    """Yields an ``AssetFileDef`` for each file that a ``MetaGraphDef`` reads."""
    yield from graph.asset_file_def
    if graph.asset_file_def:
        return  # TensorFlow looks no further
    # The TF1 Hub format, and SavedModels of early TF1 releases.
    for packed in collection(graph, "saved_model_assets").any_list.value:
        yield _parse_part("tensorflow.AssetFileDef", packed.value, "an asset")


def variable_messages(graph: Any, name: str = "variables") -> Iterator[Any]:
    """Yields a ``VariableDef`` for each element of a collection of a ``MetaGraphDef``."""
    for packed in collection(graph, name).bytes_list.value:
        yield _parse_part("tensorflow.VariableDef", packed, "a variable")


def collection(graph: Any, name: str) -> Any:
    """Returns a collection of a ``MetaGraphDef``; an empty one if there is none of this name."""
    # Not graph.collection_def[name]: reading a protobuf map at a key that it lacks adds the key.
    return graph.collection_def.get(name, schema.message("tensorflow.CollectionDef")())


def collection_sizes(graph: Any) -> dict[str, int]:
    """Returns how many elements each collection of a ``MetaGraphDef`` holds, sorted by name."""
    found = {}
    for name, value in sorted(graph.collection_def.items()):
        kind = value.WhichOneof("kind")
        found[name] = len(getattr(value, kind).value) if kind else 0
    return found


def _asset(name: str) -> str:
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise DamagedError(f"the asset {name[:80]!r} is no file below the folder 'assets'")
    return str(path)


def _variables(graph: Any) -> Iterator[str]:
    for node in graph.object_graph_def.nodes:
        if node.WhichOneof("kind") == "variable":
            yield node.variable.name
    for variable in variable_messages(graph):
        yield variable.variable_name.removesuffix(":0")


def _parse_part(name: str, data: bytes, what: str) -> Any:
    try:
        return schema.parse(name, data)
    except DecodeError as error:
        raise DamagedError(f"{what} in its collections is no valid message") from error


def _signature(name: str, message: Any) -> Signature:
    return Signature(
        name,
        inputs=tuple(_tensor_spec(key, value) for key, value in sorted(message.inputs.items())),
        outputs=tuple(_tensor_spec(key, value) for key, value in sorted(message.outputs.items())),
    )


def _tensor_spec(name: str, info: Any) -> TensorSpec:
    encoding = info.WhichOneof("encoding")
    if encoding == "composite_tensor":
        return type_spec(name, info.composite_tensor.type_spec)
    kind: Kind = "sparse" if encoding == "coo_sparse" else "dense"
    return TensorSpec(dtype.name(info.dtype), shape(info.tensor_shape), name, kind)
