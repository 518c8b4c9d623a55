"""What resolvers ask for models that the cache lacks: servers of the hosting protocol, other hubs, buckets."""

from __future__ import annotations

import dataclasses
from pathlib import PurePosixPath
from typing import Protocol

from rehub.formats.record import Latest
from rehub.handle import Handle


@dataclasses.dataclass(frozen=True)
class Offer:
    """What would be sent.

    Attributes:
        handle: The handle; that of the version, where an unversioned one stands for one.
        url: Where the archive, the manifest or the files come from in the end.
        size_bytes: Of the archive, or of all files; None if nobody tells it.
    """

    handle: Handle
    url: str
    size_bytes: int | None


class ModelSource(Protocol):
    """Where models come from, into a store whose lock the caller holds.

    Each call raises `ResolveError` if there is no such model, or none for this user, `FormatError` if what is there is
    none, and `TransferError` if nobody answers or the transfer fails.
    """

    def offer(self, handle: Handle, *, may_change: bool) -> Offer:
        """Asks what would be sent, and does not have it sent.

        Args:
            handle: The handle.
            may_change: Whether it stands for the newest version.
        """

    def download(self, handle: Handle, leaf: PurePosixPath, asked: Handle) -> str:
        """Fetches a model into the store, and returns its folder.

        Args:
            handle: The handle, of content that never changes.
            leaf: Where it is to be; it is locked.
            asked: The handle that the user named, if it stands for this one.
        """

    def newest(self, handle: Handle, folder: PurePosixPath, latest: Latest | None) -> str | Handle:
        """Asks which version is the newest; returns its folder, or its handle if versions have handles of their own.

        Args:
            handle: The handle.
            folder: That of its versions; it is locked.
            latest: What it stood for, if that is known and there.
        """
