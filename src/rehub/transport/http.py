"""HTTP and HTTPS: requests that are tried again, and bodies that go on where they broke."""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import random
import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from email.utils import mktime_tz, parsedate_tz

import urllib3
import urllib3.exceptions

import rehub
from rehub.configuration import Settings
from rehub.errors import OfflineError, TransferError
from rehub.transport import redirects
from rehub.transport.connections import Connections
from rehub.transport.credential import Authorize, Credential
from rehub.transport.failures import explained, failed, is_lasting
from rehub.transport.interface import ContentLost

_LOG = logging.getLogger("rehub")
_CHUNK_BYTES = 1 << 18  # on a slow line a chunk shall not take long: progress is shown once for each
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 60.0
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_BROKEN = (urllib3.exceptions.HTTPError, OSError)


class HttpTransport:
    """A transport over the network.

    What fails for the moment (no connection, status 408, 429, 500, 502, 503, 504) is tried again; ``Retry-After`` is
    honoured up to a minute. The status of the last try is returned, not raised.

    Args:
        settings: Timeout, retries, certificates, offline mode.
        sleep: Waits that many seconds.
    """

    def __init__(self, settings: Settings, sleep: Callable[[float], object] = time.sleep) -> None:
        self._settings = settings
        self._sleep = sleep

    @contextlib.contextmanager
    def get(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        follow: bool = True,
        authorize: Authorize | None = None,
    ) -> Iterator[HttpResponse]:
        """Asks for a URL. See `rehub.transport.interface.Transport`."""
        if self._settings.offline:
            raise OfflineError(
                f"{redirects.shown(url)} is not asked: rehub is offline.",
                hint="Unset REHUB_OFFLINE, or fetch the model on a machine with a network and copy the cache folder.",
                url=redirects.shown(url),
            )
        with contextlib.closing(Connections(self._settings)) as connections:

            def ask(extra: Mapping[str, str]) -> tuple[str, urllib3.BaseHTTPResponse, Credential | None]:
                send = functools.partial(self._send, connections)
                return redirects.ask(send, url, {**(headers or {}), **extra}, follow=follow, authorize=authorize)

            with contextlib.closing(HttpResponse(ask, self._settings, self._pause)) as response:
                yield response

    def _send(self, connections: Connections, url: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        own = {"User-Agent": f"rehub/{rehub.__version__}", "Accept-Encoding": "identity"}
        pool = connections.pool(url)
        for tries in itertools.count():
            last = tries >= self._settings.retries
            try:
                with contextlib.nullcontext() if self._settings.verify_tls else _told_once():
                    answer = pool.request(
                        "GET", url, headers={**own, **headers}, preload_content=False, redirect=False, retries=False
                    )
            except _BROKEN as broken:
                if last or is_lasting(broken):
                    raise failed(url, broken, self._settings.timeout_s) from broken
                self._pause(explained(url, broken, self._settings.timeout_s)[0], tries)
                continue
            wanted_s = _retry_after_s(answer.headers.get("Retry-After", ""))
            if answer.status not in _RETRIED or last or wanted_s > _LONGEST_PAUSE_S:
                return answer
            answer.close()
            self._pause(f"{redirects.shown(url)} answers with status {answer.status}", tries, wanted_s)
        raise AssertionError

    def _pause(self, why: str, tries: int, wanted_s: float = 0.0) -> None:
        # Clients that failed together must not come back together.
        own_s = _FIRST_PAUSE_S * 2**tries * random.uniform(0.75, 1.25)  # noqa: S311 - no secret
        pause_s = min(max(own_s, wanted_s), _LONGEST_PAUSE_S)
        when = f" in {pause_s:.0f} s" if pause_s >= 1 else ""
        _LOG.warning("%s; trying again%s (%d of %d)", why, when, tries + 2, self._settings.retries + 1)
        self._sleep(pause_s)


class HttpResponse:
    """One answer. See `rehub.transport.interface.Response`.

    Args:
        ask: Sends the request, with further headers, and returns the last URL, its answer and who asked.
        settings: Timeout, and how often in a row the body may break without a byte in between.
        pause: Says why there is a retry of that number, and waits before it.
    """

    def __init__(
        self,
        ask: Callable[[Mapping[str, str]], tuple[str, urllib3.BaseHTTPResponse, Credential | None]],
        settings: Settings,
        pause: Callable[[str, int], object],
    ) -> None:
        self._ask = ask
        self._settings = settings
        self._pause = pause
        self.url, self._raw, self.credential = ask({})
        self.status = self._raw.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in self._raw.headers.items()}

    @property
    def redirect(self) -> str | None:
        """The absolute URL to which a redirect leads that was not followed, else None."""
        return redirects.target(self.url, self)

    def close(self) -> None:
        """Closes the connection; the rest of the body is not read."""
        self._raw.close()

    def chunks(self) -> Iterator[bytes]:
        """Gives the body; when the connection breaks, asks for the rest of the same content."""
        done = tries = 0
        while True:
            try:
                chunk = self._raw.read(_CHUNK_BYTES, decode_content=False)
            except _BROKEN as broken:
                self._raw.close()
                what, hint = explained(self.url, broken, self._settings.timeout_s)
                if tries >= self._settings.retries:
                    url = redirects.shown(self.url)
                    message = f"{self._broke_after(done)}: {what}."
                    raise TransferError(message, hint=hint, url=url, status=self.status) from broken
                validator = self._validator()
                if validator is None:
                    raise self._lost(done, "the server gave no ETag by which to ask for the rest") from broken
                self._pause(f"{self._broke_after(done)}: {what}", tries)
                tries += 1
                self._continue(done, validator, broken)
                continue
            if not chunk:
                return
            done += len(chunk)
            tries = 0
            yield chunk

    def _validator(self) -> str | None:
        """Returns what names the content, so that the rest of the same can be asked for; None if nothing does."""
        etag = self.headers.get("etag", "")
        if self.status != 200:
            return None
        return etag if etag.startswith('"') else self.headers.get("last-modified")

    def _continue(self, done: int, validator: str, broken: Exception) -> None:
        _, rest, _ = self._ask({"Range": f"bytes={done}-", "If-Range": validator})
        part = _CONTENT_RANGE.fullmatch(rest.headers.get("Content-Range", ""))
        total = self.headers.get("content-length")
        if rest.status != 206 or part is None:
            rest.close()
            raise self._lost(done, f"the server cannot send the rest alone (status {rest.status})") from broken
        if (
            int(part[1]) != done
            or (part[2] != "*" and total is not None and part[2] != total)
            or rest.headers.get("ETag") not in (None, self.headers.get("etag"))
        ):
            rest.close()
            raise self._lost(done, "the server has other content now") from broken
        self._raw = rest

    def _lost(self, done: int, why: str) -> ContentLost:
        url = redirects.shown(self.url)
        return ContentLost(f"{self._broke_after(done)}; {why}.", hint="Try again.", url=url, status=self.status)

    def _broke_after(self, done: int) -> str:
        total = self.headers.get("content-length", "")
        of_all = f" of {total}" if total.isdigit() else ""
        return f"{redirects.shown(self.url)} broke after {done}{of_all} bytes"


@contextlib.contextmanager
def _told_once() -> Iterator[None]:
    """Keeps urllib3 from warning of what `Connections` has warned of already, with advice."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
        yield


def _retry_after_s(text: str) -> float:
    """Reads a header ``Retry-After``, seconds or a date; 0 when there is none."""
    if text.strip().isdigit():
        return float(text)
    date = parsedate_tz(text)
    return max(0.0, mktime_tz(date) - time.time()) if date else 0.0
