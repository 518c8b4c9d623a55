"""What the answers of servers mean: which error a status is, and what to do then."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from rehub.errors import AccessError, FormatError, HubError, NotFoundError, TransferError
from rehub.handle import Handle
from rehub.transport.interface import Response
from rehub.transport.origin import is_private, is_same_origin, origin
from rehub.transport.redirects import shown

_TEXT_LIMIT_BYTES = 64 << 10
_SHOWN = 500
_KAGGLE = "https://www.kaggle.com"
_EXPIRED_AT_GOOGLE = 400  # Google Cloud Storage calls an expired signature a bad request; others, 403


class LinkRefused(AccessError):  # noqa: N818 - says what happened
    """A server refuses what another one sent the request to, such as an address whose signature has expired."""


def refused(handle: Handle, response: Response, asked: str) -> HubError:
    """Makes the error for an answer that brings no model.

    Args:
        handle: Whose model was asked for.
        response: The answer.
        asked: The URL that was asked at first.
    """
    said, versions = _explained(response)
    is_link = response.credential is None and not is_same_origin(asked, response.url)
    if response.status in (401, 403) or (is_link and response.status == _EXPIRED_AT_GOOGLE):
        credentials = response.credential.source if response.credential is not None else ""
        sent = f"with {credentials}" if credentials else "without credentials"
        return (LinkRefused if is_link else AccessError)(
            f"{shown(handle.location)} may not be read {sent} (status {response.status} of {_server(response)}){said}.",
            hint=_access_hint(response, asked),
            handle=handle.text,
            url=shown(response.url),
            status=response.status,
            credentials=credentials,
        )
    if response.status in (404, 410):
        message, hint = _not_found(handle, response, said, versions)
        return NotFoundError(
            message, hint=hint, handle=handle.text, url=shown(response.url), status=response.status, versions=versions
        )
    return TransferError(
        f"{shown(response.url)} answers with status {response.status}{said}.",
        hint=_later_hint(response),
        url=shown(response.url),
        status=response.status,
        content_type=response.headers.get("content-type", ""),
    )


class BadArchive(FormatError, OSError):  # noqa: N818 - says what came
    """An archive is damaged, or not to be trusted; tensorflow_hub raised an ``OSError`` for some of these."""


def bad_archive(what: str, error: FormatError) -> BadArchive:
    """Makes the error for an archive that cannot be unpacked.

    Args:
        what: Where it comes from.
        error: Why it cannot.
    """
    message = f"{what} does not appear to be a valid module. {error.message[:1].upper()}{error.message[1:]}"
    return BadArchive(message, hint=error.hint, member=error.member)


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
        f"{shown(response.url)} does not appear to be a valid module. It is no archive: status {response.status}, "
        f"content type {kind or 'unknown'!r}, first bytes {start[:60]!r}.",
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
        versions = tuple(_one_line(str(version)) for version in listed) if isinstance(listed, list) else ()
        text = str(values.get("error", ""))
    elif kind != "text/plain":
        return "", ()
    text = _one_line(text).rstrip(".")
    return (f": {text[:_SHOWN]}" if text else ""), versions


def _one_line(text: str) -> str:
    """Returns a stranger's text without what a terminal would obey, such as escape sequences."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _not_found(handle: Handle, response: Response, said: str, versions: tuple[str, ...]) -> tuple[str, str]:
    """Returns the message and the hint for a model or a version that is not there."""
    where = "" if is_same_origin(handle.location, response.url) else f" of {_server(response)}"
    if response.status == 410:
        hint = f"Ask for another version; there {_listed(versions)}." if versions else "Ask whoever runs the server."
        return f"{handle.location} is gone (status 410{where}){said}.", hint
    if versions and handle.version is not None:
        model = urlsplit(handle.location).path.strip("/").rpartition("/")[0]
        return (
            f"no version {handle.version} of {model!r} on {urlsplit(response.url).netloc}; there {_listed(versions)}.",
            "Ask for one of these, or omit the version to get the newest.",
        )
    hint = "Check its spelling, and open it in a browser: a model's URL reads https://HOST/PUBLISHER/MODEL/VERSION."
    if urlsplit(handle.location).scheme in ("http", "https"):
        server = origin(handle.location)
        if response.credential is None:
            hint += f" If it is private, run: rehub login {server}."
        hint += f" If another server has it, name that: REHUB_MIRRORS={server}=https://OTHER-HOST"
    return f"{handle.location} does not exist (status {response.status}{where}){said}.", hint


def _later_hint(response: Response) -> str:
    if response.status == 407:
        return "The proxy wants a login: set HTTP_PROXY and HTTPS_PROXY to http://USER:PASSWORD@HOST:PORT."
    wait_s = response.headers.get("retry-after", "")
    return f"Try again in {wait_s} s." if wait_s.isdigit() else "Try again later, or ask whoever runs the server."


def _listed(versions: tuple[str, ...]) -> str:
    if len(versions) == 1:
        return f"is {versions[0]}"
    return f"are {', '.join(versions[:-1])} and {versions[-1]}"


def _server(response: Response) -> str:
    try:
        return origin(response.url)
    except ValueError:
        return shown(response.url)


def _access_hint(response: Response, asked: str) -> str:
    is_known = response.credential is not None
    server = _server(response)
    if server == _KAGGLE:
        login = (
            "If the terms are accepted, get a new token at https://www.kaggle.com/settings/api."
            if is_known
            else "Then get a token at https://www.kaggle.com/settings/api, and set KAGGLE_API_TOKEN to it."
        )
        return f"Open {shown(response.url)} in a browser, log in and accept the terms of the model. {login}"
    if not is_known and not is_same_origin(asked, response.url):
        host = urlsplit(asked).netloc
        return f"{host} sent the request there. Such addresses expire: try again, or ask whoever runs it."
    if not is_private(response.url):
        return f"Use https: no credentials are sent to {server}, because everyone on the way could read them."
    if is_known:
        return f"Ask whoever runs {server} for access, or for a new token, and run: rehub login {server}"
    return f"If you have a token for it, run: rehub login {server}. Else ask whoever runs it for access."
