"""Slim copies of models: just what others reuse, without what Keras 2 needed to build them again."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rehub.archive.new_folder import new_folder
from rehub.errors import FormatError, PublishError, SignatureError
from rehub.formats import saved_model, schema
from rehub.model import lookalike
from rehub.model.excerpt import REUSABLE, Excerpt, attributes, check, excerpt, public_names
from rehub.resolvers.chain import resolve

# They speak of the objects and the bytes of the whole model.
_LEFT_OUT = frozenset({saved_model.FILE_NAME, saved_model.TEXT_FILE_NAME, "keras_metadata.pb", "fingerprint.pb"})


@dataclasses.dataclass(frozen=True)
class SlimModel:
    """What became of a model.

    Attributes:
        folder: Where the slim model is.
        left_out: Attributes of the whole model that the slim one lacks, apart from those of Keras' own.
        functions: The number of functions, before and after.
        program_bytes: The size of ``saved_model.pb``, before and after.
        size_bytes: The size of all files, before and after.
    """

    folder: Path
    left_out: tuple[str, ...]
    functions: tuple[int, int]
    program_bytes: tuple[int, int]
    size_bytes: tuple[int, int]


def slim(
    handle: str | os.PathLike[str], path: str | os.PathLike[str], *, only: str | Sequence[str] | None = None
) -> SlimModel:
    """Writes a copy of a TF2 SavedModel that has just what others reuse of it. Needs no TensorFlow.

    Signatures stay, and all that TensorFlow Serving runs. Variables and assets are copied as they are, so that the copy
    has their values bit by bit; those that nothing uses any more stay in the files. Keras cannot make the model of
    layers again that it once was: ``hub.load``, ``hub.KerasLayer`` and ``tf.saved_model.load`` take it.

    Args:
        handle: A path, or a URL that is resolved through the cache.
        path: What must not exist yet, or be an empty folder. It appears whole or not at all.
        only: The attributes that stay, such as ``("__call__", "encoder.__call__")``. None for those of the Reusable
            SavedModel interface: ``__call__``, ``variables``, ``trainable_variables``, ``regularization_losses``.

    Returns:
        What was left out, and sizes.

    Raises:
        SignatureError: If the model lacks one of the attributes.
        FormatError: If the folder holds no SavedModel, or a damaged one.
        PublishError: If the model has no objects that could be left out, or the copy cannot be written.
        HubError: What `rehub.resolve` raises, if the model cannot be had.
    """
    handle, source = os.fspath(handle), Path(resolve(os.fspath(handle)))
    file = saved_model.find(source)
    if file is None:
        what, hint = lookalike.explain(source)
        raise FormatError(f"'{source}' holds no SavedModel; it is {what}.", hint=hint, path=str(source))
    graphs = saved_model.read(file).meta_graphs
    if len(graphs) != 1 or not graphs[0].has_object_graph:
        raise PublishError(
            f"'{handle}' comes from TensorFlow 1, and has no objects that could be left out.",
            hint="Publish it as it is.",
        )
    whole = graphs[0].message
    part = excerpt(whole, {*_chosen(graphs[0], only, handle), "signatures"}, with_graph=True)
    if part is None:
        raise PublishError(
            f"'{handle}' is built in an unusual way: it is not clear what could be left out.",
            hint="Publish it as it is, or report it.",
        )
    target = Path(path)
    if target.resolve().is_relative_to(source.resolve()):
        raise PublishError(f"'{target}' is inside of the model itself.", hint="Choose a path outside of it.")
    with new_folder(target) as draft:
        _write(source, draft, part)
        sizes = _size_bytes(source), _size_bytes(draft)
        program_bytes = file.stat().st_size, (draft / saved_model.FILE_NAME).stat().st_size
    kept = set(part.places)
    lost = (child.local_name for child in whole.object_graph_def.nodes[0].children if child.node_id not in kept)
    return SlimModel(
        folder=target,
        left_out=tuple(public_names(lost)),
        functions=(len(whole.graph_def.library.function), len(part.message.graph_def.library.function)),
        program_bytes=program_bytes,
        size_bytes=sizes,
    )


def _chosen(graph: saved_model.MetaGraph, only: str | Sequence[str] | None, handle: str) -> tuple[str, ...]:
    if only is not None:
        return check(graph.message, only, handle)
    available = attributes(graph.message)
    if "__call__" not in available and not graph.signatures:
        raise SignatureError(
            f"'{handle}' has neither '__call__' nor signatures, by which models are reused.",
            hint=f"Name the attributes that are to stay; it has {', '.join(available)}.",
            handle=handle,
            available=available,
        )
    return REUSABLE


def _write(source: Path, draft: Path, part: Excerpt) -> None:
    message: Any = schema.message("tensorflow.SavedModel")(saved_model_schema_version=1)
    message.meta_graphs.add().CopyFrom(part.message)

    def left_out(folder: str, names: list[str]) -> set[str]:
        return set(names) & _LEFT_OUT if Path(folder) == source else set()

    try:
        shutil.copytree(source, draft, ignore=left_out, copy_function=shutil.copyfile, dirs_exist_ok=True)
        (draft / saved_model.FILE_NAME).write_bytes(message.SerializeToString(deterministic=True))
    except OSError as error:
        raise PublishError(
            f"'{source}' cannot be copied: {error.strerror or error}.",
            hint="Check that its files may be read, and that there is space for another copy.",
        ) from error


def _size_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
