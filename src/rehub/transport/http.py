"""HTTP and HTTPS: requests that are tried again, and bodies that go on where they broke."""

from __future__ import annotations

import contextlib
import errno
import functools
import itertools
import random
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from email.utils import mktime_tz, parsedate_tz

import urllib3
import urllib3.exceptions

import rehub
from rehub.configuration import Settings
from rehub.errors import OfflineError, TransferError
from rehub.transport import redirects
from rehub.transport.connections import Connections
from rehub.transport.interface import ContentLost

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
    def get(self, url: str, headers: Mapping[str, str] | None = None, *, follow: bool = True) -> Iterator[HttpResponse]:
        """Asks for a URL. See `rehub.transport.interface.Transport`."""
        if self._settings.offline:
            raise OfflineError(
                f"{url} is not asked: rehub is offline.",
                hint="Unset REHUB_OFFLINE, or fetch the model on a machine with a network and copy the cache folder.",
                url=url,
            )
        with contextlib.closing(Connections(self._settings)) as connections:

            def ask(extra: Mapping[str, str]) -> tuple[str, urllib3.BaseHTTPResponse]:
                sent = {**(headers or {}), **extra}
                if follow:
                    return redirects.follow(functools.partial(self._send, connections), url, sent)
                return url, self._send(connections, url, sent)

            with contextlib.closing(HttpResponse(ask, self._settings.retries, self._pause)) as response:
                yield response

    def _send(self, connections: Connections, url: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        own = {"User-Agent": f"rehub/{rehub.__version__}", "Accept-Encoding": "identity"}
        pool = connections.pool(url)
        for tries in itertools.count():
            last = tries >= self._settings.retries
            try:
                answer = pool.request(
                    "GET", url, headers={**own, **headers}, preload_content=False, redirect=False, retries=False
                )
            except _BROKEN as broken:
                error = _translated(url, broken)
                if last or isinstance(error, OfflineError) or _is_untrusted(broken):
                    raise error from broken
                self._pause(tries)
                continue
            wanted_s = _retry_after_s(answer.headers.get("Retry-After", ""))
            if answer.status not in _RETRIED or last or wanted_s > _LONGEST_PAUSE_S:
                return answer
            answer.close()
            self._pause(tries, wanted_s)
        raise AssertionError

    def _pause(self, tries: int, wanted_s: float = 0.0) -> None:
        # Clients that failed together must not come back together.
        own_s = _FIRST_PAUSE_S * 2**tries * random.uniform(0.75, 1.25)  # noqa: S311 - no secret
        self._sleep(min(max(own_s, wanted_s), _LONGEST_PAUSE_S))


class HttpResponse:
    """One answer. See `rehub.transport.interface.Response`.

    Args:
        ask: Sends the request, with further headers, and returns the last URL and its answer.
        retries: How often in a row the body may break without a byte in between.
        pause: Waits before a retry of that number.
    """

    def __init__(
        self,
        ask: Callable[[Mapping[str, str]], tuple[str, urllib3.BaseHTTPResponse]],
        retries: int,
        pause: Callable[[int], object],
    ) -> None:
        self._ask = ask
        self._retries = retries
        self._pause = pause
        self.url, self._raw = ask({})
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
                if tries >= self._retries:
                    raise _translated(self.url, broken) from broken
                self._pause(tries)
                tries += 1
                self._continue(done, broken)
                continue
            if not chunk:
                return
            done += len(chunk)
            tries = 0
            yield chunk

    def _continue(self, done: int, broken: Exception) -> None:
        etag, date = self.headers.get("etag", ""), self.headers.get("last-modified")
        validator = etag if etag.startswith('"') else date
        if validator is None or self.status != 200:
            raise self._lost(done, f"the server gave no ETag by which to ask for the rest ({broken})") from broken
        _, rest = self._ask({"Range": f"bytes={done}-", "If-Range": validator})
        part = _CONTENT_RANGE.fullmatch(rest.headers.get("Content-Range", ""))
        total = self.headers.get("content-length")
        if rest.status != 206 or part is None:
            rest.close()
            raise self._lost(done, f"the server cannot send the rest alone (status {rest.status})") from broken
        if (
            int(part[1]) != done
            or (part[2] != "*" and total is not None and part[2] != total)
            or rest.headers.get("ETag", etag) != etag
        ):
            rest.close()
            raise self._lost(done, "the server has other content now") from broken
        self._raw = rest

    def _lost(self, done: int, why: str) -> ContentLost:
        url = redirects.shown(self.url)
        return ContentLost(f"{url} broke after {done} bytes; {why}.", hint="Try again.", url=url, status=self.status)


def _translated(url: str, broken: Exception) -> TransferError:
    url = redirects.shown(url)
    cause = broken.__cause__ or broken.__context__
    if isinstance(broken, urllib3.exceptions.NameResolutionError) or (
        isinstance(cause, OSError) and cause.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH)
    ):
        return OfflineError(
            f"{url} is out of reach: {broken}.",
            hint="Check the network and the spelling of the host; REHUB_OFFLINE=1 uses only what the cache holds.",
            url=url,
        )
    if _is_untrusted(broken):
        hint = "If an authority of your own signed the certificate, name its PEM file in REHUB_CA_BUNDLE."
    elif isinstance(broken, urllib3.exceptions.ProxyError):
        hint = "Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY."
    elif isinstance(broken, urllib3.exceptions.TimeoutError):
        hint = "Try again, or allow more time with REHUB_TIMEOUT_S."
    else:
        hint = "Try again."
    return TransferError(f"{url} could not be fetched: {broken}.", hint=hint, url=url)


def _is_untrusted(broken: Exception) -> bool:
    return isinstance(broken, urllib3.exceptions.SSLError) and any(
        isinstance(cause, ssl.SSLCertVerificationError) for cause in (*broken.args, broken.__cause__)
    )


def _retry_after_s(text: str) -> float:
    """Reads a header ``Retry-After``, seconds or a date; 0 when there is none."""
    if text.strip().isdigit():
        return float(text)
    date = parsedate_tz(text)
    return max(0.0, mktime_tz(date) - time.time()) if date else 0.0
