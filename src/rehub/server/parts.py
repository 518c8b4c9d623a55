"""Parts of what there is, and answers with those of files."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from rehub.server.bridge import SEND_FILE

_RANGE = re.compile(r"bytes\s*=\s*(?:(?P<start>[0-9]{1,18})\s*-\s*(?P<end>[0-9]{0,18})|-\s*(?P<last>[0-9]{1,18}))\s*")


@dataclasses.dataclass(frozen=True)
class Part:
    """The bytes that an answer has.

    Attributes:
        start: The first one.
        end: The one after the last.
        size_bytes: Of all there is.
        status: 200 for all, 206 for what was asked for, 416 for what is not there.
    """

    start: int
    end: int
    size_bytes: int
    status: int

    @property
    def headers(self) -> dict[str, str]:
        """Those of an answer with these bytes."""
        found = {"Accept-Ranges": "bytes", "Content-Length": str(self.end - self.start)}
        if self.status == 206:
            found["Content-Range"] = f"bytes {self.start}-{self.end - 1}/{self.size_bytes}"
        elif self.status == 416:
            found["Content-Range"] = f"bytes */{self.size_bytes}"
            found["Cache-Control"] = "no-cache"  # nginx keeps errors, too, and not every cache looks at the range
        return found


def wanted_part(request: Request, size_bytes: int, headers: Mapping[str, str]) -> Part:
    """Returns what a request asks for: one range, else all.

    Several ranges, what is no range, and any range of nothing are answered with all, as the standard allows.

    Args:
        request: The request.
        size_bytes: How many bytes there are.
        headers: Of the answer: ``ETag``, a strong one, and perhaps ``Last-Modified``.
    """
    whole = Part(0, size_bytes, size_bytes, 200)
    wanted = _RANGE.fullmatch(request.headers.get("range", "").strip().lower())
    validators = (None, headers["ETag"], headers.get("Last-Modified", headers["ETag"]))
    if not size_bytes or wanted is None or request.headers.get("if-range") not in validators:
        return whole
    if wanted["last"] is not None:
        start, end = max(0, size_bytes - int(wanted["last"])), size_bytes
    else:
        start, end = int(wanted["start"]), int(wanted["end"]) + 1 if wanted["end"] else size_bytes
        if wanted["end"] and end <= start:
            return whole
    if start >= size_bytes:
        return Part(0, 0, size_bytes, 416)
    return Part(start, min(end, size_bytes), size_bytes, 206)


class FileAnswer(Response):
    """An answer with a part of a file, which the server sends by itself.

    Args:
        path: The file.
        part: What of it.
        headers: Further headers.
        media_type: What the file is.
    """

    def __init__(self, path: Path, part: Part, headers: Mapping[str, str], media_type: str) -> None:
        super().__init__(status_code=part.status, headers={**headers, **part.headers}, media_type=media_type)
        self._path = path
        self._part = part

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the answer."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope["method"] == "HEAD" or self._part.start == self._part.end:
            await send({"type": "http.response.body", "body": b""})
        else:
            part = (self._part.start, self._part.end)
            await send({"type": SEND_FILE, "path": str(self._path), "part": part})
