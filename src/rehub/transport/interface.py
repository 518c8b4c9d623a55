"""What rehub asks of a transport: GET, with the body as a stream, and sending what is safe to send again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from rehub.errors import TransferError

if TYPE_CHECKING:
    from rehub.transport.credential import Authorize, Credential


_LENGTH = re.compile("[0-9]{1,18}")  # Python reads other digits too, and refuses thousands of them
_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)")


def content_length(headers: Mapping[str, str]) -> int | None:
    """Returns how many bytes the body of an answer has, None where the server did not tell it.

    Args:
        headers: By lower-case name.
    """
    text = headers.get("content-length", "")
    return int(text) if _LENGTH.fullmatch(text) else None


def content_range(headers: Mapping[str, str]) -> tuple[int, int | None] | None:
    """Returns the first byte that an answer brings, and how many there are in all, None where the server did not say.

    None if it does not bring a part.

    Args:
        headers: By lower-case name.
    """
    place = _RANGE.fullmatch(headers.get("content-range", ""))
    return None if place is None else (int(place[1]), None if place[2] == "*" else int(place[2]))


class ContentLost(TransferError):  # noqa: N818 - says what happened
    """A body broke and cannot be continued, but the whole can be asked for again."""


class Response(Protocol):
    """The answer of a server.

    Attributes:
        status: The HTTP status, of whatever value.
        url: Where the answer came from, after redirects.
        headers: By lower-case name.
        redirect: The absolute URL to which a redirect leads that was not followed, else None.
        credential: What was sent to ``url`` to show who asks; None for nothing.
    """

    @property
    def status(self) -> int: ...  # noqa: D102
    @property
    def url(self) -> str: ...  # noqa: D102
    @property
    def headers(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def redirect(self) -> str | None: ...  # noqa: D102
    @property
    def credential(self) -> Credential | None: ...  # noqa: D102

    def chunks(self) -> Iterator[bytes]:
        """Gives the body once, checked to be as long as the server said.

        Raises:
            ContentLost: If the body breaks and its rest cannot be had alone.
            TransferError: If the body breaks and the server is gone.
        """
        ...


class Transport(Protocol):
    """Fetches URLs."""

    def kept(self) -> AbstractContextManager[Transport]:
        """Gives a transport for many requests, also at once: its connections stay open until the context is left."""
        ...

    def get(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        follow: bool = True,
        authorize: Authorize | None = None,
    ) -> AbstractContextManager[Response]:
        """Asks for a URL; leaving the context closes the connection.

        Args:
            url: ``http`` or ``https``.
            headers: Those that may hold a secret are sent to the origin of ``url`` only.
            follow: Whether redirects are followed.
            authorize: Says for each URL on the way what is sent to show who asks.

        Raises:
            OfflineError: If the network is switched off or out of reach.
            TransferError: If no answer comes, or redirects go in circles or from https to http.
        """
        ...


class Sender(Transport, Protocol):
    """A transport that sends, too."""

    def kept(self) -> AbstractContextManager[Sender]:
        """As of `Transport`."""
        ...

    def send(
        self,
        method: str,
        url: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        authorize: Authorize | None = None,
    ) -> AbstractContextManager[Response]:
        """Sends something to a URL; what fails for the moment is sent again. No redirects are followed.

        Args:
            method: Such as ``PUT``. Doing it twice has to be the same as doing it once.
            url: ``http`` or ``https``.
            body: What is sent.
            headers: Further headers.
            authorize: Says what is sent to show who asks.

        Raises:
            OfflineError: If the network is switched off or out of reach.
            TransferError: If no answer comes.
        """
        ...
