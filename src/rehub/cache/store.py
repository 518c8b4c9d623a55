"""The store of downloaded models: found without a lock, added atomically, healed file by file."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from rehub.archive.disk import sync_folder
from rehub.archive.fingerprint import sha256_of
from rehub.cache import layout
from rehub.cache.lock import hold
from rehub.errors import CacheError, HubError
from rehub.formats.record import Latest, Record, read_latest, read_record, write_latest, write_record

_EXISTS = frozenset({errno.ENOTEMPTY, errno.EEXIST})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Store:
    """A cache folder.

    Args:
        root: The folder; it is made when the first model is added.
        lock_timeout_s: How long to wait for another process that adds the same model.
    """

    def __init__(self, root: Path, lock_timeout_s: float) -> None:
        self.root = root
        self._root = str(root)
        self._lock_timeout_s = lock_timeout_s

    def path(self, leaf: PurePosixPath) -> str:
        """Returns the folder of a model, whether it is there or not."""
        return os.path.join(self._root, str(leaf))  # noqa: PTH118 - on the way of every hit, and three times as fast

    def find(self, leaf: PurePosixPath, location: str) -> Record | None:
        """Returns the record of a model whose files are all there, each of its size, else None.

        Takes no lock and writes nothing.
        """
        try:
            record = read_record(self._read(layout.record(leaf)))
        except (OSError, ValueError):
            return None
        if record.location != location:
            return None
        folder = self.path(leaf)
        try:
            for name, (size_bytes, _) in record.files.items():
                if os.stat(f"{folder}/{name}").st_size != size_bytes:  # noqa: PTH116 - on the way of every hit
                    return None
        except (OSError, ValueError):
            return None
        return record

    def latest(self, folder: PurePosixPath, location: str) -> Latest | None:
        """Returns what an unversioned handle stood for when it was last asked, None if that is not known."""
        try:
            latest = read_latest(self._read(layout.pointer(folder)))
        except (OSError, ValueError):
            return None
        return latest if latest.location == location else None

    def point(self, folder: PurePosixPath, latest: Latest) -> None:
        """Notes what an unversioned handle stands for.

        Raises:
            CacheError: If the cache folder cannot be written.
        """
        with self._translated():
            self._write(layout.pointer(folder), write_latest(latest))

    @contextlib.contextmanager
    def lock(self, path: PurePosixPath) -> Iterator[None]:
        """Keeps others from making the same model, and removes what a killed process left of it.

        Args:
            path: Names what is made: the folder of a model, or of all versions of it.

        Raises:
            CacheError: If the cache folder cannot be written.
            LockTimeout: If another process makes the same model for too long.
        """
        key = layout.key(path)
        with contextlib.ExitStack() as stack:
            with self._translated():
                for name in (layout.STAGING, layout.LOCKS):
                    (self.root / name).mkdir(parents=True, exist_ok=True)
                lock = self.root / layout.LOCKS / f"{key}.lock"
                if stack.enter_context(hold(lock, self._lock_timeout_s)):
                    for leftover in (self.root / layout.STAGING).glob(f"{key}.*"):
                        _remove(leftover)
            yield

    @contextlib.contextmanager
    def staging(self, path: PurePosixPath) -> Iterator[Path]:
        """Gives an empty folder on the disk of the cache, and removes it with all that is still in it.

        Args:
            path: The one that is locked.

        Raises:
            CacheError: If the cache folder cannot be written.
        """
        outer = self.root / layout.STAGING / f"{layout.key(path)}.{uuid.uuid4().hex}"
        try:
            with self._translated():
                (outer / "model").mkdir(parents=True)
            yield outer / "model"
        finally:
            _remove(outer)

    def install(self, folder: Path, leaf: PurePosixPath, record: Record) -> str:
        """Moves a whole model from its staging folder to its place, and returns that.

        A model that is there already is healed: its good files stay, under whoever reads them.

        Raises:
            CacheError: If the cache folder cannot be written, or is full.
        """
        target = Path(self.path(leaf))
        with self._translated():
            if not target.is_dir():
                target.unlink(missing_ok=True)
                try:
                    _move(folder, target)
                except OSError as error:
                    if error.errno not in _EXISTS:
                        raise
            if folder.is_dir():
                _heal(target, folder, record)
            sync_folder(target.parent)
            self._write(layout.record(leaf), write_record(record))
        return str(target)

    def _read(self, path: PurePosixPath) -> bytes:
        with open(self.path(path), "rb") as file:  # noqa: PTH123 - on the way of every hit
            return file.read()

    def _write(self, path: PurePosixPath, data: bytes) -> None:
        target = Path(self.path(path))
        new = self.root / layout.STAGING / f"{layout.key(path)}.{uuid.uuid4().hex}"
        try:
            with new.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            _move(new, target)
        finally:
            new.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if isinstance(error, HubError):
                raise
            raise write_error(error, self.root) from error


def write_error(error: OSError, root: Path, needed_bytes: int | None = None) -> CacheError:
    """Makes the error for a cache folder that cannot be written, or is full.

    Args:
        error: What the system said.
        root: The cache folder.
        needed_bytes: What would have to fit at least, if that is known.
    """
    if error.errno in _FULL:
        needed = f"; the model needs at least {needed_bytes} bytes" if needed_bytes else ""
        return CacheError(
            f"no space is left for the cache folder {root}{needed}.",
            hint="Make space, or set TFHUB_CACHE_DIR to a folder on another disk.",
            path=str(root),
        )
    return CacheError(
        f"the cache folder {root} cannot be written: {error.strerror or error} ({error.filename or root}).",
        hint="Set TFHUB_CACHE_DIR to a folder that you may write.",
        path=str(root),
    )


def _move(source: Path, target: Path) -> None:
    """Renames; whoever removes the last model of a folder removes the folder too, perhaps at this moment."""
    for last in (False, False, True):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
        except FileNotFoundError:
            if last:
                raise
        else:
            return


def _heal(target: Path, folder: Path, record: Record) -> None:
    for name, fact in record.files.items():
        place = target / name
        try:
            if place.is_file() and place.stat().st_size == fact[0] and sha256_of(place) == fact[1]:
                continue
        except OSError:
            pass  # what cannot be read is replaced
        for parent in place.parents:
            if parent.is_file():
                parent.unlink()
            if parent == target:
                break
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        (folder / name).replace(place)
        sync_folder(place.parent)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
