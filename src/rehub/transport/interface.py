"""What rehub asks of a transport: GET, with the body as a stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from rehub.errors import TransferError

if TYPE_CHECKING:
    from rehub.transport.credential import Authorize, Credential


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
