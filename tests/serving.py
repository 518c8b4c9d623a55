"""``rehub serve`` as processes, which may be killed and started again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import rehub

_TIMEOUT_S = 60.0
_PAUSE_S = 0.02


class Server:
    """A hub in a session of its own, while a ``with`` block runs.

    Args:
        store: A folder or the URL of a bucket.
        arguments: Further ones of ``rehub serve``.
        log: The file of what it tells.
        environment: Further variables.
    """

    def __init__(self, store: str | Path, *arguments: str, log: Path, environment: Mapping[str, str]) -> None:
        self._arguments = (str(store), "--no-access-log", *arguments)
        self._log = log
        self._environment = environment
        self._port = "0"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def start(self) -> None:
        """Starts it, at the same URL as before, and waits until it answers."""
        told = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "rehub", "serve", "--port", self._port, *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(Path(rehub.__file__).parents[1]), **self._environment},
                start_new_session=True,
            )
        for _ in range(int(_TIMEOUT_S / _PAUSE_S)):
            said = self._log.read_bytes()[told:].decode(errors="replace")
            url = re.search(r" at (http://\S+) ", said)
            if url and _answers(url[1]):
                self.url, self._port = url[1], url[1].rpartition(":")[2]
                return
            assert self._process.poll() is None, said
            threading.Event().wait(_PAUSE_S)
        raise AssertionError(said)

    def kill(self) -> None:
        """Kills all its processes."""
        if self._process is not None:
            for process in _family(self._process.pid):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def memory_bytes(self) -> int:
        """Returns how much memory all its processes have together; what they share counts once."""
        assert self._process is not None
        return sum(map(_memory_bytes, _family(self._process.pid)))

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(f"{url}/healthz", timeout=10).close()
    except OSError:
        return False
    return True


def _family(process: int) -> list[int]:
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except FileNotFoundError:
        return []  # it has ended
    return [process, *(one for child in children for one in _family(int(child)))]


def _memory_bytes(process: int) -> int:
    text = Path(f"/proc/{process}/smaps_rollup").read_text()
    return 1024 * sum(int(match[1]) for match in re.finditer(r"^Pss:\s+(\d+) kB", text, re.MULTILINE))
