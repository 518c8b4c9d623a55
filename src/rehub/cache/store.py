"""The store of downloaded models: found without a lock, added atomically, healed file by file."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from rehub.archive.fingerprint import sha256_of
from rehub.cache import layout
from rehub.cache.failures import gone, is_gone, write_error
from rehub.cache.lock import claim, hold
from rehub.errors import ChecksumError, FormatError, HubError, TransferError
from rehub.formats.record import Latest, Record, read_latest, read_record, write_latest, write_record

_is_file = stat.S_ISREG
_EXISTS = frozenset({errno.ENOTEMPTY, errno.EEXIST})
_KEPT = "blocks-"  # begins what is kept of a download that can go on


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
        self._held: set[str] = set()

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
                found = os.stat(f"{folder}/{name}")  # noqa: PTH116 - on the way of every hit
                if found.st_size != size_bytes or not _is_file(found.st_mode):
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
            self._write(layout.pointer(folder), write_latest(latest), layout.key(folder))

    def forget_lost(self, folder: PurePosixPath, location: str) -> None:
        """Removes the note of what an unversioned handle stands for if that is not whole.

        When it is healed it would make a hit of the handle before the work on it is done.

        Raises:
            CacheError: If the cache folder cannot be written.
        """
        latest = self.latest(folder, location)
        if latest is not None and self.find(PurePosixPath(latest.leaf), latest.leaf_location) is None:
            with self._translated():
                Path(self.path(layout.pointer(folder))).unlink(missing_ok=True)

    @contextlib.contextmanager
    def lock(self, path: PurePosixPath, is_done: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Keeps others from making the same model, and removes what killed processes left, of other models too.

        What `resumable` can go on with stays.

        Args:
            path: Names what is made: the folder of a model, or of all versions of it.
            is_done: Whether somebody else has made it meanwhile; then there is no waiting, and nobody is kept from it.

        Raises:
            CacheError: If the cache folder cannot be written.
            LockTimeout: If another process makes the same model for too long.
        """
        key = layout.key(path)
        with contextlib.ExitStack() as stack:
            with self._translated():
                for name in (layout.STAGING, layout.LOCKS):
                    _make(self.root / name)
                lock = self.root / layout.LOCKS / f"{key}.lock"
                _clear(lock)
                is_held = stack.enter_context(hold(lock, self._lock_timeout_s, is_done))
                if is_held:
                    self._held.add(key)
                    stack.callback(self._held.discard, key)
                    self._sweep(key)
                if is_held or not is_done():
                    stack.callback(self._remove_useless, lock, path)
            yield

    @contextlib.contextmanager
    def staging(self, path: PurePosixPath) -> Iterator[Path]:
        """Gives an empty folder on the disk of the cache, and removes it with all that is still in it.

        What was kept for `resumable` goes, too.

        Args:
            path: The one that is locked.

        Raises:
            CacheError: If the cache folder cannot be written.
        """
        key = layout.key(path)
        with contextlib.ExitStack() as stack:
            with self._translated():
                self._remove_kept(key, but="")
                outer = self._new(stack, f"{key}.")
                stack.callback(_remove, outer)
                # Not the outer one too: in what came back after it was taken others may work.
                (outer / "model").mkdir()
            yield outer / "model"

    @contextlib.contextmanager
    def resumable(self, path: PurePosixPath, digest: str) -> Iterator[Path]:
        """Gives the folder in which the same content was begun before, else an empty one, on the disk of the cache.

        The folder is kept when the process is killed or interrupted and when the network fails, so that the next
        download of this content goes on in it. Otherwise it is removed with all that is still in it.

        Args:
            path: The one that is locked.
            digest: Names the content, in hexadecimal digits.

        Raises:
            CacheError: If the cache folder cannot be written.
        """
        key = layout.key(path)
        is_kept = False
        with contextlib.ExitStack() as stack:
            with self._translated():
                outer = self._begun(stack, key, digest)
            try:
                with self._translated():
                    self._remove_kept(key, but=outer.name)
                    (outer / "model").mkdir(exist_ok=True)  # and not the outer one, as in `staging`
                yield outer / "model"
            except BaseException as error:
                is_broken = isinstance(error, TransferError) and not isinstance(error, ChecksumError)
                is_kept = key in self._held and (is_broken or is_gone(error) or not isinstance(error, Exception))
                raise
            finally:
                if not is_kept:
                    _remove(outer)

    def _begun(self, stack: contextlib.ExitStack, key: str, digest: str) -> Path:
        """Returns a folder in which a content was begun and that nobody else uses, or a new one."""
        prefix = f"{key}.{_KEPT}{digest[:32]}."
        if key in self._held:
            for begun in self._staged(prefix):
                if stack.enter_context(claim(begun)) is not False:
                    return begun
        return self._new(stack, prefix if key in self._held else f"{key}.")

    def _new(self, stack: contextlib.ExitStack, prefix: str) -> Path:
        """Makes a folder that is claimed; who sweeps may have found it before it was."""
        while True:
            folder = self.root / layout.STAGING / f"{prefix}{_unique()}"
            _make(folder)
            if stack.enter_context(claim(folder)) is not False:
                return folder

    def _staged(self, prefix: str = "") -> list[Path]:
        """Returns what begins so in the staging folder, which a cleaner may have taken away."""
        try:
            return sorted(path for path in (self.root / layout.STAGING).iterdir() if path.name.startswith(prefix))
        except FileNotFoundError:
            return []

    def _sweep(self, key: str) -> None:
        """Removes what killed processes left.

        Of another model only what is certainly nobody's: it may be theirs who lost their lock, and when the model is
        there nobody takes its lock again.
        """
        for leftover in self._staged():
            owner, _, rest = leftover.name.partition(".")
            if rest and not rest.startswith(_KEPT):
                _remove_free(leftover, is_certain=owner != key)

    def _remove_kept(self, key: str, *, but: str) -> None:
        if key in self._held:
            for folder in self._staged(f"{key}.{_KEPT}"):
                if folder.name != but:
                    _remove_free(folder)

    def _remove_useless(self, lock: Path, path: PurePosixPath) -> None:
        """Removes the file of a lock that nobody else holds, unless a model or a note of a newest version is there."""
        if not any(os.path.lexists(self.path(note(path))) for note in (layout.record, layout.pointer)):
            _remove(lock)

    def install(self, folder: Path, leaf: PurePosixPath, record: Record, manifest: bytes | None = None) -> str:
        """Moves a whole model from its staging folder to its place, and returns that.

        A model that is there already is healed: its good files stay, under whoever reads them. The staging folder goes.

        Args:
            folder: The staging folder.
            leaf: The place.
            record: What the model is.
            manifest: The manifest by which it was fetched, if it was.

        Raises:
            FormatError: If it has a file that the cache could take for a note of its own.
            CacheError: If the cache folder cannot be written, or is full.
        """
        from rehub.archive.disk import sync_folder  # with threads, which a hit does not need

        check_names(record)
        target = Path(self.path(leaf))
        key = folder.parent.name.partition(".")[0]  # of the lock that is held
        is_moved = False
        with self._translated():
            # First, so that the blocks are found when this process is killed before the model has its record.
            if manifest is None:
                _remove(Path(self.path(layout.manifest(leaf))))
            else:
                self._write(layout.manifest(leaf), manifest, key)
            if not target.is_dir():
                target.unlink(missing_ok=True)
                try:
                    _move(folder, target)
                    is_moved = True
                except OSError as error:
                    if error.errno not in _EXISTS:
                        raise
            if not is_moved:
                if self.find(leaf, record.location) is None:
                    # The last file that is healed would make a hit of it, after which nobody clears anything away.
                    _remove(Path(self.path(layout.record(leaf))))
                _heal(target, folder, record)
            sync_folder(target.parent)
            # A process that is killed after the last step leaves nothing that only a lock would clear away.
            _remove(folder.parent)
            self._write(layout.record(leaf), write_record(record), key)
        if self.find(leaf, record.location) is None:
            raise gone(target, self.root)
        return str(target)

    def _read(self, path: PurePosixPath) -> bytes:
        with open(self.path(path), "rb") as file:  # noqa: PTH123 - on the way of every hit
            return file.read()

    def _write(self, path: PurePosixPath, data: bytes, key: str) -> None:
        """Writes a file at once; what is left when this process is killed goes with the next lock of that key."""
        target = Path(self.path(path))
        new = self.root / layout.STAGING / f"{key}.{_unique()}"
        for last in (False, False, True):
            try:
                _make(new.parent)
                with new.open("xb") as file, claim(new):
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                _clear(target)
                _move(new, target)
            except FileNotFoundError:
                if last:
                    raise
            else:
                return
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


def _unique() -> str:
    return os.urandom(16).hex()


def check_names(record: Record) -> None:
    """Refuses a model with a file that the cache could take for a note of its own.

    Raises:
        FormatError: It names the file.
    """
    from rehub.file_names import is_note  # as a hit need not

    for name in record.files:
        if is_note(name):
            raise FormatError(
                f"{record.location} has a file {name!r}, a name that the cache keeps for itself.",
                hint="Tell the publisher.",
                member=name,
            )


def _make(folder: Path) -> None:
    """Makes a folder and those above it; somebody may be deleting them at this moment."""
    for last in (False, False, True):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileNotFoundError, FileExistsError):  # it was there, and a moment later it was not
            if last:
                raise
        else:
            return


def _move(source: Path, target: Path) -> None:
    """Renames; whoever removes the last model of a folder removes the folder too, perhaps at this moment."""
    for last in (False, False, True):
        try:
            _make(target.parent)
            source.replace(target)
        except FileNotFoundError:
            if last:
                raise
        else:
            return


def _heal(target: Path, folder: Path, record: Record) -> None:
    from rehub.archive.disk import sync_folder

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


def _clear(path: Path) -> None:
    """Removes the folder that somebody put where a file belongs."""
    if path.is_dir():
        _remove(path)


def _remove_free(path: Path, *, is_certain: bool = False) -> None:
    """Removes what a killed process left, unless somebody works in it who lost his lock.

    Args:
        path: A file or folder.
        is_certain: Whether nobody has to be known to work in it, not only supposed.
    """
    with claim(path) as is_free:
        if is_free or (is_free is None and not is_certain):
            _remove(path)


def _remove(path: Path) -> None:
    """Removes a file or a folder, as far as that may be done."""
    with contextlib.suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
