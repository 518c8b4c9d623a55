"""Following redirects without going in circles, losing encryption or telling secrets to strangers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import urljoin, urlsplit, urlunsplit

from rehub.errors import TransferError
from rehub.transport.origin import is_same_origin, origin

if TYPE_CHECKING:
    from rehub.transport.credential import Authorize, Credential

_STATUSES = frozenset({301, 302, 303, 307, 308})
_LIMIT = 10
_LOGIN = re.compile(r"(?<=:)//[^/]*@")
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
    try:
        return urlunsplit(urlsplit(urljoin(url, location))._replace(fragment=""))
    except ValueError:
        return location


def shown(url: str) -> str:
    """Returns a URL as it may be printed: without a login and the query, which may hold a signature."""
    return _LOGIN.sub("//…@", url.partition("?")[0])


def ask(
    send: Callable[[str, Mapping[str, str]], _AnswerT],
    url: str,
    headers: Mapping[str, str],
    *,
    follow: bool,
    authorize: Authorize | None,
) -> tuple[str, _AnswerT, Credential | None]:
    """Asks for a URL, and for what it redirects to.

    Args:
        send: Asks one server for one URL.
        url: Where to begin.
        headers: Sent as long as scheme, host and port stay the same; after that only those that hold no secret.
        follow: Whether to go on until an answer is no redirect.
        authorize: Says what is sent to a URL to show who asks.

    Returns:
        The last URL, its answer, and what was sent to it to show who asks.

    Raises:
        TransferError: If a redirect leads to a URL asked before, to more than ten others, from https to http, or
            to something that is no URL of the web.
    """
    seen = [url]
    while True:
        credential = authorize(url) if authorize is not None else None
        answer = send(url, {**headers, "Authorization": credential.header} if credential is not None else headers)
        location = target(url, answer) if follow else None
        if location is None:
            return url, answer, credential
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
        if not is_same_origin(location, url):
            headers = {name: value for name, value in headers.items() if name.lower() in _HARMLESS}
        url = location
        seen.append(url)


def check(url: str, location: str) -> None:
    """Refuses a redirect that nobody should follow.

    Raises:
        TransferError: If it leads from https to http, or to something that is no URL of the web.
    """
    try:
        new = origin(location)
    except ValueError:
        raise TransferError(
            f"{shown(url)} redirects to {shown(location)!r}, which is no http or https URL.",
            hint="Ask whoever runs the server.",
            url=shown(url),
        ) from None
    if urlsplit(url).scheme == "https" and new.startswith("http:"):
        raise TransferError(
            f"{shown(url)} redirects to {shown(location)}, which is not encrypted.",
            hint="Ask whoever runs the server to redirect to https, or load from that URL if you trust the way.",
            url=shown(url),
        )
