"""A folder of this machine as an object store.

What is written goes to a file in ``_rehub/tmp`` first, is put on the disk, and then gets its name, so that no name ever
stands for half an object. Links are never written through, and lead to no object outside of the folder.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from rehub.archive.disk import sync_folder
from rehub.archive.space import FULL
from rehub.errors import HubError, NotFoundError, StoreError
from rehub.storage.interface import ObjectInfo, check_key, check_prefix

TEMPORARY = "_rehub/tmp/"
"""Prefix of what is being written; what is old there was left behind by a process that was killed."""

_LOCK = "_rehub/create.lock"
_LOCK_TIMEOUT_S = 60.0
_PIECE_BYTES = 1 << 20
_TRIES = 100
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG})
_NO_HARD_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
_T = TypeVar("_T")


class FolderStore:
    """A folder. See `rehub.storage.interface.ObjectStore`.

    Args:
        root: An existing folder. It is written to only when an object is.

    Raises:
        NotFoundError: If it is not a folder.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise NotFoundError(
                f"{str(root)!r} is not a folder.", hint="Name the folder of a hub, or make it first.", handle=str(root)
            )
        self.url = str(root)
        self._root = root.resolve()

    def read(self, key: str) -> bytes:
        """Returns a small object."""
        with self._reading(key):
            return self._place(key).read_bytes()

    def stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Gives an object, or a part of it, in pieces."""
        with self._reading(key), self._place(key).open("rb", buffering=0) as file:
            end = os.fstat(file.fileno()).st_size if length is None else start + length
            file.seek(start)
            while start < end:
                piece = file.read(min(end - start, _PIECE_BYTES))
                if not piece:
                    raise self._error(f"{key!r} ends at byte {start}, before byte {end}.", key, "Is the disk damaged?")
                start += len(piece)
                yield piece

    def info(self, key: str) -> ObjectInfo | None:
        """Returns what is known of an object."""
        try:
            with self._reading(key):
                status = self._place(key).stat()
        except NotFoundError:
            return None
        return _info(key, status) if stat.S_ISREG(status.st_mode) else None

    def create(self, key: str, data: bytes) -> bool:
        """Makes a small object, unless there is one."""
        return self._make(key, [data], self._link)

    def put(self, key: str, data: bytes) -> None:
        """Makes or replaces a small object."""
        self._make(key, [data], Path.replace)

    def write(self, key: str, chunks: Iterable[bytes]) -> None:
        """Makes or replaces an object of any size."""
        self._make(key, chunks, Path.replace)

    def delete(self, key: str) -> None:
        """Deletes an object, and the folders that are empty then."""
        place = self._writable(key)
        if place.is_dir() and not place.is_symlink():
            return
        with contextlib.suppress(NotFoundError), self._reading(key):
            place.unlink()
        for folder in place.parents:
            if folder == self._root:
                return
            try:
                folder.rmdir()
            except OSError:  # not empty, or gone
                return

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Gives all objects below a prefix."""
        folder = self._root / check_prefix(prefix, self.url)
        if self._is_inside(prefix):
            with self._reading(prefix):
                self._root.stat()
                yield from self._files(folder, prefix)

    def folders(self, prefix: str) -> tuple[str, ...]:
        """Returns the names of the folders below a prefix; those of links are not among them."""
        folder = self._root / check_prefix(prefix, self.url)
        if not self._is_inside(prefix):
            return ()
        with self._reading(prefix):
            self._root.stat()
            return tuple(entry.name for entry in _entries(folder) if entry.is_dir(follow_symlinks=False))

    def local_path(self, key: str) -> Path | None:
        """Returns the file that is an object; None where a link leads out of the folder."""
        place = self._root / check_key(key, self.url) if key else self._root
        return place if self._is_inside(key) else None

    def signed_url(self, key: str, seconds: int) -> str | None:
        """Returns None: nobody reads this folder but this machine."""
        return None

    def _files(self, folder: Path, prefix: str) -> Iterator[ObjectInfo]:
        for entry in _entries(folder):
            key = f"{prefix}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from self._files(Path(entry.path), f"{key}/")
                continue
            with contextlib.suppress(FileNotFoundError, StoreError):  # gone meanwhile, or a name that is no key
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode) and check_key(key):
                    yield _info(key, status)

    def _make(self, key: str, chunks: Iterable[bytes], give_name: Callable[[Path, Path], _T]) -> _T:
        target = self._writable(key)
        draft = self._root / TEMPORARY / secrets.token_hex(16)
        with self._writing(key):
            try:
                _in_its_folder(draft, lambda: draft.touch(exist_ok=False))
                with draft.open("r+b") as file:
                    for chunk in chunks:
                        file.write(chunk)
                    file.flush()
                    os.fsync(file.fileno())
                result = _in_its_folder(target, lambda: give_name(draft, target))
                sync_folder(target.parent)
                return result
            finally:
                draft.unlink(missing_ok=True)

    def _link(self, draft: Path, target: Path) -> bool:
        """Gives a file a name that nothing has; tells whether it got it."""
        try:
            os.link(draft, target)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            return self._rename(draft, target)
        return True

    def _rename(self, draft: Path, target: Path) -> bool:
        """Does what `_link` does where files have one name only: whoever does, holds the lock of the store."""
        import filelock

        with filelock.FileLock(self._root / _LOCK, timeout=_LOCK_TIMEOUT_S, fallback_to_soft=False):
            if target.exists() or target.is_symlink():
                return False
            draft.replace(target)
            return True

    def _place(self, key: str) -> Path:
        """Returns where an object to read may lie."""
        place = self._root / check_key(key, self.url)
        if not self._is_inside(key):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(place))
        return place

    def _is_inside(self, key: str) -> bool:
        """Whether no link on the way to an object, or to what has a prefix, leads out of the folder."""
        place = str(self._root)
        for segment in key.split("/"):
            place = f"{place}/{segment}"
            if os.path.islink(place):  # noqa: PTH114 - on the way of every request, and several times as fast
                break
        else:
            return True
        path = self._root / key
        try:
            return path.resolve(strict=True).is_relative_to(self._root)
        except (FileNotFoundError, PermissionError):  # nothing may be there yet
            return path.resolve().is_relative_to(self._root)
        except (OSError, RuntimeError):  # a name too long, a loop of links
            return False

    def _writable(self, key: str) -> Path:
        """Returns where an object to write lies: behind no link."""
        place = self._root / check_key(key, self.url)
        if not self._root.is_dir():
            raise self._error(f"{key!r} cannot be written: '{self.url}' is gone.", key, "Mount or make it again.")
        links = (folder for folder in place.parents if folder != self._root and folder.is_relative_to(self._root))
        if link := next(filter(Path.is_symlink, links), None):
            raise self._error(f"{key!r} cannot be written: '{link}' is a link.", key, "Put a folder in its place.")
        return place

    @contextlib.contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        try:
            yield
        except HubError:
            raise
        except OSError as error:
            if error.errno in _ABSENT and self._root.is_dir():
                raise NotFoundError(f"there is no {key!r} in the store.", handle=key) from error
            raise self._error(
                f"{key!r} in '{self.url}' cannot be read: {error.strerror or error}.", key, "Check its permissions."
            ) from error

    @contextlib.contextmanager
    def _writing(self, key: str) -> Iterator[None]:
        try:
            yield
        except HubError:
            raise
        except OSError as error:
            is_full = error.errno in FULL
            hint = "Make space." if is_full else "Check the permissions of the folder, and what lies in it."
            reason = error.strerror or error
            raise self._error(
                f"{key!r} in '{self.url}' cannot be written: {reason}.", key, hint, is_full=is_full
            ) from error

    def _error(self, message: str, key: str, hint: str, *, is_full: bool = False) -> StoreError:
        return StoreError(message, hint=hint, store=self.url, key=key, is_full=is_full)


def _in_its_folder(place: Path, make: Callable[[], _T]) -> _T:
    """Makes something in a folder, which is made too, also when another process removes it because it is empty."""
    for _ in range(_TRIES):
        try:
            _make_folder(place.parent)
            return make()
        except FileNotFoundError:
            continue
    raise FileNotFoundError(errno.ENOENT, f"{os.strerror(errno.ENOENT)} for long", str(place.parent))


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _info(key: str, status: os.stat_result) -> ObjectInfo:
    modified = datetime.datetime.fromtimestamp(status.st_mtime, datetime.timezone.utc)
    return ObjectInfo(key, status.st_size, f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}", modified)
