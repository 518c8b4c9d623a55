"""Forms that browsers send. Source: RFC 7578, "multipart/form-data"."""

from __future__ import annotations

from collections.abc import Mapping
from email.message import Message

from rehub.server.bodies import BodyError

_FIELDS_LIMIT = 16
_HEADERS_LIMIT_BYTES = 4096


def read_form(content_type: str, body: bytes) -> Mapping[str, bytes]:
    """Returns the values of a form, files too, by their names; the first one where a name comes twice.

    Args:
        content_type: The header.
        body: What was sent.

    Raises:
        BodyError: If it is no form, or a damaged one.
    """
    kind = _header("Content-Type", content_type)
    boundary = kind.get_param("boundary")
    if kind.get_content_type() != "multipart/form-data" or not isinstance(boundary, str) or not boundary:
        raise BodyError(415, "That is no form.", "Send multipart/form-data.")
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("latin-1", "replace"), _FIELDS_LIMIT + 2)
    if len(parts) < 2 or not parts[-1].startswith(b"--"):
        raise BodyError(400, "That form is damaged.", "Send it again.")
    found: dict[str, bytes] = {}
    for part in parts[1:-1]:
        headers, _, value = part.partition(b"\r\n\r\n")
        found.setdefault(_name(headers), value)
    return found


def _name(headers: bytes) -> str:
    for line in headers[:_HEADERS_LIMIT_BYTES].decode("utf-8", "replace").split("\r\n"):
        title, _, value = line.partition(":")
        if title.strip().lower() == "content-disposition":
            name = _header("Content-Disposition", value.strip()).get_param("name", header="Content-Disposition")
            return name if isinstance(name, str) else ""
    return ""


def _header(title: str, value: str) -> Message:
    message = Message()
    message[title] = value
    return message
