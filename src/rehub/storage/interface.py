"""What a store of objects can do, whether it is a folder or a bucket.

All of it waits for the disk or the network: asynchronous code calls it in a thread. All of it may be called by many
threads, and by many processes over one store, at a time.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from rehub.errors import StoreError

KEY_LIMIT_BYTES = 1024
"""Of a key. Source: Amazon S3, "Naming objects"; the other stores allow as much."""

_NO_KEY = re.compile(r"[\\\x00-\x1f\x7f]|(?:^|/)\.{0,2}(?:/|$)")


@dataclasses.dataclass(frozen=True)
class ObjectInfo:
    """What is known of an object without its bytes.

    Attributes:
        key: Its name in the store.
        size_bytes: Its size.
        etag: Changes whenever the object does.
        modified: When it was written, with a time zone.
    """

    key: str
    size_bytes: int
    etag: str
    modified: datetime.datetime


class ObjectStore(Protocol):
    """Objects by their keys: texts with ``/`` in between, which `check_key` allows.

    Every call may raise `StoreError`: for a key that cannot be, and when the store is slow, out of reach, full, or
    refuses.
    """

    @property
    def url(self) -> str:
        """Where it is, for messages; never has secrets."""
        ...

    def read(self, key: str) -> bytes:
        """Returns a small object.

        Raises:
            NotFoundError: If there is none.
        """
        ...

    def stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Gives an object, or a part of it, in pieces of a few MiB at most.

        Args:
            key: The object.
            start: The first byte.
            length: How many bytes; None for all that follow.

        Raises:
            NotFoundError: If there is none; with the first piece.
            StoreError: If it ends before the part does.
        """
        ...

    def info(self, key: str) -> ObjectInfo | None:
        """Returns what is known of an object; None if there is none."""
        ...

    def create(self, key: str, data: bytes) -> bool:
        """Makes a small object whole, unless there is one: of many that try at a time, one does.

        Returns:
            Whether it was made; False when there is one already.
        """
        ...

    def put(self, key: str, data: bytes) -> None:
        """Makes a small object whole, or replaces one; who reads meanwhile gets all of the one or all of the other."""
        ...

    def write(self, key: str, chunks: Iterable[bytes]) -> None:
        """Makes or replaces an object of any size, as `put` does; holds a few MiB of it at a time.

        Raises:
            Exception: What ``chunks`` raise; the store is then as it was.
        """
        ...

    def delete(self, key: str) -> None:
        """Deletes an object; it need not be there."""
        ...

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Gives all objects whose keys begin with a prefix, in any order.

        Args:
            prefix: Ends in ``/``; empty for all objects.
        """
        ...

    def folders(self, prefix: str) -> tuple[str, ...]:
        """Returns what follows a prefix up to the next ``/``, of the keys that have one, sorted.

        Some stores also give what all objects were deleted of.

        Args:
            prefix: As for `list`.
        """
        ...

    def local_path(self, key: str) -> Path | None:
        """Returns the file that is an object, which may not exist; None for a store that is not on this machine.

        Args:
            key: The object; empty for the folder of the whole store.
        """
        ...

    def signed_url(self, key: str, seconds: int) -> str | None:
        """Returns a URL by which anybody gets an object for some time; None for a store that has none."""
        ...


def check_key(key: str, store: str = "") -> str:
    """Returns a key that any store takes.

    Args:
        key: What may be one.
        store: The URL of the store, for the message.

    Raises:
        StoreError: If it is empty, too long or no UTF-8, or has ``.``, ``..``, nothing, backslashes or control
            characters between its ``/``.
    """
    try:
        size_bytes = len(key.encode())
    except UnicodeEncodeError:
        size_bytes = 0
    if not 0 < size_bytes <= KEY_LIMIT_BYTES or _NO_KEY.search(key):
        raise StoreError(
            f"{key[:100]!r} is no key of an object.",
            hint=f"Use names with '/' between them, of at most {KEY_LIMIT_BYTES} bytes.",
            store=store,
            key=key,
        )
    return key


def check_prefix(prefix: str, store: str = "") -> str:
    """Returns a prefix of keys, with the ``/`` at its end, or nothing.

    Raises:
        StoreError: If no key can begin with it.
    """
    if prefix:
        check_key(prefix.removesuffix("/"), store)
        if not prefix.endswith("/"):
            raise StoreError(
                f"{prefix[:100]!r} is no prefix of keys.", hint="End it with '/'.", store=store, key=prefix
            )
    return prefix
