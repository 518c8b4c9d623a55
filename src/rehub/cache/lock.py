"""Locks between processes that download the same model. They save double work; nothing breaks without them."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from rehub.errors import LockTimeout

_POLL_S = 0.01
_NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP})


@contextlib.contextmanager
def hold(path: Path, timeout_s: float) -> Iterator[bool]:
    """Holds a lock that the operating system takes away when the process ends, however it ends.

    Args:
        path: The lock file, in an existing folder. It stays there.
        timeout_s: How long to wait for whoever has the lock.

    Returns:
        Whether the lock is held; False where the filesystem has no locks.

    Raises:
        LockTimeout: If another process keeps it for longer than the timeout.
        OSError: If the lock file cannot be opened.
    """
    import filelock  # for downloads only: most models are in the cache already

    lock = filelock.FileLock(path, timeout=timeout_s, poll_interval=_POLL_S, fallback_to_soft=False)
    owner = path.with_suffix(".owner")
    try:
        lock.acquire()
    except filelock.Timeout:
        name = _name(owner)
        raise LockTimeout(
            f"{name} has been busy with the same model for more than {timeout_s:g} s.",
            hint="Wait for it, end it, or allow more time with REHUB_LOCK_TIMEOUT_S.",
            path=str(path),
            owner=name,
        ) from None
    except NotImplementedError:
        yield False
        return
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        yield False
        return
    try:
        with contextlib.suppress(OSError):
            owner.write_text(json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "time": time.time()}))
        yield True
    finally:
        with contextlib.suppress(OSError):
            owner.unlink()
        lock.release()


def _name(owner: Path) -> str:
    try:
        facts = json.loads(owner.read_text())
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(facts["time"]))
        return f"process {facts['pid']} on {facts['host']} (since {since})"
    except (OSError, ValueError, LookupError, TypeError):
        return "another process"
