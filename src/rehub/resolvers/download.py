"""Downloads: from the answer of a server to a verified model in a staging folder."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rehub.cache.store import write_error
from rehub.configuration import Settings
from rehub.errors import FormatError
from rehub.formats.record import Record
from rehub.handle import Handle
from rehub.resolvers import answers
from rehub.resolvers.pin import check_pin
from rehub.resolvers.progress import Progress
from rehub.transport.interface import ContentLost, Response
from rehub.transport.redirects import shown

if TYPE_CHECKING:
    from rehub.archive.reading import Unpacked

_LOG = logging.getLogger("rehub")
_START_BYTES = 512
_SHOWN = 20
_T = TypeVar("_T")


def restarting(work: Callable[[], _T], retries: int) -> _T:
    """Does a piece of work, and does it again from the start when a body broke that cannot be continued.

    Also when a link was refused, but only once: if the fresh one is refused too, it is not for being too old.

    Raises:
        ContentLost: If that happens once more than ``retries`` times.
        LinkRefused: If that happens twice.
    """
    for tries in itertools.count():
        try:
            return work()
        except (ContentLost, answers.LinkRefused) as error:
            limit = retries if isinstance(error, ContentLost) else min(retries, 1)
            if tries >= limit:
                raise
            _LOG.warning("%s Trying again from the start (%d of %d).", error.message, tries + 2, limit + 1)
    raise AssertionError


def fetch(response: Response, handle: Handle, asked: str, folder: Path, settings: Settings) -> Record:
    """Unpacks the body of an answer into an empty folder, and verifies the model there.

    Args:
        response: The answer.
        handle: Whose model it brings.
        asked: The URL that was asked for it at first.
        folder: Where the files are put.
        settings: Whether and how progress is shown.

    Raises:
        ResolveError: If the status says that there is no model, or none for this user.
        TransferError: If the status says that the server failed, the body breaks, or is no archive.
        ChecksumError: If the files are not those of the pin.
        FormatError: If the archive is damaged, or holds no whole model.
        CacheError: If the disk is full.
    """
    if response.status != 200:
        raise answers.refused(handle, response, asked)
    unpacked = _receive(response, folder, handle.location, settings)
    check_pin(handle, unpacked.files)
    _check_whole(handle, folder, unpacked)
    return Record(
        location=handle.location,
        url=shown(response.url),
        etag=response.headers.get("etag", ""),
        archive_sha256=unpacked.archive_sha256,
        archive_bytes=unpacked.archive_bytes,
        files=unpacked.files,
        time_s=time.time(),
    )


def _receive(response: Response, folder: Path, what: str, settings: Settings) -> Unpacked:
    from rehub.archive.reading import looks_like_archive, unpack  # libraries that a hit does not need

    length = response.headers.get("content-length", "")
    total_bytes = int(length) if length.isdigit() else None
    with Progress(settings, what, total_bytes) as progress:
        body = _Body(response, progress)
        start = body.start()
        if not looks_like_archive(start):
            raise answers.no_archive(response, start)
        try:
            return unpack(body, folder)
        except FormatError as error:
            raise FormatError(f"{what}: {error.message}", hint=error.hint, member=error.member) from error
        except OSError as error:
            if error is body.error:
                raise
            raise write_error(error, settings.cache_root, total_bytes) from error


def _check_whole(handle: Handle, folder: Path, unpacked: Unpacked) -> None:
    from rehub.model.model_info import missing_files  # as above

    missing = missing_files(folder)
    if not missing:
        return
    names = sorted(unpacked.files)
    listed = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    raise FormatError(
        f"the archive of {handle.location} is no whole TensorFlow model: it lacks {', '.join(missing[:_SHOWN])}; "
        f"it contains {listed or 'nothing'}.",
        hint="The model's files have to lie at the root of the archive. Tell the publisher.",
        member=missing[0],
    )


class _Body:
    """A response as something to read from.

    Attributes:
        error: What reading failed with, be it the network or the program that follows the progress; None if it did not.
    """

    def __init__(self, response: Response, progress: Progress) -> None:
        self.error: OSError | None = None
        self._chunks = response.chunks()
        self._progress = progress
        self._rest = b""

    def start(self) -> bytes:
        """Returns the first bytes, which stay there to be read."""
        while len(self._rest) < _START_BYTES and (chunk := self._next()):
            self._rest += chunk
        return self._rest[:_START_BYTES]

    def read(self, size: int) -> bytes:
        try:
            data = self._rest or self._next()
        except OSError as error:
            self.error = error
            raise
        self._rest = data[size:]
        return data[:size]

    def _next(self) -> bytes:
        chunk = next(self._chunks, b"")
        if chunk:
            self._progress.add(len(chunk))
        return chunk
