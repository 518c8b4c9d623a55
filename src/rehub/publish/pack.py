"""``rehub.publish.pack.pack``: a model as the files that any web server can serve."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from rehub.archive.new_folder import new_folder
from rehub.archive.writing import PackedFile, packed
from rehub.errors import FormatError, PublishError
from rehub.file_names import FileNames
from rehub.formats.card import read_card
from rehub.formats.manifest import ManifestFile
from rehub.formats.version_record import Archive, VersionRecord, portable, write_version_record
from rehub.model import model_info
from rehub.publish.card_file import card_bytes
from rehub.publish.pack_manifest import folder_manifest

ARCHIVE_NAME = "model.tar.gz"
RECORD_NAME = "manifest.json"

_PIECE_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True)
class Packed:
    """What `pack` wrote.

    Attributes:
        folder: Where ``model.tar.gz`` and ``manifest.json`` are.
        record: What is in the latter.
    """

    folder: Path
    record: VersionRecord


def pack(
    path: str | os.PathLike[str], out: str | os.PathLike[str], *, card: str | os.PathLike[str] | None = None
) -> Packed:
    """Writes a model as ``model.tar.gz`` and ``manifest.json``: the same bytes for the same files, on every machine.

    Empty folders are left out. `rehub.publish.check.check` tells whether others can use the model; this does not.

    Args:
        path: The model folder.
        out: A folder that does not exist yet, or an empty one. It appears whole or not at all.
        card: The model card; None for ``card.md`` in the model folder.

    Raises:
        FormatError: If the folder is no model or lacks files, or holds links, or names that clients refuse; or if the
            card cannot be read; or if files change meanwhile.
        PublishError: If there is something at ``out``, or it cannot be written, or is within the model.
        DependencyError: If there is a card, and PyYAML is not installed.
    """
    source, target = Path(path), Path(out)
    info = model_info.describe(source)
    if info.missing_files:
        raise FormatError(
            f"'{source}' is no whole model: it lacks {', '.join(info.missing_files)}.",
            hint="Copy or export the whole folder again, with all that is below it.",
            path=str(source),
            member=info.missing_files[0],
        )
    data = card_bytes(source, card)
    front_matter = {} if data is None else read_card(data).front_matter()
    if target.resolve().is_relative_to(source.resolve()):
        raise PublishError(f"'{target}' is inside of the model itself.", hint="Choose a path outside of it.")
    with new_folder(target) as draft:
        try:
            manifest = folder_manifest(source)
            names = FileNames(f"'{source}'")
            for file in manifest.files:
                names.add(file.name)
            archive = _write(draft / ARCHIVE_NAME, packed(_packed(source, file) for file in manifest.files))
            interface = portable(info.to_json())
            record = VersionRecord(manifest, interface, front_matter, archive)
            (draft / RECORD_NAME).write_bytes(write_version_record(record))
        except OSError as error:
            raise PublishError(
                f"'{source}' cannot be packed into '{target}': {error.strerror or error}.",
                hint="Check that its files may be read, and that there is space for the archive.",
            ) from error
    return Packed(target, record)


def _packed(folder: Path, file: ManifestFile) -> PackedFile:
    return PackedFile(file.name, file.size_bytes, functools.partial(_read, folder / file.name))


def _read(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while data := opened.read(_PIECE_BYTES):
            yield data


def _write(file: Path, chunks: Iterator[bytes]) -> Archive:
    digest, size_bytes = hashlib.sha256(), 0
    with file.open("xb") as out:
        for chunk in chunks:
            digest.update(chunk)
            size_bytes += len(chunk)
            out.write(chunk)
    return Archive(size_bytes, digest.hexdigest())
