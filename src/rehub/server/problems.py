"""What went wrong, as an answer: a status, and JSON with the message, what to do, and the id of the request."""

from __future__ import annotations

import http
import logging
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from rehub.errors import (
    AccessError,
    ChecksumError,
    ConflictError,
    FormatError,
    HubError,
    IncompleteError,
    LimitError,
    NotFoundError,
    PublishError,
    StoreError,
    UsageError,
)

CHALLENGES = {"WWW-Authenticate": 'Bearer realm="rehub"'}
"""Of an answer 401 to a program."""

_STATUSES: tuple[tuple[type[HubError], int], ...] = (
    (NotFoundError, 404),
    (ConflictError, 409),
    (IncompleteError, 409),
    (LimitError, 413),
    (PublishError, 422),
    (ChecksumError, 422),
    (FormatError, 422),
    (UsageError, 503),
    (StoreError, 503),
)
_RETRY = {"Retry-After": "2"}
_LOG = logging.getLogger("rehub.server")


def problem(
    request: Request,
    status: int,
    message: str,
    hint: str = "",
    *,
    headers: Mapping[str, str] | None = None,
    **facts: object,
) -> Response:
    """Returns an answer that says what went wrong.

    Args:
        request: The request.
        status: The HTTP status.
        message: What happened.
        hint: What to do next.
        headers: Further headers.
        **facts: Further values.
    """
    body = {"error": message, "hint": hint, "request_id": request.state.request_id, **facts}
    return JSONResponse(body, status_code=status, headers={"Cache-Control": "no-cache", **(headers or {})})


def problem_of(request: Request, error: HubError) -> Response:
    """Returns the answer for an error; that of a store does not tell clients where the store is."""
    if isinstance(error, AccessError):
        status = error.status or 403
        headers = CHALLENGES if status == 401 else {}
        return problem(request, status, error.message, error.hint, headers=headers)
    if isinstance(error, StoreError):
        tell_operator(request, error)
        if error.is_full:
            return problem(request, 507, "the hub has no space left.", "Tell whoever runs it.")
        return problem(request, 503, "the store of the hub does not answer.", "Try again in a moment.", headers=_RETRY)
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)
    facts: dict[str, object] = {"missing": list(error.missing)} if isinstance(error, IncompleteError) else {}
    return problem(request, status, error.message, error.hint, headers=_RETRY if status == 503 else None, **facts)


def problem_of_http(request: Request, error: HTTPException) -> Response:
    """Returns the answer for what has no answer: another path, another method."""
    words = http.HTTPStatus(error.status_code).phrase
    return problem(request, error.status_code, f"{request.method} is answered with: {words}.", headers=error.headers)


def tell_operator(request: Request, error: HubError) -> None:
    """Writes to the log what clients are not told: why the store fails, and where it is."""
    _LOG.error("request %s of %s: %s", request.state.request_id, ascii(request.scope["path"]), error)
