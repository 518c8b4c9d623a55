"""What Keras 2 wrote about its objects: ``keras_metadata.pb`` since TensorFlow 2.5, the object graph itself before."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from rehub.errors import FormatError
from rehub.formats import schema
from rehub.formats.whole_file import read_bytes

FILE_NAME = "keras_metadata.pb"


@dataclasses.dataclass(frozen=True)
class KerasMetadata:
    """What Keras wrote.

    Attributes:
        version: Of Keras; empty when it did not say.
        classes: Names of the Python classes, by place in the object graph.
    """

    version: str
    classes: Mapping[int, str]


def read(folder: Path, graph: Any) -> KerasMetadata:
    """Reads what there is; nothing for a model that Keras 2 did not save.

    Args:
        folder: The model folder.
        graph: A ``MetaGraphDef`` of it.

    Raises:
        FormatError: If the file cannot be read or is damaged.
    """
    version, classes = "", {}
    for node, text in _texts(folder / FILE_NAME, graph):
        try:
            facts = json.loads(text)
        except (ValueError, RecursionError):
            continue  # of no use to anything but Keras, which has its own words for it
        if not isinstance(facts, dict):
            continue
        if isinstance(facts.get("class_name"), str):
            classes[node] = facts["class_name"]
        if isinstance(facts.get("keras_version"), str):
            version = version or facts["keras_version"]
    return KerasMetadata(version, classes)


def _texts(path: Path, graph: Any) -> Iterator[tuple[int, str]]:
    for place, node in enumerate(graph.object_graph_def.nodes):
        if node.user_object.metadata:
            yield place, node.user_object.metadata
    try:
        data = read_bytes(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise FormatError(
            f"'{path}' cannot be read: {error.strerror}.", hint="Check its permissions.", path=str(path)
        ) from error
    try:
        message = schema.parse("keras.SavedMetadata", data)
    except DecodeError as error:
        raise FormatError(
            f"'{path}' is not what Keras writes about a model: its {len(data)} bytes are no valid message.",
            hint="Fetch the model again, or ask its publisher for another export.",
            path=str(path),
        ) from error
    for node in message.nodes:
        yield node.node_id, node.metadata
