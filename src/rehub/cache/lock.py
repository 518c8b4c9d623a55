"""Locks between processes that download the same model. They save double work; nothing breaks without them."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rehub.errors import LockTimeout

if TYPE_CHECKING:
    from filelock import BaseFileLock

_LOOK_S = 0.05
_LOOKS = 4  # between two tries to get the lock, where its release wakes nobody, or its file was replaced
_NOTE_AT = 1  # in the lock file; Windows lets nobody read the byte before, which is what is locked there
_NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP})


@contextlib.contextmanager
def hold(path: Path, timeout_s: float, is_done: Callable[[], bool] = lambda: False) -> Iterator[bool]:
    """Holds a lock that the operating system takes away when the process ends, however it ends.

    Args:
        path: The lock file, in an existing folder. It stays there.
        timeout_s: How long to wait for whoever has the lock.
        is_done: Whether what the lock is wanted for is done already; then there is nothing more to wait for.

    Returns:
        Whether the lock is held; False where the filesystem has no locks, and when the work is done.

    Raises:
        LockTimeout: If another process keeps it for longer than the timeout.
        OSError: If the lock file cannot be opened.
    """
    lock = _acquire(path, timeout_s, is_done)
    if lock is None:
        yield False
        return
    try:
        _sign(path)
        yield True
    finally:
        lock.release()


@contextlib.contextmanager
def claim(path: Path) -> Iterator[bool | None]:
    """Claims a file or folder until the ``with`` block or the process ends.

    Also against who got a lock whose file was lost: whoever deletes a lock file lets the next process lock a new one,
    while the first goes on. Windows keeps files from being deleted that are in use.

    Returns:
        Whether nobody else claims it, and it is there; None where nobody can tell.
    """
    try:
        import fcntl

        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    except FileNotFoundError:
        yield False
        return
    except (ImportError, OSError):
        yield None
        return
    try:
        is_free: bool | None = None
        with contextlib.suppress(OSError):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                is_free = os.path.samestat(os.fstat(descriptor), path.stat())
            except (BlockingIOError, FileNotFoundError):
                is_free = False
        yield is_free
    finally:
        os.close(descriptor)


def _acquire(path: Path, timeout_s: float, is_done: Callable[[], bool]) -> BaseFileLock | None:
    import filelock  # for downloads only: most models are in the cache already

    lock = filelock.FileLock(path, blocking=False, fallback_to_soft=False)
    deadline_s = time.monotonic() + timeout_s + _LOOK_S  # also those have it for a moment who only waited for it
    is_refused = False
    release: threading.Event | None = None
    while True:
        try:
            lock.acquire()
        except filelock.Timeout:
            if not is_refused:  # also of a file that was removed after it was opened, and that nobody has
                is_refused = True
                continue
            if release is None or release.is_set():
                release = _release(path)
            for _ in range(_LOOKS):
                if is_done():
                    return None
                if time.monotonic() >= deadline_s:
                    raise _timeout(path, timeout_s) from None
                if release.wait(_LOOK_S):
                    break
        except NotImplementedError:
            return None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            return None
        else:
            return lock


def _release(path: Path) -> threading.Event:
    """Returns what is set as soon as nobody holds a lock; never where the system wakes nobody for that.

    Looking whether it is free costs each of many who wait as much as a part of the work that they wait for.
    """
    is_free = threading.Event()
    thread = threading.Thread(target=_wait_for_release, args=(path, is_free), name="rehub-lock", daemon=True)
    thread.start()
    return is_free


def _wait_for_release(path: Path, is_free: threading.Event) -> None:
    with contextlib.suppress(ImportError, OSError):
        import fcntl

        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            is_free.set()
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)  # so that all who wait wake at once
            is_free.set()
        finally:
            os.close(descriptor)


def _timeout(path: Path, timeout_s: float) -> LockTimeout:
    name = _owner(path)
    return LockTimeout(
        f"{name} has been busy with the same model for more than {timeout_s:g} s.",
        hint="Wait for it, end it, or allow more time with REHUB_LOCK_TIMEOUT_S.",
        path=str(path),
        owner=name,
    )


def _sign(path: Path) -> None:
    import socket  # for downloads only, too

    facts = {"host": socket.gethostname(), "pid": os.getpid(), "time": time.time()}
    with contextlib.suppress(OSError), path.open("r+b", buffering=0) as file:
        file.seek(_NOTE_AT)
        file.write(json.dumps(facts).encode())
        file.truncate()


def _owner(path: Path) -> str:
    """Returns who holds a lock, as it is noted there; it stays there when the lock is free again."""
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(_NOTE_AT)
            facts = json.loads(file.read())
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(facts["time"]))
        return f"process {facts['pid']} on {facts['host']} (since {since})"
    except (OSError, ValueError, ArithmeticError, LookupError, TypeError):
        return "another process"
