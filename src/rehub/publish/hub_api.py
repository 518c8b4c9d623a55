"""What is asked of a hub to publish on it."""

from __future__ import annotations

import dataclasses
import functools
import json
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from rehub.configuration import Settings
from rehub.errors import (
    AccessError,
    ConflictError,
    HubError,
    IncompleteError,
    LimitError,
    NotFoundError,
    PublishError,
    TransferError,
)
from rehub.formats.manifest import MEDIA_TYPE
from rehub.resolvers.answers import body_text
from rehub.resolvers.credentials import find
from rehub.transport.interface import ContentLost, Response, Sender
from rehub.transport.origin import is_private, origin
from rehub.transport.redirects import shown

_RUNNING = 202
_LONGEST_PAUSE_S = 10.0
_SHOWN = 500


@dataclasses.dataclass(frozen=True)
class Begun:
    """An upload that has begun.

    Attributes:
        id: What it is known by.
        missing: The sha256 of each block to send.
    """

    id: str
    missing: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Published:
    """A version on a hub.

    Attributes:
        handle: Its URL.
        version: Its number.
        is_new: False when the hub had a version of these files before.
    """

    handle: str
    version: int
    is_new: bool


class HubApi:
    """One model on one hub, over the network.

    Args:
        hub: The URL of the hub.
        name: ``PUBLISHER/MODEL``.
        settings: How servers are asked.
        transport: The network.
        sleep: Waits that many seconds.
    """

    def __init__(
        self,
        hub: str,
        name: str,
        settings: Settings,
        transport: Sender,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._hub = hub.rstrip("/")
        self._name = name
        self._settings = settings
        self._transport = transport
        self._sleep = sleep

    def begin(self, version: int | None, manifest: bytes) -> Begun:
        """Begins an upload, or continues one of the same files.

        Args:
            version: The version to publish; None for the next free one.
            manifest: The files.

        Raises:
            HubError: If the hub refuses, or does not answer.
        """
        query = "" if version is None else f"?version={version}"
        _, values = self._send("POST", f"uploads{query}", manifest, MEDIA_TYPE)
        upload, missing = values.get("upload"), values.get("missing")
        if not isinstance(upload, str) or not isinstance(missing, list):
            raise self._no_hub()
        return Begun(upload, tuple(map(str, missing)))

    def put_block(self, upload: str, sha256: str, data: bytes) -> None:
        """Sends a block.

        Raises:
            NotFoundError: If there is no such upload any more.
            HubError: If the hub refuses, or does not answer.
        """
        self._send("PUT", f"uploads/{upload}/blocks/{sha256}", data, "application/octet-stream")

    def commit(self, upload: str, version: int | None, card: str | None) -> Published:
        """Makes a version of an upload, and waits until the hub has done so.

        Args:
            upload: What it is known by.
            version: The version to publish; None for the next free one.
            card: The model card.

        Raises:
            NotFoundError: If there is no such upload any more.
            IncompleteError: If blocks are missing.
            HubError: If the hub refuses, or does not answer.
        """
        body, pause_s = json.dumps({"version": version, "card": card}).encode(), 0.25
        while True:
            status, values = self._send("POST", f"uploads/{upload}/commit", body, "application/json")
            if status != _RUNNING:
                break
            self._sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        handle, number = values.get("handle"), values.get("version")
        if not isinstance(handle, str) or not isinstance(number, int):
            raise self._no_hub()
        # The hub may be behind a proxy that it does not know of.
        return Published(f"{self._hub}/{quote(self._name)}/{number}", number, status == 201)

    def _send(self, method: str, path: str, body: bytes, kind: str) -> tuple[int, Mapping[str, Any]]:
        url = f"{self._hub}/api/v1/models/{quote(self._name)}/{path}"
        authorize = functools.partial(find, settings=self._settings, asked=url)
        headers = {"Content-Type": kind, "Accept": "application/json"}
        for tries in range(self._settings.retries + 1):
            try:
                with self._transport.send(method, url, body, headers, authorize=authorize) as response:
                    text = b"".join(response.chunks()).decode(errors="replace") if response.status < 300 else ""
                    if response.status >= 300:
                        raise self._refused(response)
                    return response.status, self._object(text) if text else {}
            except ContentLost:  # the answer broke; it can be had again
                if tries == self._settings.retries:
                    raise
        raise AssertionError

    def _object(self, text: str) -> Mapping[str, Any]:
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            raise self._no_hub()
        return values

    def _refused(self, response: Response) -> HubError:
        """Makes the error of an answer that is no success."""
        url, status = shown(response.url), response.status
        said, hint, missing = _said(body_text(response))
        if status in (401, 403):
            return self._denied(response, said)
        if not said:  # whoever answers has no such errors
            if status in (404, 405, 501) or 300 <= status < 400:
                return self._no_hub(status)
            return TransferError(
                f"{url} answers with status {status}.", hint="Try again later.", url=url, status=status
            )
        if status == 404:
            return NotFoundError(f"{self._hub}: {said}", hint=hint, url=url, status=status)
        if status == 409 and missing:
            return IncompleteError(f"{self._hub}: {said}", hint=hint, missing=missing)
        kinds: dict[int, type[HubError]] = {400: PublishError, 409: ConflictError, 413: LimitError, 422: PublishError}
        if status in kinds:
            return kinds[status](f"{self._hub}: {said}", hint=hint)
        message = f"{self._hub} answers with status {status}: {said}"
        return TransferError(message, hint=hint, url=url, status=status)

    def _denied(self, response: Response, said: str) -> AccessError:
        server = origin(response.url)
        credential = response.credential
        if credential is None and not is_private(response.url):
            hint = f"Use https: no token is sent to {server}, because everyone on the way could read it."
        elif credential is None:
            hint = f"Get a token from whoever runs the hub, and run: rehub login {server}"
        else:
            hint = f"Get another token from whoever runs the hub, and run: rehub login {server}"
        sent = f"with {credential.source}" if credential is not None else "without a token"
        return AccessError(
            f"{self._name} may not be published on {self._hub} {sent} (status {response.status}): "
            f"{said or 'it does not say why.'}",
            hint=hint,
            url=shown(response.url),
            status=response.status,
            credentials=credential.source if credential is not None else "",
        )

    def _no_hub(self, status: int = 200) -> TransferError:
        return TransferError(
            f"{self._hub} is no hub that takes models (status {status}).",
            hint="Name the URL at which 'rehub serve' answers.",
            url=self._hub,
            status=status,
        )


def _said(text: str) -> tuple[str, str, tuple[str, ...]]:
    """Returns what a hub says of an error, what to do, and the blocks that it lacks."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return "", "", ()
    if not isinstance(values, dict) or not isinstance(values.get("error"), str):
        return "", "", ()
    missing = values.get("missing")
    listed = tuple(map(str, missing)) if isinstance(missing, list) else ()
    return _one_line(values["error"]), _one_line(str(values.get("hint", ""))), listed


def _one_line(text: str) -> str:
    """Returns a stranger's text without what a terminal would obey."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:_SHOWN]
