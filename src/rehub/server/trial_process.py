"""A process that runs a model which somebody tries, seen from the hub: it answers in time, or is ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rehub.server.trial_frames import read_frame, write_frame
from rehub.server.trial_outcome import Failure
from rehub.words import size

CHILD = (sys.executable, "-m", "rehub.server.trial_child")
"""The command, without the limit of its memory."""

# What a process needs of its surroundings. Nothing else is passed on: there are keys and tokens among it.
_PASSED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TF_USE_LEGACY_KERAS")
_THREADS = "2"
_END_S = 5.0


class TrialProcess:
    """One process, which has begun when this is made. One thread asks it at a time; any may end it.

    Args:
        scratch: An empty folder for it alone.
        memory_bytes: How much memory it may take for a model.
        command: Runs it; its last argument is added.
    """

    def __init__(self, scratch: Path, memory_bytes: int, command: Sequence[str] = CHILD) -> None:
        self._memory_bytes = memory_bytes
        self._is_late = False
        self._process = subprocess.Popen(  # noqa: S603 - this Python itself
            [*command, str(memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(scratch),
            cwd=scratch,
            start_new_session=True,  # Ctrl-C is for the hub, which ends it
        )

    def ask(self, values: Mapping[str, Any], picture: bytes, time_s: float) -> tuple[dict[str, Any], bytes] | Failure:
        """Returns the answer to a message; a process that gives none is ended, and of no more use.

        Args:
            values: Of the message.
            picture: Sent after them.
            time_s: How long the answer may take.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        timer = threading.Timer(time_s, self._end_late)
        timer.daemon = True
        timer.start()
        try:
            write_frame(self._process.stdin, {**values, "time_s": time_s}, picture)
            answer = read_frame(self._process.stdout)
        except OSError:  # it ended
            answer = None
        finally:
            timer.cancel()
        return answer if answer is not None else self._failure(time_s)

    @property
    def has_ended(self) -> bool:
        """Whether it is of no more use."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """Has it end soon: who waits for its answer gets none."""
        self._process.kill()

    def end(self) -> None:
        """Ends it, and waits for that; it may have ended already."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):  # of what was not sent yet
                pipe.close()

    def _end_late(self) -> None:
        self._is_late = True
        self.kill()

    def _failure(self, time_s: float) -> Failure:
        try:
            code = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:  # it closed its side, and stays
            self._process.kill()
            code = self._process.wait()
        if self._is_late:
            return Failure(f"It took more than {time_s:g} seconds, so this hub ended it.")
        what = f"the signal {_signal(-code)}" if code < 0 else f"the exit code {code}"
        limit = size(self._memory_bytes)
        return Failure(f"It broke off with {what}. It may need more than the {limit} of memory that this hub gives it.")


def _environment(scratch: Path) -> dict[str, str]:
    return {
        **{name: os.environ[name] for name in _PASSED if name in os.environ},
        **dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP", "XDG_CACHE_HOME"), str(scratch)),
        **dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"), _THREADS),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "LC_ALL": "C.UTF-8",
    }


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
