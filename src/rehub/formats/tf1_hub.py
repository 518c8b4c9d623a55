"""``tfhub_module.pb``: the small file that tells the TF1 Hub format from a SavedModel.

Source: protocols of TensorFlow Hub, "TF1 Hub format": one message, its first field is the version of the format.
"""

from __future__ import annotations

from pathlib import Path

from google.protobuf.message import DecodeError

from rehub.errors import FormatError
from rehub.formats import schema

FILE_NAME = "tfhub_module.pb"
_VERSION = 3


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
