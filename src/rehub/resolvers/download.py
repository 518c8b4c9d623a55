"""Downloads: from the answer of a server to a verified model in a staging folder."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rehub.cache.failures import is_gone, write_error
from rehub.configuration import Settings
from rehub.errors import CacheError, FormatError
from rehub.formats.record import Record, brief
from rehub.handle import Handle
from rehub.resolvers import answers
from rehub.resolvers.pin import check_pin
from rehub.resolvers.progress import Progress
from rehub.transport.interface import ContentLost, Response, content_length
from rehub.transport.redirects import shown

if TYPE_CHECKING:
    from rehub.archive.reading import Unpacked

_LOG = logging.getLogger("rehub")
_START_BYTES = 512
_SHOWN = 20
_T = TypeVar("_T")


def restarting(work: Callable[[], _T], retries: int) -> _T:
    """Does a piece of work, and does it again from the start when a body broke that cannot be continued.

    Also when a link was refused, but only once: if the fresh one is refused too, it is not for being too old. And once
    when somebody took what was being made: a cleaner comes now and then, not all the time.

    Raises:
        ContentLost: If that happens once more than ``retries`` times.
        LinkRefused: If that happens twice.
        CacheError: If what is made is taken twice.
    """
    is_taken = False
    for tries in itertools.count():
        try:
            return work()
        except (ContentLost, answers.LinkRefused) as error:
            limit = retries if isinstance(error, ContentLost) else min(retries, 1)
            if tries >= limit:
                raise
            _LOG.warning("%s Trying again from the start (%d of %d).", error.message, tries + 2, limit + 1)
        except CacheError as error:
            if is_taken or not is_gone(error):
                raise
            is_taken = True
            _LOG.warning("%s Trying again from the start, once.", error.message)
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
    check_whole(handle, folder, unpacked.files, settings.cache_root)
    return Record(
        location=handle.location,
        url=brief(shown(response.url)),
        etag=brief(response.headers.get("etag", "")),
        archive_sha256=unpacked.archive_sha256,
        archive_bytes=unpacked.archive_bytes,
        files=unpacked.files,
        time_s=time.time(),
    )


def _receive(response: Response, folder: Path, what: str, settings: Settings) -> Unpacked:
    from rehub.archive.reading import looks_like_archive, unpack  # libraries that a hit does not need

    total_bytes = content_length(response.headers)
    with Progress(settings, what, total_bytes) as progress:
        body = _Body(response, progress)
        start = body.start()
        if not looks_like_archive(start):
            raise answers.no_archive(response, start)
        try:
            return unpack(body, folder)
        except FormatError as error:
            raise answers.bad_archive(what, error) from error
        except OSError as error:
            if error is body.error:
                raise
            raise write_error(error, settings.cache_root, total_bytes) from error


def check_whole(handle: Handle, folder: Path, files: Iterable[str], root: Path, *, is_archive: bool = True) -> None:
    """Refuses files that are no model.

    Args:
        handle: Whose files they are.
        folder: Where they are.
        files: Their names.
        root: The cache folder, for messages.
        is_archive: Whether they came in an archive, for messages.

    Raises:
        FormatError: If some are missing that the others name.
        CacheError: If some are there no more.
    """
    from rehub.model.model_info import missing_files  # as above

    names = sorted(files)
    try:
        missing = missing_files(folder)
    except FormatError:
        _check_there(folder, names, root)
        raise
    if not missing:
        return
    _check_there(folder, names, root)
    listed = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    what, hint = handle.location, "Tell the publisher."
    if is_archive:
        what, hint = f"the archive of {what}", f"The model's files have to lie at the root of the archive. {hint}"
    raise FormatError(
        f"{what} is no whole TensorFlow model: it lacks {', '.join(missing[:_SHOWN])}; "
        f"it contains {listed or 'nothing'}.",
        hint=hint,
        member=missing[0],
    )


def _check_there(folder: Path, names: Iterable[str], root: Path) -> None:
    try:
        for name in names:
            (folder / name).stat()
    except OSError as error:
        raise write_error(error, root) from error


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
