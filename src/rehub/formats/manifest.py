"""Manifests: which files a model has, and the sha256 of each file and of each block of it, as JSON.

They come from strangers, so reading checks everything that can be checked without the files. ``docs/manifest.md``
describes the format.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import re
from collections.abc import Mapping
from typing import Any

from rehub.errors import FormatError
from rehub.file_names import FileNames

MEDIA_TYPE = "application/vnd.rehub.manifest+json"
BLOCK_BYTES = 4 << 20
SIZE_LIMIT_BYTES = 16 << 20
"""Of a manifest itself: enough for a terabyte in few files, or for tens of thousands of small ones."""

_VERSION = 1
_SMALLEST_BLOCK_BYTES, _LARGEST_BLOCK_BYTES = 64 << 10, 64 << 20
_TOTAL_LIMIT_BYTES = 64 << 30  # as of archives
_NAMES_LIMIT = 100_000  # files and folders; as of archives
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NOTHING = hashlib.sha256().hexdigest()


class NewerManifest(FormatError):  # noqa: N818 - says what it is
    """A manifest of a format that this version of rehub does not know; it may be as good as any."""


@dataclasses.dataclass(frozen=True)
class ManifestFile:
    """One file.

    Attributes:
        name: In the model folder, with ``/``.
        size_bytes: Its size.
        sha256: Of all of it.
        blocks: The sha256 of each block of it, in order; the last block may be shorter. None for an empty file.
    """

    name: str
    size_bytes: int
    sha256: str
    blocks: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a model consists of.

    Attributes:
        files: Its files, by name.
        block_bytes: Of all blocks but the last one of each file.
    """

    files: tuple[ManifestFile, ...]
    block_bytes: int = BLOCK_BYTES

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(file.size_bytes for file in self.files)

    @property
    def facts(self) -> Mapping[str, tuple[int, str]]:
        """Size and sha256 of each file, by its name."""
        return {file.name: (file.size_bytes, file.sha256) for file in self.files}


def write_manifest(manifest: Manifest) -> bytes:
    """Returns a manifest as JSON: the same for the same files on every machine."""
    files = [
        {"name": file.name, "size": file.size_bytes, "sha256": file.sha256, "blocks": list(file.blocks)}
        for file in sorted(manifest.files, key=lambda file: file.name)
    ]
    values = {"format": _VERSION, "block_bytes": manifest.block_bytes, "files": files}
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()


def read_manifest(data: bytes) -> Manifest:
    """Reads a manifest.

    Raises:
        NewerManifest: If it is of a newer format.
        FormatError: If it is damaged, contradicts itself, holds a name that no file may have, or is too large.
    """
    if len(data) > SIZE_LIMIT_BYTES:
        raise _damaged(f"has more than {SIZE_LIMIT_BYTES} bytes")
    if max(data.count(b"["), data.count(b"{")) > _NAMES_LIMIT:  # each costs the memory of dozens of bytes
        raise _damaged(f"has more than {_NAMES_LIMIT} lists or objects")
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _damaged(f"is no JSON ({error})") from error
    return manifest_of(values)


def manifest_of(values: object) -> Manifest:
    """Returns the manifest that a JSON object is, whatever other keys it has.

    Raises:
        NewerManifest: As `read_manifest` does.
        FormatError: As `read_manifest` does.
    """
    version = _field(values, "format", int)
    if version != _VERSION:
        raise NewerManifest(f"the manifest is of format {version}.", hint="A newer version of rehub may know it.")
    block_bytes = _field(values, "block_bytes", int)
    if not _SMALLEST_BLOCK_BYTES <= block_bytes <= _LARGEST_BLOCK_BYTES:
        raise _damaged(f"has blocks of {block_bytes} bytes")
    names = FileNames("the manifest")
    files = tuple(_file(entry, block_bytes, names) for entry in _field(values, "files", list))
    for one, other in itertools.pairwise(files):
        if other.name < one.name:
            raise _damaged(f"has {other.name!r} after {one.name!r}: files have to come in the order of their names")
    manifest = Manifest(files, block_bytes)
    if manifest.size_bytes > _TOTAL_LIMIT_BYTES:
        raise _damaged(f"is of {manifest.size_bytes} bytes, more than {_TOTAL_LIMIT_BYTES}")
    return manifest


def _file(values: object, block_bytes: int, names: FileNames) -> ManifestFile:
    name = _field(values, "name", str)
    if names.add(name, is_folder=False) != name:
        raise _damaged(f"has the name {name[:100]!r}, which can be written shorter")
    if len(names) > _NAMES_LIMIT:
        raise _damaged(f"has more than {_NAMES_LIMIT} files and folders")
    size_bytes = _field(values, "size", int)
    if not 0 <= size_bytes <= _TOTAL_LIMIT_BYTES:
        raise _damaged(f"has {name!r} of {size_bytes} bytes")
    sha256 = _digest(_field(values, "sha256", str))
    blocks = tuple(map(_digest, _field(values, "blocks", list)))
    if len(blocks) != -(-size_bytes // block_bytes):
        raise _damaged(f"has {len(blocks)} blocks for the {size_bytes} bytes of {name!r}")
    if len(blocks) < 2 and sha256 != (blocks[0] if blocks else _NOTHING):
        raise _damaged(f"has a sha256 of {name!r} that its only block does not have")
    return ManifestFile(name, size_bytes, sha256, blocks)


def _field(values: object, name: str, kind: type[Any]) -> Any:
    value = values.get(name) if isinstance(values, dict) else None
    if type(value) is not kind:  # True is no number here
        raise _damaged(f"has {str(value)[:40]!r} as {name!r}")
    return value


def _digest(value: object) -> str:
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise _damaged(f"has {str(value)[:100]!r} as a sha256")
    return value


def _damaged(what: str) -> FormatError:
    return FormatError(f"the manifest {what}.", hint="Try again; if it recurs, tell whoever runs the server.")
