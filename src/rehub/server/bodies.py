"""What clients send after the headers of a request."""

from __future__ import annotations

import anyio
from starlette.requests import ClientDisconnect, Request

_PATIENCE_S = 60.0
_SLOWEST_BYTES_PER_S = 10_000.0
"""Who is slower, or silent, keeps a place from others."""


class BodyError(Exception):
    """The body of a request is not what it can be.

    Args:
        status: The HTTP status that says so.
        message: What is wrong, for whoever sent it.
        hint: What to do.
    """

    def __init__(self, status: int, message: str, hint: str) -> None:
        super().__init__(status, message, hint)
        self.status = status
        self.message = message
        self.hint = hint


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """Returns the body of a request.

    Raises:
        BodyError: If it is too large, of unknown size, or of another one than the request says; or does not come.
        ConnectionResetError: If the client goes away.
    """
    length = request.headers.get("content-length", "")
    if not length.isascii() or not length.isdecimal():
        raise BodyError(411, "The request has no Content-Length.", "Send it.")
    if len(length) > 18 or int(length) > limit_bytes:
        raise BodyError(413, f"The body has more than {limit_bytes} bytes.", "Send less at a time.")
    chunks, size_bytes = [], 0
    try:
        with anyio.fail_after(_PATIENCE_S + int(length) / _SLOWEST_BYTES_PER_S):
            async for chunk in request.stream():
                chunks.append(chunk)
                size_bytes += len(chunk)
                if size_bytes > int(length):
                    break
    except TimeoutError as error:
        raise BodyError(408, "The body does not come.", "Send it again, or over a faster connection.") from error
    except ClientDisconnect as error:
        raise ConnectionResetError("the client is gone") from error
    if size_bytes != int(length):
        raise BodyError(400, f"The body has not the {length} bytes that were promised.", "Send it again.")
    return b"".join(chunks)
