"""Following redirects without going in circles, losing encryption or telling secrets to strangers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar
from urllib.parse import urldefrag, urljoin, urlsplit

from rehub.errors import TransferError

_STATUSES = frozenset({301, 302, 303, 307, 308})
_LIMIT = 10
_HARMLESS = frozenset({"accept", "if-none-match", "if-range", "range"})


class _Answer(Protocol):
    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    def close(self) -> None: ...


_AnswerT = TypeVar("_AnswerT", bound=_Answer)


def target(url: str, answer: _Answer) -> str | None:
    """Returns the absolute URL to which an answer redirects, None if it does not.

    The URL need not be one of http, and it is not checked.
    """
    location = answer.headers.get("location")
    if answer.status not in _STATUSES or not location:
        return None
    return urldefrag(urljoin(url, location)).url


def shown(url: str) -> str:
    """Returns a URL as it may be printed: a query may hold a signature, which is a secret."""
    return url.partition("?")[0]


def follow(
    send: Callable[[str, Mapping[str, str]], _AnswerT], url: str, headers: Mapping[str, str]
) -> tuple[str, _AnswerT]:
    """Asks for a URL and for what it redirects to, until an answer is no redirect.

    Args:
        send: Asks one server for one URL.
        url: Where to begin.
        headers: Sent as long as scheme, host and port stay the same; after that only those that hold no secret.

    Returns:
        The last URL, and its answer.

    Raises:
        TransferError: If a redirect leads to a URL asked before, to more than ten others, from https to http, or
            to something that is no URL of the web.
    """
    seen = [url]
    while True:
        answer = send(url, headers)
        location = target(url, answer)
        if location is None:
            return url, answer
        answer.close()
        check(url, location)
        if location in seen or len(seen) > _LIMIT:
            what = "in a circle" if location in seen else f"more than {_LIMIT} times"
            raise TransferError(
                f"{shown(seen[0])} redirects {what}, the last time to {shown(location)}.",
                hint="Check the URL in a browser, or ask whoever runs the server.",
                url=shown(seen[0]),
                status=answer.status,
            )
        if _origin(location) != _origin(url):
            headers = {name: value for name, value in headers.items() if name.lower() in _HARMLESS}
        url = location
        seen.append(url)


def check(url: str, location: str) -> None:
    """Refuses a redirect that nobody should follow.

    Raises:
        TransferError: If it leads from https to http, or to something that is no URL of the web.
    """
    old, new = urlsplit(url).scheme, urlsplit(location).scheme
    if new not in ("http", "https") or not urlsplit(location).hostname:
        raise TransferError(
            f"{shown(url)} redirects to {shown(location)!r}, which is no http or https URL.",
            hint="Ask whoever runs the server.",
            url=shown(url),
        )
    if old == "https" and new == "http":
        raise TransferError(
            f"{shown(url)} redirects to {shown(location)}, which is not encrypted.",
            hint="Ask whoever runs the server to redirect to https, or load from that URL if you trust the way.",
            url=shown(url),
        )


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", port
