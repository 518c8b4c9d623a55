"""Blocks that the cache holds already: where their contents lie, by sha256."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from rehub.cache import layout
from rehub.errors import FormatError
from rehub.formats.manifest import SIZE_LIMIT_BYTES, Manifest, read_manifest
from rehub.formats.record import Record


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a block was when its model was fetched. Whoever takes it from there compares it with its sha256.

    Attributes:
        path: The file.
        start: The first byte of the block.
        size_bytes: Of the block.
    """

    path: Path
    start: int
    size_bytes: int


def find(root: Path, leaf: PurePosixPath, wanted: Iterable[str]) -> dict[str, Place]:
    """Looks for blocks in the models that were fetched by a manifest, until there are no more to look for.

    Args:
        root: The cache folder.
        leaf: The model that is being made; other versions of it come first.
        wanted: The sha256 of each block that is looked for.

    Returns:
        Where each block may be; those that are nowhere are left out.
    """
    found: dict[str, Place] = {}
    missing = set(wanted)
    for path in _manifests(root, leaf.parent):
        manifest = _read(path)
        if manifest is None:
            continue
        folder = path.with_name(path.name.removesuffix(layout.MANIFEST_SUFFIX))
        for file in manifest.files:
            for number, digest in enumerate(file.blocks):
                if digest in missing:
                    missing.remove(digest)
                    start = number * manifest.block_bytes
                    size_bytes = min(manifest.block_bytes, file.size_bytes - start)
                    found[digest] = Place(folder / file.name, start, size_bytes)
        if not missing:
            break
    return found


def fits(manifest: bytes, record: Record) -> bool:
    """Whether a manifest is the one by which a model was fetched; its blocks are found by it then."""
    if hashlib.sha256(manifest).hexdigest() != record.archive_sha256:
        return False
    try:
        return read_manifest(manifest).facts == record.files
    except FormatError:
        return False


def manifest_of(folder: Path, record: Record) -> bytes | None:
    """Returns the manifest by which a cached model was fetched; None if it was not, or that is lost."""
    try:
        with folder.with_name(folder.name + layout.MANIFEST_SUFFIX).open("rb") as file:
            data = file.read(SIZE_LIMIT_BYTES + 1)
    except OSError:
        return None
    return data if fits(data, record) else None


def _manifests(root: Path, near: PurePosixPath) -> Iterator[Path]:
    """Gives the manifests of a cache, those in one folder first."""
    with contextlib.suppress(OSError):
        yield from sorted(path for path in (root / near).iterdir() if path.name.endswith(layout.MANIFEST_SUFFIX))
    for place, folders, names in os.walk(root):
        folder, known = PurePosixPath(Path(place).relative_to(root).as_posix()), set(names)
        # Not into models, nor into what is being made; and somebody may keep other things in the cache folder.
        folders[:] = sorted(
            name
            for name in folders
            if known.isdisjoint((f"{name}{layout.RECORD_SUFFIX}", f"{name}{layout.MANIFEST_SUFFIX}"))
            and layout.may_hold_models(folder / name)
        )
        if folder != near:
            yield from (Path(place, name) for name in sorted(names) if name.endswith(layout.MANIFEST_SUFFIX))


def _read(path: Path) -> Manifest | None:
    try:
        with path.open("rb") as file:
            return read_manifest(file.read(SIZE_LIMIT_BYTES + 1))
    except (OSError, FormatError):
        return None  # then the blocks come from the server
