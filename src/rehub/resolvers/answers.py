"""What the answers of servers mean: which error a status is, and what to do then."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from rehub.errors import AccessError, HubError, NotFoundError, TransferError
from rehub.handle import Handle
from rehub.transport.interface import Response
from rehub.transport.redirects import shown

_TEXT_LIMIT_BYTES = 64 << 10
_SHOWN = 200


def refused(handle: Handle, response: Response) -> HubError:
    """Makes the error for an answer that brings no model."""
    said, versions = _explained(response)
    if response.status in (401, 403):
        return AccessError(
            f"{handle.location} may not be read (status {response.status}){said}.",
            hint=_access_hint(handle),
            handle=handle.text,
            url=shown(response.url),
            status=response.status,
        )
    if response.status in (404, 410):
        message, hint = _not_found(handle, response.status, said, versions)
        return NotFoundError(
            message, hint=hint, handle=handle.text, url=shown(response.url), status=response.status, versions=versions
        )
    wait_s = response.headers.get("retry-after", "")
    return TransferError(
        f"{shown(response.url)} answers with status {response.status}{said}.",
        hint=f"Try again in {wait_s} s." if wait_s.isdigit() else "Try again later, or ask whoever runs the server.",
        url=shown(response.url),
        status=response.status,
        content_type=response.headers.get("content-type", ""),
    )


def no_archive(response: Response, start: bytes) -> TransferError:
    """Makes the error for a body that begins like no archive."""
    kind = response.headers.get("content-type", "")
    if "html" in kind.lower() or start.lstrip()[:1] == b"<":
        hint = (
            "This is a web page, such as of a login or of a proxy: open the URL in a browser, log in there, or check "
            "HTTPS_PROXY and NO_PROXY."
        )
    else:
        hint = "Check that the URL is one of a model."
    return TransferError(
        f"{shown(response.url)} answers with no archive: status {response.status}, content type {kind or 'unknown'!r}, "
        f"first bytes {start[:60]!r}.",
        hint=hint,
        url=shown(response.url),
        status=response.status,
        content_type=kind,
    )


def body_text(response: Response) -> str:
    """Returns the beginning of a body that is meant to be read."""
    data = b""
    try:
        for chunk in response.chunks():
            data += chunk
            if len(data) >= _TEXT_LIMIT_BYTES:
                break
    except TransferError:
        pass  # the status says enough
    return data[:_TEXT_LIMIT_BYTES].decode(errors="replace").strip()


def _explained(response: Response) -> tuple[str, tuple[str, ...]]:
    """Returns what the server says about an error, and the versions that it lists."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    text = body_text(response)
    versions: tuple[str, ...] = ()
    if kind == "application/json":
        try:
            values = json.loads(text)
        except ValueError:
            return "", ()
        if not isinstance(values, dict):
            return "", ()
        listed = values.get("versions")
        versions = tuple(str(version) for version in listed) if isinstance(listed, list) else ()
        text = str(values.get("error", ""))
    elif kind != "text/plain":
        return "", ()
    text = " ".join(text.split()).rstrip(".")
    return (f": {text[:_SHOWN]}" if text else ""), versions


def _not_found(handle: Handle, status: int, said: str, versions: tuple[str, ...]) -> tuple[str, str]:
    """Returns the message and the hint for a model or a version that is not there."""
    if versions and handle.version is not None:
        model = urlsplit(handle.location).path.strip("/").rpartition("/")[0]
        return (
            f"no version {handle.version} of {model!r} on {handle.host}; there {_listed(versions)}.",
            "Ask for one of these, or omit the version to get the newest.",
        )
    return (
        f"{handle.location} {'is gone' if status == 410 else 'does not exist'} (status {status}){said}.",
        "Check its spelling, and open it in a browser: a model's URL reads https://HOST/PUBLISHER/MODEL/VERSION.",
    )


def _listed(versions: tuple[str, ...]) -> str:
    if len(versions) == 1:
        return f"is {versions[0]}"
    return f"are {', '.join(versions[:-1])} and {versions[-1]}"


def _access_hint(handle: Handle) -> str:
    if handle.is_kaggle:
        return (
            f"Open {handle.location} in a browser, log in and accept the terms of the model; a private model needs "
            "the credentials of a Kaggle account as well."
        )
    return f"Ask whoever runs {handle.host} for access, and check the spelling of the URL."
