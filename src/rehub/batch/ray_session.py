"""Ray, on this machine or on a cluster, without its talk on the terminal."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import secrets
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

from rehub.errors import UsageError

_PATIENCE_S = 10
_OBJECT_STORE_BYTES = 256 << 20
_LOGGERS = ("ray", "ray.data")
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TF_CPP_MIN_LOG_LEVEL": "2",
}
_LOCAL_ENVIRONMENT = {
    # Its servers take nobody without this token, of which Ray knows one for the life of the process.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # this machine is called by its loopback address
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
}


@contextlib.contextmanager
def ray_session(address: str | None, workers: int) -> Iterator[Any]:
    """Gives ``ray``, connected. A connection that the program has already is used, and stays.

    Args:
        address: Of a cluster; None for a Ray of its own on this machine, which ends with the block.
        workers: How many are to run on this machine.

    Raises:
        UsageError: If no cluster answers.
    """
    if "ray" in sys.modules and sys.modules["ray"].is_initialized():
        with _quiet():
            yield sys.modules["ray"]
        return
    if address is not None:
        _check_reachable(address)
    own = {} if address is not None else _LOCAL_ENVIRONMENT
    with _environment({**_ENVIRONMENT, **own}), _quiet():
        try:
            with _no_stderr():
                import ray
                import ray.data

                _silence()  # once more: its import sets levels
                _connect(ray, address, workers)
        except Exception as error:
            raise UsageError(
                f"Ray cannot be started: {error}" if address is None else f"The Ray cluster at '{address}': {error}",
                hint="Run with one worker." if address is None else "See 'ray status --address ADDRESS'.",
            ) from error
        try:
            yield ray
        finally:
            # Which prints what Ray has gathered of its messages.
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                ray.shutdown()


def _connect(ray: Any, address: str | None, workers: int) -> None:
    common = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": False}
    if address is not None:
        ray.init(address=address, **common)
        return
    ray.init(
        address="local",
        num_cpus=max(workers, os.cpu_count() or 1),
        include_dashboard=False,
        object_store_memory=_OBJECT_STORE_BYTES,
        **common,
    )


def _check_reachable(address: str) -> None:
    """Finds out at once what takes Ray minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host:
        return  # such as "auto"
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE_S).close()
    except (OSError, ValueError, OverflowError) as error:
        raise UsageError(
            f"No Ray cluster answers at '{address}': {error}.",
            hint="Start one by 'ray start --head' there, and pass the HOST:PORT that it prints.",
        ) from error


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Sets variables that are not set, for Ray and the processes that it starts."""
    added = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    stderr, stdout = sys.stderr, sys.stdout
    sys.stderr, sys.stdout = _WithoutRay(stderr), _WithoutRay(stdout)
    _silence()
    try:
        yield
    finally:
        sys.stderr, sys.stdout = stderr, stdout
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _silence() -> None:
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextlib.contextmanager
def _no_stderr() -> Iterator[None]:
    """Hides also what C++ writes while Ray starts."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)


class _WithoutRay:
    """A stream that leaves out what Ray's own threads print, such as that a machine is lost: its work is done again."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        if threading.current_thread().name.startswith("ray_"):
            return len(text)
        written: int = self._stream.write(text)
        return written
