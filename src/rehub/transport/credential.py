"""Credentials: what is sent to show who asks."""

from __future__ import annotations

import base64
import dataclasses
import re
from collections.abc import Callable

from rehub.errors import SettingError

_TOKEN = re.compile(r"[\x21-\x7e]+")


@dataclasses.dataclass(frozen=True)
class Credential:
    """A secret, and where it comes from.

    Attributes:
        header: The value of the header ``Authorization``. It is never shown.
        source: Which one it is, for messages: ``the token for https://HOST of FILE``.
    """

    header: str = dataclasses.field(repr=False)
    source: str

    @classmethod
    def bearer(cls, token: str, source: str) -> Credential:
        """Makes one of a token; white space around it is dropped.

        Raises:
            SettingError: If it is empty, or has characters that cannot be sent.
        """
        token = token.strip()
        if not _TOKEN.fullmatch(token):
            # Python's HTTP client would refuse it too, and show it.
            what = "has spaces, line breaks or letters beyond ASCII" if token else "is empty"
            raise SettingError(
                f"{source} {what}.",
                hint="Store it again, as the server gave it.",
            )
        return cls(f"Bearer {token}", source)

    @classmethod
    def basic(cls, user: str, password: str, source: str) -> Credential:
        """Makes one of a user name and a password."""
        return cls("Basic " + base64.b64encode(f"{user}:{password}".encode()).decode(), source)


Authorize = Callable[[str], "Credential | None"]
"""Returns what may be sent to a URL; None for nothing."""
