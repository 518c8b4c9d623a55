"""Reading a bundle into a cache, in one pass: each model comes there whole and verified, or not at all.

A bundle may be a stranger's. What its records say is checked: that a model lies where its URL belongs, and that its
files are those of the record. Whether the record is the truth, only a lock file or a pin can tell.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal

from rehub.archive.disk import Disk, sync_folder
from rehub.archive.tar import Blocks, Limits, Tar, damaged
from rehub.cache import blocks, layout
from rehub.cache.failures import write_error
from rehub.cache.store import Store
from rehub.errors import ChecksumError, FormatError, HandleError, HubError
from rehub.formats.manifest import SIZE_LIMIT_BYTES
from rehub.formats.record import Latest, Record, read_latest, read_record
from rehub.handle import Handle, parse
from rehub.model.model_info import missing_files

_CHUNK_BYTES = 1 << 20
_LIMITS = Limits(members=10_000_000, total_bytes=1 << 60)  # a tar that is not compressed has all its bytes
_RECORD_LIMIT_BYTES = 32 << 20  # of 100,000 files with names of 200 characters
_GZIP_MAGIC = b"\x1f\x8b"
_CONTENT_NAME = re.compile(r"[0-9a-f]{12}")

Outcome = Literal["added", "kept", "differs"]


@dataclasses.dataclass(frozen=True)
class Received:
    """A model of a bundle.

    Attributes:
        record: What is noted of it.
        outcome: ``added``; ``kept`` when the cache has it already, whole; ``differs`` when what the cache has by that
            URL is another one, which is kept too.
    """

    record: Record
    outcome: Outcome


def unpack(stream: BinaryIO, store: Store, admit: Callable[[Record], None]) -> Iterator[Received]:
    """Puts the models of a bundle into a cache. Those that came before an error stay.

    Args:
        stream: A tar that `rehub.cache.bundle_writing` wrote.
        store: The cache.
        admit: Raises for what must not come into the cache.

    Raises:
        FormatError: If it is no bundle, or damaged.
        ChecksumError: If a file is not what its record says.
        CacheError: If the cache folder cannot be written, or is full.
    """
    start = stream.read(_CHUNK_BYTES)
    if start.startswith(_GZIP_MAGIC):
        raise FormatError(
            "it is compressed by gzip; a bundle is a plain tar.", hint="Run: gunzip -c FILE | rehub cache import -"
        )
    chunks = itertools.chain((start,), iter(lambda: stream.read(_CHUNK_BYTES), b""))
    try:
        yield from _Bundle(Tar(Blocks(chunks), _LIMITS), store, admit).models()
    except FormatError as error:
        if error.path:  # it is of another file, such as the lock file
            raise
        raise FormatError(
            error.message,
            hint="A bundle is what 'rehub cache export' writes. If it is one, it is damaged: export it again.",
            member=error.member,
        ) from error
    except OSError as error:
        if isinstance(error, HubError):
            raise
        raise write_error(error, store.root) from error


class _Bundle:
    def __init__(self, tar: Tar, store: Store, admit: Callable[[Record], None]) -> None:
        self._tar = tar
        self._members = tar.members()
        self._store = store
        self._admit = admit
        self._received: set[bytes] = set()
        self._name: str | None
        self._size_bytes: int | None
        self._advance()

    def models(self) -> Iterator[Received]:
        while self._name is not None:
            name = PurePosixPath(self._name)
            if self._size_bytes is None:  # a folder
                self._advance()
            elif name.name == layout.POINTER_NAME:
                self._point(name.parent)
            elif (leaf := layout.recorded(name)) is not None:
                yield self._model(leaf)
            else:
                raise damaged("is none of 'rehub cache export': a file comes before the record of its model", str(name))

    def _advance(self) -> None:
        self._name, self._size_bytes = next(self._members, (None, None))

    def _content(self, what: str, limit_bytes: int = _RECORD_LIMIT_BYTES) -> bytes:
        size_bytes = self._size_bytes or 0
        if size_bytes > limit_bytes:
            raise damaged(f"has a {what} of {size_bytes} bytes", self._name or "")
        data = b"".join(map(bytes, self._tar.content(size_bytes)))
        self._advance()
        return data

    def _model(self, leaf: PurePosixPath) -> Received:
        record = read_record(self._content("record"))
        if not _belongs(record.location, leaf):
            raise damaged(f"has the model {record.location} where another one belongs", str(leaf))
        self._admit(record)
        manifest = self._manifest(leaf, record)
        found = self._store.find(leaf, record.location)
        if found is not None:
            for _ in self._files(leaf, record):
                pass
        else:
            self._add(leaf, record, manifest)
        self._received.add(_mark(leaf.as_posix(), record.location))
        if found is None:
            return Received(record, "added")
        return Received(record, "kept" if found.files == record.files else "differs")

    def _manifest(self, leaf: PurePosixPath, record: Record) -> bytes | None:
        """Returns the manifest of a model, if it comes with one: not every export wrote it."""
        if self._name != str(layout.manifest(leaf)) or self._size_bytes is None:
            return None
        data = self._content("manifest", SIZE_LIMIT_BYTES)
        if not blocks.fits(data, record):
            raise damaged("has a manifest that is not the one of the model", str(leaf))
        return data

    def _add(self, leaf: PurePosixPath, record: Record, manifest: bytes | None) -> None:
        with self._store.lock(leaf), self._store.staging(leaf) as folder:
            with Disk(folder) as disk:
                for name, size_bytes, content in self._files(leaf, record):
                    disk.open(name, size_bytes)
                    for piece in content:
                        disk.write(piece)
                    disk.close()
            _check(record, disk.files)
            missing = missing_files(folder)
            if missing:
                raise FormatError(
                    f"{record.location} is no whole TensorFlow model: it lacks {missing[0]}.",
                    hint="Export it again, from a cache that 'rehub cache verify' finds whole.",
                    member=missing[0],
                )
            for place, _, _ in os.walk(folder):
                sync_folder(Path(place))
            self._store.install(folder, leaf, record, manifest)

    def _files(self, leaf: PurePosixPath, record: Record) -> Iterator[tuple[str, int, Iterator[memoryview]]]:
        """Gives the files of a model, each with its content."""
        while self._name is not None and self._name.startswith(f"{leaf}/"):
            if self._size_bytes is not None:
                name = self._name[len(f"{leaf}/") :]
                if record.files.get(name, (None,))[0] != self._size_bytes:
                    raise damaged("has a file that its record does not know, or not with that size", self._name)
                content = self._tar.content(self._size_bytes)
                yield name, self._size_bytes, content
                for _ in content:  # nobody took
                    pass
            self._advance()

    def _point(self, folder: PurePosixPath) -> None:
        """Notes what an unversioned handle stands for, if that came with the bundle and nothing newer is known."""
        latest = read_latest(self._content("note"))
        if not _is_pointer(latest, folder) or _mark(latest.leaf, latest.leaf_location) not in self._received:
            raise damaged("has a note of a newest version that leads to none of its models", str(folder))
        with self._store.lock(folder):
            known = self._store.latest(folder, latest.location)
            if known is None or known.time_s < latest.time_s:
                self._store.point(folder, latest)


def _mark(leaf: str, location: str) -> bytes:
    """Stands for a model: a bundle may hold any number of them, with long names."""
    return hashlib.sha256(f"{leaf}\n{location}".encode(errors="replace")).digest()


def _check(record: Record, files: Mapping[str, tuple[int, str]]) -> None:
    for name, (_, sha256) in record.files.items():
        actual = files[name][1] if name in files else ""
        if actual != sha256:
            what = f"has sha256 {actual}, its record says {sha256}" if actual else "is missing"
            raise ChecksumError(
                f"{name} of {record.location} {what}; the model was not added.",
                hint="The file was damaged on its way: copy it again, or export it again.",
                url=record.location,
                expected=sha256,
                actual=actual,
            )


def _belongs(location: str, leaf: PurePosixPath) -> bool:
    """Whether a cache has the model of a URL in this folder."""
    handle = _handle(location)
    if handle is None:
        return False
    is_content = handle.version is None and _CONTENT_NAME.fullmatch(leaf.name) is not None
    return leaf == layout.leaf(handle) or (is_content and leaf.parent == layout.model_folder(handle))


def _is_pointer(latest: Latest, folder: PurePosixPath) -> bool:
    handle = _handle(latest.location)
    return handle is not None and handle.version is None and folder == layout.model_folder(handle)


def _handle(location: str) -> Handle | None:
    try:
        handle = parse(location)
    except HandleError:
        return None
    return handle if handle.is_downloadable and handle.location == location else None
