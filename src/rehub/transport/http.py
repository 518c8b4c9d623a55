"""HTTP and HTTPS: requests that are tried again, and bodies that go on where they broke."""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import random
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from email.utils import mktime_tz, parsedate_tz

import urllib3
import urllib3.exceptions

import rehub
from rehub.configuration import Settings
from rehub.errors import OfflineError
from rehub.transport import parts, redirects
from rehub.transport.body import BROKEN, Ask, Source, Stream
from rehub.transport.connections import Connections
from rehub.transport.credential import Authorize, Credential
from rehub.transport.failures import explained, failed, is_lasting

_LOG = logging.getLogger("rehub")
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 60.0
_TELLING = threading.Lock()


class HttpTransport:
    """A transport over the network.

    What fails for the moment (no connection, status 408, 429, 500, 502, 503, 504) is tried again; ``Retry-After`` is
    honoured up to a minute. The status of the last try is returned, not raised.

    Args:
        settings: Timeout, retries, certificates, offline mode.
        sleep: Waits that many seconds.
        connections: Those to use, and to leave open; None for new ones for each request.
    """

    def __init__(
        self,
        settings: Settings,
        sleep: Callable[[float], object] = time.sleep,
        connections: Connections | None = None,
    ) -> None:
        self._settings = settings
        self._sleep = sleep
        self._connections = connections

    @contextlib.contextmanager
    def kept(self) -> Iterator[HttpTransport]:
        """Keeps connections open. See `rehub.transport.interface.Transport`."""
        with contextlib.closing(Connections(self._settings)) as connections:
            yield HttpTransport(self._settings, self._sleep, connections)

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
        hint = "Unset REHUB_OFFLINE, or fetch the model on a machine with a network and copy the cache folder."
        with self._answer("GET", url, None, headers, hint, follow=follow, authorize=authorize) as response:
            yield response

    @contextlib.contextmanager
    def send(
        self,
        method: str,
        url: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        authorize: Authorize | None = None,
    ) -> Iterator[HttpResponse]:
        """Sends something to a URL. See `rehub.transport.interface.Transport`."""
        with self._answer(
            method, url, body, headers, "Unset REHUB_OFFLINE.", follow=False, authorize=authorize
        ) as response:
            yield response

    @contextlib.contextmanager
    def _answer(
        self,
        method: str,
        url: str,
        body: bytes | None,
        headers: Mapping[str, str] | None,
        offline_hint: str,
        *,
        follow: bool,
        authorize: Authorize | None,
    ) -> Iterator[HttpResponse]:
        if self._settings.offline:
            message = f"{redirects.shown(url)} is not asked: rehub is offline."
            raise OfflineError(message, hint=offline_hint, url=redirects.shown(url))
        with contextlib.ExitStack() as stack:
            connections = self._connections or stack.enter_context(contextlib.closing(Connections(self._settings)))

            def ask(extra: Mapping[str, str]) -> tuple[str, urllib3.BaseHTTPResponse, Credential | None]:
                send = functools.partial(self._send, connections, method, body)
                return redirects.ask(send, url, {**(headers or {}), **extra}, follow=follow, authorize=authorize)

            with contextlib.closing(HttpResponse(ask, self._settings, self._pause)) as response:
                yield response

    def _send(
        self, connections: Connections, method: str, body: bytes | None, url: str, headers: Mapping[str, str]
    ) -> urllib3.BaseHTTPResponse:
        own = {"User-Agent": f"rehub/{rehub.__version__}", "Accept-Encoding": "identity"}
        pool = connections.pool(url)
        for tries in itertools.count():
            last = tries >= self._settings.retries
            try:
                with contextlib.nullcontext() if self._settings.verify_tls else _told_once():
                    answer = pool.request(
                        method,
                        url,
                        body=body,
                        headers={**own, **headers},
                        preload_content=False,
                        redirect=False,
                        retries=False,
                    )
            except BROKEN as broken:
                if last or is_lasting(broken):
                    raise failed(url, broken, self._settings.timeout_s, is_fetching=method == "GET") from broken
                self._pause(explained(url, broken, self._settings.timeout_s)[0], tries)
                continue
            wanted_s = _retry_after_s(answer.headers)
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
        settings: Timeout, retries and number of connections.
        pause: Says why there is a retry of that number, and waits before it.
    """

    def __init__(self, ask: Ask, settings: Settings, pause: Callable[[str, int], object]) -> None:
        self.url, answer, self.credential = ask({})
        self.status = answer.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in answer.headers.items()}
        self._source = Source(ask, settings, pause, self.url, self.status, self.headers)
        self._stream = Stream(self._source, answer)
        self._connections = settings.connections

    @property
    def redirect(self) -> str | None:
        """The absolute URL to which a redirect leads that was not followed, else None."""
        return redirects.target(self.url, self)

    def close(self) -> None:
        """Closes the connection; the rest of the body is not read."""
        self._stream.close()

    def chunks(self) -> Iterator[bytes]:
        """Gives the body; when the connection breaks, asks for the rest of the same content."""
        return parts.chunks(self._source, self._stream, self._connections)


@contextlib.contextmanager
def _told_once() -> Iterator[None]:
    """Keeps urllib3 from warning of what `Connections` has warned of already, with advice."""
    with _TELLING, warnings.catch_warnings():  # which several threads may not do at once
        warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
        yield


def _retry_after_s(headers: Mapping[str, str]) -> float:
    """Reads a header ``Retry-After``, seconds or a date; 0 when there is none.

    A date is compared with the one of the answer, if it has one: the clock of this machine may be wrong.
    """
    text = headers.get("Retry-After", "")
    try:
        if text.strip().isdigit():
            return float(text)
        date, now = parsedate_tz(text), parsedate_tz(headers.get("Date", ""))
        return max(0.0, mktime_tz(date) - (mktime_tz(now) if now else time.time())) if date else 0.0
    except (ValueError, OverflowError):  # of years and digits that nobody means
        return 0.0
