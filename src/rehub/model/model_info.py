"""What a model folder is and whether it is whole."""

from __future__ import annotations

import dataclasses
import stat
from pathlib import Path
from typing import Literal

from rehub.errors import FormatError
from rehub.formats import checkpoint_index, saved_model, tf1_hub
from rehub.formats.saved_model import MetaGraph

Format = Literal["tf1_hub", "saved_model_1", "saved_model_2"]

_INDEX = "variables/variables.index"


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    """What a model folder is.

    Attributes:
        folder: The model folder.
        format: The TF1 Hub format, a SavedModel of graphs only (``saved_model_1``), or one of Python objects
            (``saved_model_2``).
        meta_graphs: The graphs, with their tags and signatures; exactly one in a ``saved_model_2``.
    """

    folder: Path
    format: Format
    meta_graphs: tuple[MetaGraph, ...]

    @property
    def tag_sets(self) -> tuple[frozenset[str], ...]:
        """The tags of each graph."""
        return tuple(graph.tags for graph in self.meta_graphs)


def describe(folder: Path) -> ModelInfo:
    """Tells what a model folder is, without loading it.

    Raises:
        FormatError: If it holds no SavedModel, or a damaged one.
    """
    path = saved_model.find(folder)
    if path is None:
        raise FormatError(
            f"'{folder}' is not a model: it has neither {saved_model.FILE_NAME} nor {saved_model.TEXT_FILE_NAME}.",
            hint="Pass the folder that holds this file directly.",
            path=str(folder),
        )
    meta_graphs = saved_model.read(path).meta_graphs
    return ModelInfo(folder, _format(folder, meta_graphs), meta_graphs)


def missing_files(folder: Path) -> tuple[str, ...]:
    """Lists what a model needs but its folder lacks.

    A data shard of the variables that is shorter than their index demands is missing, too.

    Returns:
        Paths relative to the folder, with ``/``, sorted; empty when the model is whole.

    Raises:
        FormatError: If a file that tells what is needed cannot be read or is damaged.
    """
    if saved_model.find(folder) is None:
        return (saved_model.FILE_NAME,)
    needed = {}
    for graph in describe(folder).meta_graphs:
        needed.update({f"assets/{name}": 0 for name in graph.assets})
        if graph.has_saver or graph.variables:
            needed[_INDEX] = 0
    if _INDEX in needed and _is_whole(folder / _INDEX, 0):
        shards = checkpoint_index.read(folder / _INDEX).shard_sizes()
        needed.update({f"variables/{name}": size for name, size in shards.items()})
    return tuple(sorted(name for name, size in needed.items() if not _is_whole(folder / name, size)))


def _format(folder: Path, meta_graphs: tuple[MetaGraph, ...]) -> Format:
    if tf1_hub.is_tf1_hub(folder):
        return "tf1_hub"
    return "saved_model_2" if len(meta_graphs) == 1 and meta_graphs[0].has_object_graph else "saved_model_1"


def _is_whole(path: Path, size_bytes: int) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size >= size_bytes
