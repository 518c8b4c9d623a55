"""Who asks, and what they may see and publish."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Mapping

from rehub.errors import AccessError
from rehub.server.library import Library
from rehub.server.tokens import Token, Tokens

_HINT = "Get a token from whoever runs the hub, then run: rehub login HOST"


@dataclasses.dataclass(frozen=True)
class Visitor:
    """Who asks.

    Attributes:
        address: From where.
        token: What is known of the token that was sent; None without one.
        is_browser: Whether it was sent as a password, which browsers do by themselves, also for pages of others.
    """

    address: str
    token: Token | None = None
    is_browser: bool = False

    @property
    def key(self) -> str:
        """By what its requests are counted."""
        return self.token.sha256 if self.token is not None else self.address


class Doorkeeper:
    """Tells who may do what. All of it waits for the store.

    Args:
        library: The hub's.
        tokens: The hub's.
    """

    def __init__(self, library: Library, tokens: Tokens) -> None:
        self._library = library
        self._tokens = tokens

    def visitor(self, address: str, authorization: str | None) -> Visitor:
        """Returns who asks.

        Args:
            address: From where.
            authorization: The header: ``Bearer TOKEN``, or ``Basic`` with the token as the password.

        Raises:
            AccessError: With status 401, if the token is none, or none any more.
            StoreError: If the store fails.
        """
        if not authorization:
            return Visitor(address)
        scheme, _, value = authorization.strip().partition(" ")
        is_basic = scheme.lower() == "basic"
        text = _password(value) if is_basic else value.strip() if scheme.lower() == "bearer" else ""
        token = self._tokens.check(text)
        if token is None:
            raise AccessError("the token is not valid, or not any more.", hint=_HINT, status=401)
        return Visitor(address, token, is_basic)

    def may_read(self, visitor: Visitor, publisher: str) -> bool:
        """Whether somebody may know what a publisher has.

        Raises:
            FormatError: If what is set for the publisher is damaged.
            StoreError: If the store fails.
        """
        if visitor.token is not None and visitor.token.may_read(publisher):
            return True
        return not self._library.publisher(publisher).is_private

    def check_publishing(self, visitor: Visitor, publisher: str) -> str:
        """Returns the name of the token by which somebody may publish as a publisher.

        Raises:
            AccessError: With status 401 without a token, and 403 for one that is for something else.
        """
        token = visitor.token
        if token is None or visitor.is_browser:
            raise AccessError("publishing needs a token, as 'Authorization: Bearer TOKEN'.", hint=_HINT, status=401)
        if not token.may_publish(publisher):
            what = f"for publishing as {publisher[:100]!r}" if token.can_publish else "for publishing"
            raise AccessError(
                f"the token {token.name!r} is not {what}.", hint="Use another one, or another publisher.", status=403
            )
        return token.name


def address_of(client: tuple[str, int] | None, headers: Mapping[str, str], *, is_behind_proxy: bool) -> str:
    """Returns the address of a client: that of the connection, or the last one that the proxy added."""
    forwarded = headers.get("x-forwarded-for", "").rpartition(",")[2].strip() if is_behind_proxy else ""
    return forwarded[:100] or (client[0] if client else "")


def _password(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""
