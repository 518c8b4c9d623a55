"""What the TF1 Hub format adds to a SavedModel: ``tfhub_module.pb``, and messages attached to graphs.

Source: protocols of TensorFlow Hub, "TF1 Hub format": one message, its first field is the version of the format;
attached messages are elements of a collection.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from rehub.errors import FormatError
from rehub.formats import saved_model, schema
from rehub.formats.whole_file import read_bytes

FILE_NAME = "tfhub_module.pb"
IMAGE_INFO = "image_module_info"
"""The key under which the size of images is attached."""

_VERSION = 3
_ATTACHMENTS = "hub_module_attachments"


@dataclasses.dataclass(frozen=True)
class Attachment:
    """A message that a publisher attached to a module.

    Attributes:
        key: Its name.
        size_bytes: Its length.
        image_size: Height and width of the images that the module takes; only in ``image_module_info``.
    """

    key: str
    size_bytes: int
    image_size: tuple[int, int] | None = None


def attachments(graph: Any) -> tuple[Attachment, ...]:
    """Returns the messages attached to a ``MetaGraphDef``, in the order of the file.

    Raises:
        saved_model.DamagedError: If one of them is no valid message.
    """
    return tuple(Attachment(key, len(value), _image_size(key, value)) for key, value in _attached(graph))


def attached_bytes(graph: Any) -> dict[str, bytes]:
    """Returns the messages attached to a ``MetaGraphDef``, TensorFlow's or our own, by their keys.

    Raises:
        saved_model.DamagedError: If one of them is no valid message.
    """
    return dict(_attached(graph))


def attach(graph: Any, messages: Mapping[str, bytes]) -> None:
    """Attaches messages, by their keys, to a ``MetaGraphDef``, TensorFlow's or our own."""
    kind = schema.message("tensorflow_hub.ModuleAttachment")
    for key, value in messages.items():
        packed = kind(key=key, value=value).SerializeToString()
        graph.collection_def[_ATTACHMENTS].bytes_list.value.append(packed)


def _attached(graph: Any) -> Iterator[tuple[str, bytes]]:
    for data in saved_model.collection(graph, _ATTACHMENTS).bytes_list.value:
        message = _parse("ModuleAttachment", data)
        yield message.key, message.value


def _image_size(key: str, value: bytes) -> tuple[int, int] | None:
    if key != IMAGE_INFO:
        return None
    size = _parse("ImageModuleInfo", value).default_image_size
    return size.height, size.width


def _parse(name: str, data: bytes) -> Any:
    try:
        return schema.parse(f"tensorflow_hub.{name}", data)
    except DecodeError as error:
        raise saved_model.DamagedError("an attached message is no valid message") from error


def is_tf1_hub(folder: Path) -> bool:
    """Tells whether a model folder is in TF1 Hub format.

    Raises:
        FormatError: If it is in another version of that format than the one that was ever released, or damaged.
    """
    path = folder / FILE_NAME
    try:
        data = read_bytes(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise FormatError(
            f"'{path}' cannot be read: {error.strerror}.", hint="Check its permissions.", path=str(path)
        ) from error
    try:
        version = schema.parse("tensorflow_hub.ModuleDef", data).format
    except DecodeError as error:
        raise _damaged(path, "is not a module definition") from error
    if version != _VERSION:
        raise _damaged(path, f"is in version {version} of the TF1 Hub format; only version {_VERSION} is known")
    return True


def write_definition(folder: Path) -> None:
    """Marks a folder as a module in TF1 Hub format.

    Raises:
        OSError: If that is not possible.
    """
    definition = schema.message("tensorflow_hub.ModuleDef")(format=_VERSION)
    (folder / FILE_NAME).write_bytes(definition.SerializeToString())


def _damaged(path: Path, what: str) -> FormatError:
    return FormatError(
        f"'{path}' {what}.", hint="Fetch the model again, or ask its publisher for another export.", path=str(path)
    )
