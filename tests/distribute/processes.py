"""A cluster of processes on this machine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 300.0


def addresses(count: int) -> list[str]:
    """Addresses that nobody listens at."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


class Processes:
    """Runs modules of this folder, and ends them all at the end of a ``with`` block.

    Args:
        folder: Where each writes what it tells, in ``NAME.log``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, module: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        """Starts ``python -m tests.distribute.MODULE ARGUMENTS``."""
        self._start(name, ["-m", f"tests.distribute.{module}", *arguments], ROOT, environment)

    def start_file(self, name: str, program: Path, environment: Mapping[str, str]) -> None:
        """Starts ``python PROGRAM`` in the program's folder."""
        paths = os.pathsep.join([str(ROOT), str(ROOT / "src")])
        self._start(name, [str(program)], program.parent, {"PYTHONPATH": paths, **environment})

    def _start(self, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        with (self._folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
            )

    def wait(self, name: str) -> int:
        """Waits until one has ended, and returns its status."""
        return self._running[name].wait(TIMEOUT_S)

    def result(self, name: str) -> Any:
        """Waits until one has ended well, and returns the JSON of the last line that it wrote."""
        status = self.wait(name)
        said = (self._folder / f"{name}.log").read_text(errors="replace")
        assert status == 0, said
        return json.loads(said.splitlines()[-1])

    def pid(self, name: str) -> int:
        """The number of a process."""
        return self._running[name].pid

    def kill(self, name: str) -> None:
        """Kills one, which may have ended already."""
        self._running[name].kill()
        self._running[name].wait()

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for name in self._running:
            self.kill(name)
