"""Tokens: who may publish, and who may read what is private. The store has their hashes, and never a token.

A token is random and long, so its plain sha256 tells nobody what it is.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import hashlib
import json
import re
import secrets
from collections.abc import Collection

from rehub.errors import FormatError, NotFoundError, PublishError
from rehub.server import names
from rehub.server.documents import Documents
from rehub.storage.interface import ObjectStore

PREFIX = "rehub_"
"""What every token begins with, so that programs that look for secrets find it."""

_FRESH_S = 2.0
_SECRET_BYTES = 32
_TOKEN = re.compile(rf"{PREFIX}[a-z2-7]{{52}}")
_NAME_LIMIT = 100
_ID_DIGITS = 12


@dataclasses.dataclass(frozen=True)
class Token:
    """What is known of a token.

    Attributes:
        sha256: Of the token.
        name: For people: who has it, or for what.
        publishers: Those that it is for; None for all.
        can_publish: Whether it is for publishing too, and not for reading alone.
        created: When it was made.
        expires: When it ends; None for never.
    """

    sha256: str
    name: str
    publishers: frozenset[str] | None
    can_publish: bool
    created: datetime.datetime
    expires: datetime.datetime | None

    @property
    def id(self) -> str:
        """By what it is revoked: the beginning of its hash."""
        return self.sha256[:_ID_DIGITS]

    def may_read(self, publisher: str) -> bool:
        """Whether it opens a private publisher."""
        return self.publishers is None or publisher in self.publishers

    def may_publish(self, publisher: str) -> bool:
        """Whether it is for publishing models of a publisher."""
        return self.can_publish and self.may_read(publisher)

    def is_over(self, now: datetime.datetime) -> bool:
        """Whether it has expired."""
        return self.expires is not None and now >= self.expires


class Tokens:
    """The tokens of a hub. Many threads may use them.

    Args:
        store: The hub's.
        fresh_s: For how many seconds a server goes on with what it knows; a token that is revoked ends after that.
    """

    def __init__(self, store: ObjectStore, *, fresh_s: float = _FRESH_S) -> None:
        self._store = store
        self._documents = Documents(store, fresh_s)

    def create(
        self,
        name: str,
        publishers: Collection[str] | None,
        *,
        can_publish: bool = True,
        expires: datetime.datetime | None = None,
    ) -> str:
        """Makes a token, and returns it: nobody can tell it again.

        Args:
            name: For people; no other token has it.
            publishers: Those that it is for; None for all.
            can_publish: Whether it is for publishing, too.
            expires: When it ends, with a time zone; None for never.

        Raises:
            PublishError: If the name is empty, long or taken, or a publisher is none.
            StoreError: If the store fails.
        """
        if not name.strip() or len(name) > _NAME_LIMIT or not name.isprintable():
            raise PublishError(
                f"{name[:40]!r} is no name for a token.", hint=f"Use one line of {_NAME_LIMIT} characters at most."
            )
        if publishers is not None and not publishers:
            raise PublishError("the token is for no publisher.", hint="Name one, or make it for all.")
        for publisher in publishers or ():
            names.check_publisher(publisher)
        if any(token.name == name for token in self.all()):
            raise PublishError(f"there is a token named {name!r}.", hint="Use another name, or revoke that one first.")
        token = PREFIX + base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode().rstrip("=").lower()
        values = {
            "name": name,
            "publishers": "*" if publishers is None else sorted(publishers),
            "can_publish": can_publish,
            "created": _text(datetime.datetime.now(datetime.timezone.utc)),
        }
        if expires is not None:
            values["expires"] = _text(expires)
        self._store.put(names.token_key(_sha256(token)), json.dumps(values, indent=2).encode() + b"\n")
        return token

    def all(self) -> tuple[Token, ...]:
        """Returns what is known of all tokens, by name; those that have expired are among them.

        Raises:
            FormatError: If one is damaged.
            StoreError: If the store fails.
        """
        prefix = names.TOKENS_PREFIX
        hashes = (info.key[len(prefix) :].removesuffix(".json") for info in self._store.list(prefix))
        found = (self._find(sha256) for sha256 in hashes if names.SHA256.fullmatch(sha256))
        return tuple(sorted((token for token in found if token), key=lambda token: token.name))

    def revoke(self, name: str) -> Token:
        """Ends a token.

        Args:
            name: Its name or its id.

        Returns:
            The token.

        Raises:
            NotFoundError: If there is none.
            StoreError: If the store fails.
        """
        for token in self.all():
            if name in (token.name, token.id):
                key = names.token_key(token.sha256)
                self._store.delete(key)
                self._documents.forget(key)
                return token
        raise NotFoundError(f"there is no token {name[:100]!r}.", hint="List them with 'rehub serve token list'.")

    def check(self, token: str, *, now: datetime.datetime | None = None) -> Token | None:
        """Returns what a token is for; None if it is none, was revoked, or has expired.

        Args:
            token: What a client sends.
            now: The time; None for what the clock says.

        Raises:
            FormatError: If what is stored of it is damaged.
            StoreError: If the store fails.
        """
        # It is looked up by its hash: how long that takes tells nothing of other tokens.
        found = self._find(_sha256(token)) if _TOKEN.fullmatch(token) else None
        is_over = found is not None and found.is_over(now or datetime.datetime.now(datetime.timezone.utc))
        return None if is_over else found

    def _find(self, sha256: str) -> Token | None:
        return self._documents.get(names.token_key(sha256), lambda data: _read(sha256, data))


def _read(sha256: str, data: bytes) -> Token:
    try:
        values = json.loads(data)
        publishers, expires = values["publishers"], values.get("expires")
        return Token(
            sha256,
            str(values["name"]),
            None if publishers == "*" else frozenset(map(names.check_publisher, publishers)),
            values["can_publish"] is True,
            datetime.datetime.fromisoformat(values["created"]),
            None if expires is None else datetime.datetime.fromisoformat(expires),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise FormatError(
            f"what is stored of the token {sha256[:_ID_DIGITS]} is damaged.",
            hint=f"Delete {names.token_key(sha256)} in the store, and make another one.",
        ) from error


def _text(time: datetime.datetime) -> str:
    return time.astimezone(datetime.timezone.utc).isoformat(timespec="seconds")


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
