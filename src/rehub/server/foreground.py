"""The hub as a program of its own."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server

from rehub.cache.process_folder import process_folder
from rehub.server.app import build_app
from rehub.server.bridge import Bridge
from rehub.server.options import HubOptions
from rehub.server.port import claim_port
from rehub.server.trials import check_tensorflow
from rehub.storage.opening import open_store

_M_ARENA_MAX, _HEAPS = -8, 2
_LOG_TO_STDERR = {
    "handlers": {
        name: {"class": "logging.StreamHandler", "formatter": formatter, "stream": "ext://sys.stderr"}
        for name, formatter in (("console", "generic"), ("access", "access"))
    }
}


def serve(
    store: str,
    *,
    host: str,
    port: int,
    options: HubOptions,
    workers: int = 1,
    grace_s: int = 30,
    announce: Callable[[str], None],
) -> None:
    """Serves a hub until the process gets SIGINT or SIGTERM.

    Args:
        store: The hub, as `rehub.storage.opening.open_store` takes it.
        host: Where to listen.
        port: The port; 0 for any free one.
        options: How the hub behaves.
        workers: Number of processes.
        grace_s: How long running downloads and uploads delay the end, in seconds; clients resume what is cut off.
        announce: Called with the hub's URL before the first request is answered; must not use a bucket, for its client
            has threads, which a process that is forked then lacks.

    Raises:
        DependencyError: If models are to be tried, and TensorFlow is not installed.
        NotFoundError: If the store is a folder that does not exist.
        StoreError: If it is no store.
        UsageError: If the port cannot be had.
    """
    _share_heaps()
    open_store(store)  # fails here, with one clear error, rather than in every worker
    if options.trials is not None:
        check_tensorflow()
    # Of this process, because a worker that is killed after the grace period leaves its files behind.
    with (
        contextlib.closing(claim_port(host, port)) as claimed,
        process_folder("rehub-hub-") as spool,
    ):
        load: Callable[..., Any] = functools.partial(_load_in_worker, os.getpid(), store, options, spool)
        server = Server(
            "rehub.server.app:build_app",
            address=claimed.address,
            port=claimed.number,
            interface=Interfaces.RSGI,
            workers=workers,
            workers_kill_timeout=grace_s,
            websockets=False,
            # It warns of workers that have just ended: two of its threads wait for each, and one is told so too late.
            log_level=LogLevels.error,
            log_dictconfig=_LOG_TO_STDERR,
        )
        announce(claimed.url)
        server.serve(target_loader=load, wrap_loader=False)


def _share_heaps() -> None:
    """Has the threads of this process, and of its workers, share heaps; it has to come before the first thread.

    glibc gives each thread a heap of its own, which keeps what the largest of its requests has needed: a quarter of the
    memory of a busy hub. Source: mallopt(3), ``M_ARENA_MAX``.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _HEAPS)


def _load_in_worker(parent: int, store: str, options: HubOptions, spool: Path) -> Bridge:
    if hasattr(os, "setpgrp"):
        os.setpgrp()  # Ctrl-C in a terminal is for the parent: it has its workers end, and takes other ends for faults
    threading.Thread(target=_end_with, args=(parent,), name="rehub-parent-watch", daemon=True).start()
    return Bridge(build_app(open_store(store), options, spool=spool))


def _end_with(parent: int) -> None:
    """Ends this process after its parent, which may have been killed; it would keep the port for ever."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)
