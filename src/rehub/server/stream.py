"""Answers with what a store gives piece by piece: little of it is in memory, however many clients and however slow."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from pathlib import Path

from anyio import CapacityLimiter, to_thread
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from rehub.server.bridge import SEND_FILE
from rehub.server.parts import Part
from rehub.server.pipe import Pipe
from rehub.storage.interface import ObjectStore

_PIECE_BYTES = 1 << 20
_SMALL_PIECE_BYTES = 256 << 10
_PIECES_BYTES = 8 << 20  # of all answers of a process, until there are very many
_READERS = 8
_LARGE_BYTES = 1 << 20  # of less, the server may hold all


class Source:
    """Reads from the store for all answers of a process.

    Attributes:
        folder: Where pipes may be made.

    Args:
        store: The hub's.
        folder: As above.
    """

    def __init__(self, store: ObjectStore, folder: Path) -> None:
        self.folder = folder
        self._store = store
        self._answers = 0
        self._readers = CapacityLimiter(_READERS)  # each thread keeps memory for itself

    async def pieces(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Gives a part of an object; the more answers there are, the smaller the pieces.

        Raises:
            NotFoundError: If there is no such object.
            StoreError: If the store fails.
        """
        self._answers += 1
        try:
            while start < end:
                share = max(_SMALL_PIECE_BYTES, min(_PIECE_BYTES, _PIECES_BYTES // self._answers))
                size_bytes = min(share, end - start)
                yield await to_thread.run_sync(self._read, key, start, size_bytes, limiter=self._readers)
                start += size_bytes
        finally:
            self._answers -= 1

    def _read(self, key: str, start: int, size_bytes: int) -> bytes:
        return b"".join(self._store.stream(key, start, size_bytes))


class StreamAnswer(Response):
    """An answer with a part of an object. It is begun before it is sent.

    Args:
        source: Reads it.
        key: The object.
        part: What is asked for.
        headers: Further headers.
        media_type: What it is.
        has_body: Whether the bytes are asked for, and not the headers alone.
    """

    def __init__(
        self,
        source: Source,
        key: str,
        part: Part,
        headers: Mapping[str, str],
        media_type: str,
        *,
        has_body: bool,
    ) -> None:
        super().__init__(status_code=part.status, headers={**headers, **part.headers}, media_type=media_type)
        self._size_bytes = part.end - part.start if has_body else 0
        self._pieces = source.pieces(key, part.start, part.start + self._size_bytes)
        self._folder = source.folder
        self._first = b""

    async def begin(self) -> None:
        """Reads the first piece: before the status, so that a store that fails has one of its own.

        Raises:
            NotFoundError: If there is no such object.
            StoreError: If the store fails.
        """
        self._first = await anext(self._pieces, b"")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the answer.

        Raises:
            ConnectionResetError: If the client is gone.
            HubError: If the store fails; the client sees the connection end.
        """
        async with aclosing(self._pieces) as pieces:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if self._size_bytes > _LARGE_BYTES and hasattr(os, "mkfifo"):
                pipe = Pipe(self._folder)
                await send({"type": SEND_FILE, "path": str(pipe.path)})
                await pipe.send(_chain(self._first, pieces))
                return
            async for piece in _chain(self._first, pieces):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece
