"""The files of a model while their blocks come in any order: written at their place, and hashed in theirs."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from rehub.archive.disk import WRITTEN_BYTES, sync_folder
from rehub.archive.space import reserve
from rehub.archive.stage import Stage
from rehub.cache.blocks import Place
from rehub.cache.failures import write_error
from rehub.formats.manifest import Manifest, ManifestFile
from rehub.resolvers.block_runs import Run

_PIECE_BYTES = 1 << 17  # so few that they are still near the processor when they are hashed
_SYNCED_BYTES = 32 << 20
_RESERVED_BYTES = 16 << 20


class BlockFiles:
    """The files of a manifest in a folder, whole or not.

    All that is done here raises `CacheError` when the folder cannot be read or written.

    Args:
        folder: An existing folder, empty, or one in which the same content was begun.
        manifest: What the files are to be.
        root: The cache folder, for messages.

    Attributes:
        files: Size in bytes and computed sha256 of each file that `hashed` has hashed, by its name.
        block_bytes: Of all blocks but the last one of each file.
    """

    def __init__(self, folder: Path, manifest: Manifest, root: Path) -> None:
        self.files: dict[str, tuple[int, str]] = {}
        self.block_bytes = manifest.block_bytes
        self._folder = folder
        self._root = root
        self._manifest = manifest
        self._there = [bytearray(len(file.blocks)) for file in manifest.files]
        self._reserved: set[tuple[int, int]] = set()
        self._is_stopped = False
        self._changed = threading.Condition()

    def begin(self) -> list[int]:
        """Makes the files, without their bytes, and returns the numbers of those that were there before."""
        begun, needed_bytes = [], 0
        with self._disk():
            # Not the folder itself: in what came back after it was taken others may work.
            for inner in sorted({inner for file in self._manifest.files for inner in PurePosixPath(file.name).parents}):
                if inner.name:
                    (self._folder / inner).mkdir(exist_ok=True)
            for number, file in enumerate(self._manifest.files):
                path = self._folder / file.name
                if path.is_file() and path.stat().st_size == file.size_bytes:
                    begun.append(number)
                    continue
                with path.open("wb") as made:
                    made.truncate(file.size_bytes)
                needed_bytes += file.size_bytes
            if shutil.disk_usage(self._folder).free < needed_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._folder))
        return begun

    def check(self, numbers: Iterable[int]) -> Iterator[int]:
        """Finds out which blocks of some files are there, and gives the size in bytes of each that is."""
        buffer = _buffer()
        for number in numbers:
            with self.open(number) as file:
                for block, digest in enumerate(self.file(number).blocks):
                    start, size_bytes = self._place(number, block)
                    with self._disk():
                        good = _digest(file, start, size_bytes, buffer) == digest
                    self._set(number, block, there=good)
                    if good:
                        yield size_bytes

    def wanted(self) -> set[str]:
        """Returns the sha256 of every block that is not there."""
        return {self.file(number).blocks[block] for number, block in self._missing()}

    def copy(self, places: Mapping[str, Place]) -> Iterator[int]:
        """Takes blocks from where they are known to be, and gives the size in bytes of each.

        Those that cannot be read there, or are not what they should be, stay missing.
        """
        buffer = _buffer()
        for number, block in list(self._missing()):
            digest = self.file(number).blocks[block]
            start, size_bytes = self._place(number, block)
            place = places.get(digest)
            if place is None or place.size_bytes != size_bytes:
                continue
            with self.open(number) as target:
                actual = hashlib.sha256()
                for piece in _readable_pieces(place, buffer):
                    actual.update(piece)
                    self.write(number, target, start, piece)
                    start += len(piece)
            if actual.hexdigest() == digest:
                self._set(number, block, there=True)
                yield size_bytes

    def runs(self) -> list[Run]:
        """Returns what is missing."""
        runs: list[Run] = []
        for number, block in self._missing():
            start, size_bytes = self._place(number, block)
            if runs and runs[-1].file == number and runs[-1].end == start:
                runs[-1].end += size_bytes
            else:
                runs.append(Run(number, start, start + size_bytes))
        return runs

    def file(self, number: int) -> ManifestFile:
        """Returns what a file is to be."""
        return self._manifest.files[number]

    def open(self, number: int) -> BinaryIO:
        """Opens a file to be read and written anywhere."""
        with self._disk():
            return (self._folder / self.file(number).name).open("r+b", buffering=0)

    def write(self, number: int, file: BinaryIO, start: int, data: memoryview) -> None:
        """Writes to an open file."""
        with self._disk():
            self._reserve(number, file, start, start + len(data))
            file.seek(start)
            while data:  # a file without a buffer may take less than it is given
                data = data[file.write(data[:WRITTEN_BYTES]) :]

    def mark(self, number: int, start: int, end: int) -> None:
        """Notes that bytes of a file have been written, after all before them from the beginning of a block on."""
        block_bytes = self.block_bytes
        is_end = end == self.file(number).size_bytes
        for block in range(start // block_bytes, -(-end // block_bytes) if is_end else end // block_bytes):
            self._set(number, block, there=True)

    @contextlib.contextmanager
    def hashed(self, numbers: Sequence[int]) -> Iterator[None]:
        """Hashes files, and puts them on the disk, while the ``with`` block sees to it that all their blocks come.

        Both is done on threads of their own; each file is hashed as far as it is there from its beginning.
        """
        syncing: Stage[Path] = Stage(self._sync, "rehub-sync")
        hashing: Stage[Sequence[int]] = Stage(lambda batches: self._hash(batches, syncing), "rehub-hash")
        with syncing, hashing:
            try:
                hashing.put(numbers)
                yield
            except BaseException:
                with self._changed:
                    self._is_stopped = True
                    self._changed.notify_all()
                raise

    def sync_folders(self) -> None:
        """Puts the names of the files on the disk."""
        with self._disk():
            for place, _, _ in os.walk(self._folder):
                sync_folder(Path(place))

    def _reserve(self, number: int, file: BinaryIO, start: int, end: int) -> None:
        """Asks for the space of the next bytes: in steps, since a manifest may claim any size."""
        for step in range(start // _RESERVED_BYTES, -(-end // _RESERVED_BYTES)):
            if (number, step) not in self._reserved:
                self._reserved.add((number, step))
                first = step * _RESERVED_BYTES
                reserve(file.fileno(), first, min(_RESERVED_BYTES, self.file(number).size_bytes - first))

    def _hash(self, batches: Iterator[Sequence[int]], syncing: Stage[Path]) -> None:
        buffer = _buffer()
        for number in (number for numbers in batches for number in numbers):
            file = self.file(number)
            digest, unsynced_bytes = hashlib.sha256(), 0
            with self.open(number) as content:
                for block in range(len(file.blocks)):
                    if not self._is_there(number, block):
                        return
                    with self._disk():
                        for piece in _pieces(content, *self._place(number, block), buffer):
                            digest.update(piece)
                            unsynced_bytes += len(piece)
                    if unsynced_bytes >= _SYNCED_BYTES:
                        syncing.put(self._folder / file.name)
                        unsynced_bytes = 0
            syncing.put(self._folder / file.name)
            self.files[file.name] = (file.size_bytes, digest.hexdigest())

    def _is_there(self, number: int, block: int) -> bool:
        """Waits for a block; false if it will not come."""
        there = self._there[number]
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopped or there[block])
            return not self._is_stopped

    def _sync(self, paths: Iterator[Path]) -> None:
        for path in paths:
            with self._disk(), path.open("r+b", buffering=0) as file:
                os.fsync(file.fileno())

    @contextlib.contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise write_error(error, self._root, self._manifest.size_bytes) from error

    def _missing(self) -> Iterator[tuple[int, int]]:
        for number, there in enumerate(self._there):
            for block, is_there in enumerate(there):
                if not is_there:
                    yield number, block

    def _place(self, number: int, block: int) -> tuple[int, int]:
        """Returns the first byte of a block, and its size."""
        start = block * self.block_bytes
        return start, min(self.block_bytes, self.file(number).size_bytes - start)

    def _set(self, number: int, block: int, *, there: bool) -> None:
        with self._changed:
            self._there[number][block] = there
            self._changed.notify_all()


def _buffer() -> memoryview:
    return memoryview(bytearray(_PIECE_BYTES))


def _pieces(file: BinaryIO, start: int, size_bytes: int, buffer: memoryview) -> Iterator[memoryview]:
    """Gives bytes of a file, fewer if it is shorter; each piece is good until the next one."""
    file.seek(start)
    while size_bytes and (count := file.readinto(buffer[:size_bytes])):  # type: ignore[attr-defined]
        size_bytes -= count
        yield buffer[:count]


def _digest(file: BinaryIO, start: int, size_bytes: int, buffer: memoryview) -> str:
    digest = hashlib.sha256()
    for piece in _pieces(file, start, size_bytes, buffer):
        digest.update(piece)
    return digest.hexdigest()


def _readable_pieces(place: Place, buffer: memoryview) -> Iterator[memoryview]:
    with contextlib.suppress(OSError), place.path.open("rb", buffering=0) as file:
        yield from _pieces(file, place.start, place.size_bytes, buffer)
