"""The hub as a program of its own."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server
from starlette.applications import Starlette

from rehub.server.app import build_app
from rehub.server.port import claim_port

# How long running downloads delay the end; their clients resume them with a range request.
_STOP_GRACE_S = 10
_LOG_TO_STDERR = {
    "handlers": {
        name: {"class": "logging.StreamHandler", "formatter": formatter, "stream": "ext://sys.stderr"}
        for name, formatter in (("console", "generic"), ("access", "access"))
    }
}


def serve(
    folder: Path,
    *,
    host: str,
    port: int,
    uncompressed_base: str | None = None,
    workers: int = 1,
    announce: Callable[[str], None],
) -> None:
    """Serves a folder of models until the process gets SIGINT or SIGTERM.

    Args:
        folder: Holds ``PUBLISHER/MODEL/VERSION/`` folders.
        host: Where to listen.
        port: The port; 0 for any free one.
        uncompressed_base: As for `build_app`.
        workers: Number of processes.
        announce: Called with the hub's URL before the first request is answered.

    Raises:
        NotFoundError: If the folder does not exist.
        UsageError: If the port cannot be had.
    """
    build_app(folder)  # fails here, with one clear error, rather than in every worker
    # Of this process, because a worker that is killed after the grace period leaves its files behind.
    with (
        contextlib.closing(claim_port(host, port)) as claimed,
        tempfile.TemporaryDirectory(prefix="rehub-hub-") as spool,
    ):
        load = functools.partial(_load_in_worker, os.getpid(), folder, uncompressed_base, Path(spool))
        server = Server(
            "rehub.server.app:build_app",
            address=claimed.address,
            port=claimed.number,
            interface=Interfaces.ASGI,
            workers=workers,
            workers_kill_timeout=_STOP_GRACE_S,
            websockets=False,
            log_level=LogLevels.warning,
            log_dictconfig=_LOG_TO_STDERR,
        )
        announce(claimed.url)
        server.serve(target_loader=load, wrap_loader=False)


def _load_in_worker(parent: int, folder: Path, uncompressed_base: str | None, spool: Path) -> Starlette:
    threading.Thread(target=_end_with, args=(parent,), name="rehub-parent-watch", daemon=True).start()
    return build_app(folder, uncompressed_base=uncompressed_base, spool=spool)


def _end_with(parent: int) -> None:
    """Ends this process after its parent, which may have been killed; it would keep the port for ever."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)
