"""Text files, with the encoding, byte order mark and line breaks that they have."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import shutil
import tempfile
import tokenize
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class TextFile:
    """One file.

    Attributes:
        path: Where it is.
        text: Its content, with the line breaks that it has.
        encoding: As Python finds it: by the mark, by a comment in the first two lines, or UTF-8.
    """

    path: Path
    text: str
    encoding: str


def decode(path: Path, content: bytes) -> TextFile:
    """Reads the content of a file.

    Raises:
        ValueError: If its bytes are not in its encoding, or that is unknown.
    """
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    except SyntaxError as error:
        raise ValueError(str(error)) from error
    return TextFile(path, content.decode(encoding), encoding)


def write(file: TextFile, text: str) -> None:
    """Puts another text in place of a file's, at once, so that nobody sees half of it.

    Raises:
        OSError: If it cannot be written; the file is as it was.
        ValueError: If the text cannot be encoded like the file.
    """
    content = text.encode(file.encoding)
    target = file.path.resolve()  # a link stays one
    if not os.access(target, os.W_OK):
        raise PermissionError(13, "it is write-protected")
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as new:
            new.write(content)
        shutil.copymode(target, name)
        Path(name).replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
