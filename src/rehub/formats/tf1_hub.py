"""What the TF1 Hub format adds to a SavedModel: ``tfhub_module.pb``, and messages attached to graphs.

Source: protocols of TensorFlow Hub, "TF1 Hub format": one message, its first field is the version of the format;
attached messages are elements of a collection.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from rehub.errors import FormatError
from rehub.formats import saved_model, schema

FILE_NAME = "tfhub_module.pb"
_VERSION = 3
_IMAGE_INFO = "image_module_info"


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
    return tuple(map(_attachment, saved_model.collection(graph, "hub_module_attachments").bytes_list.value))


def _attachment(data: bytes) -> Attachment:
    try:
        message = schema.parse("tensorflow_hub.ModuleAttachment", data)
        if message.key != _IMAGE_INFO:
            return Attachment(message.key, len(message.value))
        size = schema.parse("tensorflow_hub.ImageModuleInfo", message.value).default_image_size
    except DecodeError as error:
        raise saved_model.DamagedError("an attached message is no valid message") from error
    return Attachment(message.key, len(message.value), (size.height, size.width))


def is_tf1_hub(folder: Path) -> bool:
    """Tells whether a model folder is in TF1 Hub format.

    Raises:
        FormatError: If it is in another version of that format than the one that was ever released, or damaged.
    """
    path = folder / FILE_NAME
    try:
        data = path.read_bytes()
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


def _damaged(path: Path, what: str) -> FormatError:
    return FormatError(
        f"'{path}' {what}.", hint="Fetch the model again, or ask its publisher for another export.", path=str(path)
    )
