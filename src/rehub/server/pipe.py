"""Bodies of any size through a named pipe, which the server sends like a file, as fast as the client takes them.

granian's own streams take all that they are given at once, and hold it in memory until the client has it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import anyio

_CAPACITY_BYTES = 512 << 10  # where it can be chosen; else the system's, which is less
_OPEN_TIMEOUT_S = 30.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.001, 0.05


class Pipe:
    """A pipe that somebody else reads by its path.

    Args:
        folder: Where it goes; made if it is missing.

    Raises:
        OSError: If it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = folder / f"{secrets.token_hex(16)}.pipe"
        os.mkfifo(self.path, 0o600)

    async def send(self, chunks: AsyncIterator[bytes]) -> None:
        """Writes all chunks, and waits where the reader is slower; the pipe is gone then.

        Raises:
            ConnectionResetError: If the reader is gone, or does not come.
        """
        writer = await self._open()
        try:
            async for chunk in chunks:
                await _write(writer, chunk)
        finally:
            os.close(writer)

    async def _open(self) -> int:
        """Opens it as soon as somebody reads, and has it forget its path: nobody else comes."""
        pause_s = _FIRST_PAUSE_S
        try:
            with anyio.move_on_after(_OPEN_TIMEOUT_S):
                while True:
                    try:
                        writer = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
                    except OSError as error:
                        if error.errno != errno.ENXIO:  # nobody reads yet
                            raise
                        await anyio.sleep(pause_s)
                        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                    else:
                        _enlarge(writer)
                        return writer
        finally:
            self.path.unlink(missing_ok=True)
        raise ConnectionResetError("the client is gone")


async def _write(writer: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(writer, rest) :]
        except BlockingIOError:
            await anyio.wait_writable(writer)
        except BrokenPipeError as error:
            raise ConnectionResetError("the client is gone") from error


def _enlarge(descriptor: int) -> None:
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _CAPACITY_BYTES)
