"""The store of downloaded models in a place that only TensorFlow's filesystem layer opens, such as a bucket."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath

from rehub.archive.fingerprint import fingerprint
from rehub.cache import layout, remote_files
from rehub.cache.store import Store, check_names
from rehub.errors import CacheError, FormatError, LockTimeout
from rehub.formats.record import Latest, Record, read_latest, read_record, write_latest, write_record

_CLAIM_S = 3_600.0
_TRIES = 3


class RemoteStore:
    """A cache folder that is not on this machine, with the layout of one that is.

    Such places have neither locks nor, as a rule, renames. So a model is downloaded and verified in a folder of this
    machine, under its lock, by which the processes of one machine share one download; two machines may both download
    it. Then its files are copied, and its record is written last: without a record that can be read there is no entry.

    A reader never sees a mix of two contents. Files beside a whole record are only ever replaced by the same files;
    what was cut short is copied again, after its record is removed. Machines that copy different contents to one
    place, as after a publisher replaced an archive, exclude each other: before it copies, each leaves a claim that
    names its content, and gives up if another content has a claim, or has become whole meanwhile. What a killed process
    claimed counts for an hour, and only against other contents from other machines. This asks of the place that what
    was written is listed at once, as by GCS, S3 and HDFS.

    Args:
        url: The folder.
        local: A store of this machine, in whose staging folders models are made.
    """

    def __init__(self, url: str, local: Store) -> None:
        self.root = local.root
        self._url = url
        self._local = local
        self._is_writable = False

    def path(self, leaf: PurePosixPath) -> str:
        """Returns the folder of a model, whether it is there or not."""
        return f"{self._url}/{leaf}"

    def find(self, leaf: PurePosixPath, location: str) -> Record | None:
        """Returns the record of a model whose files are all there, each of its size, else None.

        Raises:
            CacheError: If the place cannot be read.
        """
        record = self._record(leaf)
        if record is None or record.location != location or self._lost(leaf, record):
            return None
        return record

    def latest(self, folder: PurePosixPath, location: str) -> Latest | None:
        """Returns what an unversioned handle stood for when it was last asked, None if that is not known.

        Raises:
            CacheError: If the place cannot be read.
        """
        data = remote_files.read(self.path(layout.pointer(folder)))
        if data is None:
            return None
        try:
            latest = read_latest(data)
        except FormatError:
            return None
        return latest if latest.location == location else None

    def point(self, folder: PurePosixPath, latest: Latest) -> None:
        """Notes what an unversioned handle stands for.

        Raises:
            CacheError: If the place cannot be written.
        """
        pointer = self.path(layout.pointer(folder))
        remote_files.remove(pointer)  # ram:// would write behind what is there
        remote_files.write(pointer, write_latest(latest))

    def forget_lost(self, folder: PurePosixPath, location: str) -> None:
        """Removes the note of what an unversioned handle stands for if that is not whole.

        Raises:
            CacheError: If the place cannot be written.
        """
        latest = self.latest(folder, location)
        if latest is not None and self.find(PurePosixPath(latest.leaf), latest.leaf_location) is None:
            remote_files.remove(self.path(layout.pointer(folder)))

    @contextlib.contextmanager
    def lock(self, path: PurePosixPath, is_done: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Keeps the processes of this machine from making the same model; see `Store.lock`.

        Args:
            path: Names what is made.
            is_done: Is not asked: that would go over the network again and again.

        Raises:
            CacheError: If the place, or the folder of this machine, cannot be written.
            LockTimeout: If another process makes the same model for too long.
        """
        with self._explained(), self._local.lock(path):
            if not self._is_writable:  # or all would be downloaded first
                with self._note(layout.key(path)):
                    self._is_writable = True
            yield

    def staging(self, path: PurePosixPath) -> AbstractContextManager[Path]:
        """Gives an empty folder of this machine; see `Store.staging`."""
        return self._local.staging(path)

    def resumable(self, path: PurePosixPath, digest: str) -> AbstractContextManager[Path]:
        """Gives the folder of this machine in which the same content was begun; see `Store.resumable`."""
        return self._local.resumable(path, digest)

    def install(self, folder: Path, leaf: PurePosixPath, record: Record, manifest: bytes | None = None) -> str:
        """Copies a whole model from its staging folder to its place, and returns that.

        Files that are there already stay, if the last record names the same. The staging folder goes.

        Args:
            folder: The staging folder.
            leaf: The place.
            record: What the model is.
            manifest: Is not kept: blocks are looked for on this machine only.

        Raises:
            FormatError: If it has a file that the cache could take for a note of its own.
            CacheError: If the place cannot be written, or another machine brings other contents there.
        """
        check_names(record)
        target = self.path(leaf)
        with self._claimed(leaf, record):
            there = self.find(leaf, record.location)
            if there is None:
                self._copy(folder, leaf, record)
            elif there.files != record.files:
                raise CacheError(
                    f"another machine has put other files to {target} meanwhile: what {record.location} stands for "
                    "has changed.",
                    hint="Try again to use these.",
                    path=target,
                )
        return target

    def _copy(self, folder: Path, leaf: PurePosixPath, record: Record) -> None:
        note, target = self.path(layout.record(leaf)), self.path(leaf)
        old, there = self._record(leaf), remote_files.tree(target)
        known = {} if old is None else old.files
        remote_files.remove(note)
        good = {name for name, fact in record.files.items() if known.get(name) == fact and there.get(name) == fact[0]}
        for name in there.keys() - good:
            remote_files.remove(f"{target}/{name}")
        lost = [name for name in record.files if name not in good]
        for _ in range(_TRIES):  # another machine that brings the same files begins with removing what it finds
            remote_files.upload(folder, target, lost)
            lost = self._lost(leaf, record)
            if not lost:
                break
        else:
            raise CacheError(
                f"{target} has not become whole: {', '.join(lost)} did not arrive.",
                hint="Try again; if it recurs, set TFHUB_CACHE_DIR to another folder.",
                path=target,
            )
        # A process that is killed after the last step leaves nothing that only a lock would clear away.
        shutil.rmtree(folder.parent, ignore_errors=True)
        remote_files.write(note, write_record(record))

    def _record(self, leaf: PurePosixPath) -> Record | None:
        data = remote_files.read(self.path(layout.record(leaf)))
        if data is None:
            return None
        try:
            return read_record(data)
        except FormatError:
            return None

    def _lost(self, leaf: PurePosixPath, record: Record) -> list[str]:
        """Returns the files that are not there, or are of another size."""
        found = remote_files.sizes([f"{self.path(leaf)}/{name}" for name in record.files])
        return [name for (name, fact), size in zip(record.files.items(), found, strict=True) if fact[0] != size]

    @contextlib.contextmanager
    def _claimed(self, leaf: PurePosixPath, record: Record) -> Iterator[None]:
        """Keeps other machines from bringing other contents to the same place."""
        key, content = layout.key(leaf), fingerprint(record.files)[:16]
        with self._note(f"{key}.{content}") as own:
            now_s = remote_files.modified_s(own) or 0.0  # by the same clock as the other claims
            folder = self.path(PurePosixPath(layout.LOCKS))
            for name in remote_files.listed(folder):
                claim, parts = f"{folder}/{name}", name.split(".")
                if len(parts) != 3 or parts[0] != key or claim == own:
                    continue
                time_s = remote_files.modified_s(claim)
                if time_s is not None and parts[2] != self._machine and now_s - time_s < _CLAIM_S:
                    if parts[1] == content:
                        continue
                    owner = (remote_files.read(claim) or b"").decode(errors="replace").strip()
                    raise CacheError(
                        f"{owner or 'another process'} is bringing other files to {self.path(leaf)}: what "
                        f"{record.location} stands for has changed.",
                        hint=f"Try again when it has finished; if it was killed, delete {claim}.",
                        path=self.path(leaf),
                    )
                remote_files.remove(claim)  # of a killed process: a living one of this machine would hold the lock
            yield

    @contextlib.contextmanager
    def _note(self, name: str) -> Iterator[str]:
        """Leaves a note of this process where locks would be, and takes it away again."""
        note = f"{self.path(PurePosixPath(layout.LOCKS))}/{name}.{self._machine}"
        try:
            remote_files.write(note, f"process {os.getpid()} of {platform.node()}\n".encode())
            yield note
        finally:
            with contextlib.suppress(CacheError):
                remote_files.remove(note)

    @functools.cached_property
    def _machine(self) -> str:
        """Names this machine, or what of it shares locks."""
        name = f"{platform.node()} {uuid.getnode()} {self.root}"
        return hashlib.sha256(name.encode()).hexdigest()[:16]

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Says what the folder of this machine is for, where it is in the way."""
        try:
            yield
        except CacheError as error:
            if error.path != str(self.root) or isinstance(error, LockTimeout):
                raise
            raise CacheError(
                error.message,
                hint=f"Models on their way to {self._url} are made there: make space, or make it a folder that you "
                "may write (on Linux, XDG_CACHE_HOME says where it is).",
                path=error.path,
            ) from error.__cause__
