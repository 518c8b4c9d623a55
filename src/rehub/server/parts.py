"""Answers with a file of a model, whole or in part."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse


def file_answer(request: Request, path: Path, size_bytes: int, headers: Mapping[str, str]) -> FileResponse:
    """Returns the answer to a request for a file, with a range or without.

    Args:
        request: The request.
        path: The file.
        size_bytes: Its size.
        headers: Of the answer; the ETag is a strong one.
    """
    if _asks_for_all(request, size_bytes, headers["ETag"]):
        # The server sends whole files without the help of Python, parts of files not.
        headers = {**headers, "Content-Range": f"bytes 0-{size_bytes - 1}/{size_bytes}"}
        return _Part(path, 206, headers, media_type="application/octet-stream")
    return _Part(path, headers=headers, media_type="application/octet-stream")


class _Part(FileResponse):
    chunk_size = 1 << 20  # each one costs a change of threads


def _asks_for_all(request: Request, size_bytes: int, etag: str) -> bool:
    """Whether a client asks for a file as one part."""
    wanted = request.headers.get("range", "").replace(" ", "")
    is_all = size_bytes > 0 and wanted in ("bytes=0-", f"bytes=0-{size_bytes - 1}")
    return is_all and request.headers.get("if-range", etag) == etag
