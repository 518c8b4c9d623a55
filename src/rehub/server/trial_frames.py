"""What the hub and the process that runs a model say to each other: JSON, and perhaps a picture, with their lengths."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import IO, Any

_LENGTHS = struct.Struct(">II")
_LIMIT_BYTES = 32 << 20


def write_frame(file: IO[bytes], values: Mapping[str, Any], picture: bytes = b"") -> None:
    """Writes one message.

    Raises:
        OSError: If nobody reads it any more.
    """
    text = json.dumps(values).encode()
    file.write(_LENGTHS.pack(len(text), len(picture)) + text + picture)
    file.flush()


def read_frame(file: IO[bytes]) -> tuple[dict[str, Any], bytes] | None:
    """Reads one message; None at the end, or where there is none that `write_frame` writes."""
    head = file.read(_LENGTHS.size)
    if len(head) < _LENGTHS.size:
        return None
    lengths = _LENGTHS.unpack(head)
    if max(lengths) > _LIMIT_BYTES:
        return None
    text, picture = (file.read(length) for length in lengths)
    if (len(text), len(picture)) != lengths:
        return None
    try:
        values = json.loads(text)
    except ValueError:
        return None
    return (values, picture) if isinstance(values, dict) else None
