"""The bytes of an answer, which go on where a connection broke."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping

import urllib3
import urllib3.exceptions

from rehub.configuration import Settings
from rehub.errors import TransferError
from rehub.transport.credential import Credential
from rehub.transport.deadlines import Deadline
from rehub.transport.failures import TooSlow, explained
from rehub.transport.interface import ContentLost, content_length, content_range
from rehub.transport.redirects import shown

CHUNK_BYTES = 1 << 18  # on a slow line a chunk shall not take long: progress is shown once for each
BROKEN = (urllib3.exceptions.HTTPError, OSError)
"""What urllib3 raises when a connection fails."""

Ask = Callable[[Mapping[str, str]], tuple[str, urllib3.BaseHTTPResponse, Credential | None]]
"""Sends a request again, with further headers; returns the last URL, its answer and who asked."""


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a body comes from, and how the rest of it is asked for.

    Attributes:
        ask: Asks again.
        settings: Timeout, slowest speed, and how often in a row the body may break without a byte in between.
        pause: Says why there is a retry of that number, and waits before it.
        url: The one that answered.
        status: Of the first answer.
        headers: Of the first answer, by lower-case name.
    """

    ask: Ask
    settings: Settings
    pause: Callable[[str, int], object]
    url: str
    status: int
    headers: Mapping[str, str]

    @property
    def total_bytes(self) -> int | None:
        """Of the whole body, if the server told it."""
        return content_length(self.headers)

    @property
    def validator(self) -> str | None:
        """What names the content, so that the rest of the same can be asked for; None if nothing does."""
        etag = self.headers.get("etag", "")
        if self.status != 200:
            return None
        return etag if etag.startswith('"') else self.headers.get("last-modified")

    def part(self, start: int, end: int | None, broken: Exception | None = None) -> urllib3.BaseHTTPResponse:
        """Asks for a part of the same content.

        Args:
            start: Its first byte.
            end: The one after its last; None for all the rest.
            broken: What happened to the connection before.

        Raises:
            ContentLost: If the server cannot send a part, or has other content now.
            TransferError: If it gives no answer.
        """
        if self.validator is None:
            raise self.lost(start, "the server gave no ETag by which to ask for the rest") from broken
        last = "" if end is None else str(end - 1)
        _, answer, _ = self.ask({"Range": f"bytes={start}-{last}", "If-Range": self.validator})
        place = content_range(answer.headers)
        if answer.status != 206 or place is None:
            answer.close()
            raise self.lost(start, f"the server cannot send the rest alone (status {answer.status})") from broken
        if (
            place[0] != start
            or (None not in (place[1], self.total_bytes) and place[1] != self.total_bytes)
            or answer.headers.get("ETag") not in (None, self.headers.get("etag"))
        ):
            answer.close()
            raise self.lost(start, "the server has other content now") from broken
        return answer

    def broke_after(self, done_bytes: int) -> str:
        """Returns the beginning of a message that says how far the body came."""
        of_all = "" if self.total_bytes is None else f" of {self.total_bytes}"
        return f"{shown(self.url)} broke after {done_bytes}{of_all} bytes"

    def lost(self, done_bytes: int, why: str) -> ContentLost:
        """Makes the error for a body whose rest cannot be had alone."""
        message = f"{self.broke_after(done_bytes)}; {why}."
        return ContentLost(message, hint="Try again.", url=shown(self.url), status=self.status)


class Stream:
    """A body or a part of one, over one connection at a time.

    Args:
        source: Where it comes from.
        answer: The answer that brings it; None to ask for it.
        start: The first byte.
        end: The one after the last; None for all.

    Attributes:
        at: The byte that comes next.
        end: As passed; it may be changed.
        waited_s: How long this has waited for bytes, in seconds.
    """

    def __init__(
        self, source: Source, answer: urllib3.BaseHTTPResponse | None = None, start: int = 0, end: int | None = None
    ) -> None:
        self._source = source
        self._answer = answer
        self.at = start
        self.end = end
        self.waited_s = 0.0
        self._watch = _Watch(source.settings)

    def close(self) -> None:
        """Closes the connection; the rest is not read."""
        if self._answer is not None:
            self._answer.close()
            self._answer = None

    def chunks(self) -> Iterator[bytes]:
        """Gives the bytes; when the connection breaks, asks for the rest of the same content.

        Raises:
            ContentLost: If it breaks and its rest cannot be had alone.
            TransferError: If it breaks and the server is gone.
        """
        tries, opened_at = 0, -1
        broken: Exception | None = None
        while self.end is None or self.at < self.end:
            if self._answer is None:
                self._answer, opened_at = self._source.part(self.at, self.end, broken), self.at
            try:
                chunk = self._read(self._answer)
            except BROKEN as error:
                self.close()
                self._give_up_or_pause(error, tries)
                broken, tries = error, tries + 1
                continue
            if chunk:
                self.at += len(chunk)
                if not isinstance(broken, TooSlow) or self._watch.is_fast:
                    tries = 0
                yield chunk
            elif self.end is None:
                return
            elif self.at == opened_at:
                raise self._source.lost(self.at, "the server sends nothing of the rest") from broken
            else:
                self.close()  # the server sent less than it was asked for

    def _read(self, answer: urllib3.BaseHTTPResponse) -> bytes:
        wanted = CHUNK_BYTES if self.end is None else min(CHUNK_BYTES, self.end - self.at)
        began_s = time.monotonic()
        try:
            with Deadline(self._watch.limit_s, answer.shutdown):
                chunk = answer.read1(wanted, decode_content=False)
        except TimeoutError as error:
            raise TooSlow(0, time.monotonic() - began_s) from error
        finally:
            waited_s = time.monotonic() - began_s
            self.waited_s += waited_s
        self._watch.add(len(chunk), waited_s)
        return chunk

    def _give_up_or_pause(self, broken: Exception, tries: int) -> None:
        source = self._source
        what, hint = explained(source.url, broken, source.settings.timeout_s)
        if tries >= source.settings.retries:
            message = f"{source.broke_after(self.at)}: {what}."
            raise TransferError(message, hint=hint, url=shown(source.url), status=source.status) from broken
        if source.validator is not None:
            source.pause(f"{source.broke_after(self.at)}: {what}", tries)


class _Watch:
    """Looks after the speed of a connection: in the time in which nothing may come, it has to bring so much."""

    def __init__(self, settings: Settings) -> None:
        limited = 0 < settings.timeout_s < math.inf
        # Of one read, in which a server can send lengths of chunks for ever; silence ends it sooner.
        self.limit_s = 2 * settings.timeout_s if limited else None
        self._window_s = settings.timeout_s
        self._needed_bytes = settings.min_bytes_per_s * settings.timeout_s if limited else 0
        self._bytes, self._seconds = 0, 0.0
        self.is_fast = False

    def add(self, count_bytes: int, waited_s: float) -> None:
        self._bytes += count_bytes
        self._seconds += waited_s
        if self._bytes >= self._needed_bytes:
            self.is_fast, self._bytes, self._seconds = True, 0, 0.0
        elif count_bytes and self._seconds > self._window_s:
            brought_bytes, seconds = self._bytes, self._seconds
            self.is_fast, self._bytes, self._seconds = False, 0, 0.0
            raise TooSlow(brought_bytes, seconds)
