"""Modules in the TF1 Hub format as they lie on the disk: their graphs, and the files that the graphs read.

In a program, the constants that ``asset_filepaths`` names hold the paths of files. In a module folder, they hold a
placeholder, the files lie in ``assets/``, and ``saved_model_assets`` tells which file belongs to which constant.
Reading and writing turn the one into the other. The variables are a checkpoint, which TensorFlow reads and writes.

Source: modules that tensorflow_hub 0.15.0 wrote.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rehub.errors import FormatError, PublishError
from rehub.formats import saved_model, schema, tf1_hub
from rehub.formats.saved_model import DamagedError

VARIABLES = "variables/variables"
"""The prefix of the checkpoint, in a module folder."""

_ASSETS = "assets"
_PLACEHOLDER = b"SAVEDMODEL-ASSET"
_PATHS = "asset_filepaths"
_FILES = "saved_model_assets"
_ASSET_URL = "type.googleapis.com/tensorflow.AssetFileDef"


def read(folder: Path) -> tuple[Any, ...]:
    """Reads the graphs of a module.

    Returns:
        A ``MetaGraphDef`` of `rehub.formats.schema` for each set of tags, in the order of the file; constants of assets
        hold the paths of the module's own files.

    Raises:
        FormatError: If the folder is no module in the TF1 Hub format, is damaged, or lacks an asset.
    """
    if not tf1_hub.is_tf1_hub(folder):
        raise FormatError(
            f"'{folder}' is no module in the TF1 Hub format: it has no {tf1_hub.FILE_NAME}.",
            hint="hub.load and hub.KerasLayer read SavedModels.",
            path=str(folder),
        )
    return read_graphs(folder / saved_model.FILE_NAME)


def read_graphs(path: Path) -> tuple[Any, ...]:
    """Reads the graphs of any model of TensorFlow 1, in the TF1 Hub format or not.

    Args:
        path: The file with the graphs.

    Returns:
        As `read` does.

    Raises:
        FormatError: If the file is damaged, or an asset is missing.
    """
    folder = path.parent
    graphs = tuple(graph.message for graph in saved_model.read(path).meta_graphs)
    with saved_model.translated(path):
        for graph in graphs:
            _fill_in(graph, (folder / _ASSETS).absolute())
    return graphs


def write(folder: Path, graphs: Sequence[Any]) -> None:
    """Writes all of a module but its variables, which belong to the prefix `VARIABLES`.

    Write to the folder of `rehub.archive.new_folder.new_folder`, so that no part of a module is ever seen.

    Args:
        folder: An empty folder.
        graphs: A ``MetaGraphDef`` for each set of tags, TensorFlow's or of `rehub.formats.schema`, not changed here.
            Constants of assets hold the paths of files, which are copied.

    Raises:
        PublishError: If there is no graph, two have the same tags, or a file cannot be read or written.
    """
    own = [schema.parse("tensorflow.MetaGraphDef", graph.SerializeToString()) for graph in graphs]
    _check_tags(own)
    nodes = [_asset_nodes(graph) for graph in own]
    names = _file_names(path for found in nodes for path in map(_path, found.values()))
    for graph, found in zip(own, nodes, strict=True):
        _take_out(graph, found, names)
    model = schema.message("tensorflow.SavedModel")(meta_graphs=own)
    try:
        for name in (_ASSETS, "variables"):
            (folder / name).mkdir()
        for source, name in names.items():
            shutil.copyfile(source, folder / _ASSETS / name)
        (folder / saved_model.FILE_NAME).write_bytes(model.SerializeToString(deterministic=True))
        tf1_hub.write_definition(folder)
    except OSError as error:
        raise PublishError(
            f"the module cannot be written: {error.strerror}: '{error.filename}'.",
            hint="Check that the files of its assets are still there, and that there is space.",
        ) from error


def _check_tags(graphs: Sequence[Any]) -> None:
    seen = [frozenset(graph.meta_info_def.tags) for graph in graphs]
    if not seen or len(set(seen)) < len(seen):
        shown = ", ".join(str(sorted(tags)) for tags in seen) or "none"
        raise PublishError(
            f"a module needs graphs that differ in their tags; these have: {shown}.",
            hint="Give each graph variant a set of tags of its own.",
        )


def _fill_in(graph: Any, folder: Path) -> None:
    """Puts the paths of files into the constants."""
    constants = _constants(graph)
    for asset in saved_model.asset_messages(graph):
        node = constants.get(asset.tensor_info.name.removesuffix(":0"))
        if node is None:
            tensor = asset.tensor_info.name
            raise DamagedError(f"the asset {asset.filename!r} belongs to {tensor!r}, which is no constant of one text")
        path = folder / asset.filename
        if not path.is_file():
            raise DamagedError(f"it needs the asset '{path}', which is missing")
        _set_text(node, os.fsencode(path))
    graph.collection_def.pop(_FILES, None)


def _take_out(graph: Any, nodes: Mapping[str, Any], names: Mapping[Path, str]) -> None:
    """Takes the paths of files out of the constants, and notes the files."""
    graph.collection_def.pop(_FILES, None)
    for tensor, node in nodes.items():
        asset = schema.message("tensorflow.AssetFileDef")(filename=names[_path(node)])
        asset.tensor_info.name = tensor
        graph.collection_def[_FILES].any_list.value.add(type_url=_ASSET_URL, value=asset.SerializeToString())
        _set_text(node, _PLACEHOLDER)


def _asset_nodes(graph: Any) -> dict[str, Any]:
    """The constants of assets, by the name of their tensor."""
    constants = _constants(graph)
    found = {}
    for tensor in saved_model.collection(graph, _PATHS).node_list.value:
        node = constants.get(tensor.removesuffix(":0"))
        if node is None:
            raise PublishError(
                f"the asset {tensor!r} is not a constant of the graph.",
                hint="Add only tensors of tf.constant(PATH) to the collection ASSET_FILEPATHS.",
            )
        found[tensor] = node
    return found


def _constants(graph: Any) -> dict[str, Any]:
    """The constants that are one text, by name."""
    return {
        node.name: node
        for node in graph.graph_def.node
        if node.op == "Const" and len(node.attr["value"].tensor.string_val) == 1
    }


def _path(node: Any) -> Path:
    return Path(os.fsdecode(node.attr["value"].tensor.string_val[0]))


def _set_text(node: Any, text: bytes) -> None:
    node.attr["value"].tensor.string_val[0] = text


def _file_names(paths: Iterable[Path]) -> dict[Path, str]:
    """A name in the module for each file: its own; where that is taken, with a number at its end."""
    names: dict[Path, str] = {}
    taken = set[str]()
    for path in paths:
        if path not in names:
            choices = itertools.chain([path.name], (f"{path.name}{number}" for number in itertools.count()))
            # Not every file system tells upper from lower case.
            names[path] = next(name for name in choices if name.lower() not in taken)
            taken.add(names[path].lower())
    return names
