"""The small documents of a store: read again only when they have changed."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from rehub.errors import NotFoundError
from rehub.server.recent import Recent
from rehub.storage.interface import ObjectInfo, ObjectStore

_T = TypeVar("_T")
_LIMIT_BYTES = 8 << 20  # of documents; what is made of them takes several times that


class Documents:
    """Reads documents, and remembers what was in them. Many threads may use it.

    Args:
        store: Where they are.
        fresh_s: For how many seconds a document is taken to be what it was.
        clock: Tells the time in seconds.
    """

    def __init__(self, store: ObjectStore, fresh_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._infos: Recent[str, ObjectInfo | None] = Recent(fresh_s, clock=clock)
        self._read: OrderedDict[str, tuple[ObjectInfo, Any]] = OrderedDict()
        self._size_bytes = 0
        self._lock = threading.Lock()

    def get(self, key: str, parse: Callable[[bytes], _T], *, remembers_absence: bool = False) -> _T | None:
        """Returns what a document says; None if there is none.

        Args:
            key: The document.
            parse: Reads it; does the same each time.
            remembers_absence: Whether it may be taken to be absent for some seconds, too, when it was.

        Raises:
            FormatError: If ``parse`` does.
        """
        info = self._info(key, remembers_absence)
        if info is None:
            return None
        with self._lock:
            known, value = self._read.get(key, (None, None))
            if known == info:
                self._read.move_to_end(key)
                return value
        try:
            value = parse(self._store.read(key))
        except NotFoundError:  # deleted meanwhile
            self.forget(key)
            return None
        self._keep(key, info, value)
        return value

    def exists(self, key: str, *, remembers_absence: bool = False) -> bool:
        """Whether there is a document."""
        return self._info(key, remembers_absence) is not None

    def forget(self, key: str) -> None:
        """Has the store asked again."""
        self._infos.forget(key)

    def _info(self, key: str, remembers_absence: bool) -> ObjectInfo | None:
        return self._infos.get(key, lambda: self._store.info(key), lambda info: remembers_absence or info is not None)

    def _keep(self, key: str, info: ObjectInfo, value: object) -> None:
        with self._lock:
            before, _ = self._read.pop(key, (None, None))
            self._size_bytes += info.size_bytes - (before.size_bytes if before else 0)
            self._read[key] = (info, value)
            while self._size_bytes > _LIMIT_BYTES and len(self._read) > 1:
                _, (old, _) = self._read.popitem(last=False)
                self._size_bytes -= old.size_bytes
