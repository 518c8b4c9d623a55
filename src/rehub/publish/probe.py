"""Runs a model in a process of its own, within limits: whatever it does there, the check goes on."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from rehub.publish.probe_facts import Facts, Stage, collect, read_events

_POLL_S = 0.1
_LAST_WORDS_BYTES = 2000
_NEWS = re.compile(r"[IW]\d{4} |\S+ \S+: [IW] |WARNING: All log messages")
"""What TensorFlow tells about itself, before and after absl's form of logs."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a model may use while it is run.

    Attributes:
        time_s: In all.
        memory_bytes: At any time; heeded on Linux only.
    """

    time_s: float = 600.0
    memory_bytes: int = 16 << 30


def probe(folder: Path, tags: Collection[str], parts: Sequence[str], *, lifts: bool, limits: Limits) -> Facts:
    """Loads a model in another process, calls it in every way that it was traced for, and trains it by one step.

    Args:
        folder: The model folder. Nothing is written to it.
        tags: Of the graph to load.
        parts: The attributes that can be called, besides the object itself.
        lifts: Whether the model is of TensorFlow 1.
        limits: What it may use.
    """
    if importlib.util.find_spec("tensorflow") is None:
        return Facts(not_run="TensorFlow is not installed")
    job = json.dumps({"tags": sorted(tags), "parts": list(parts), "lifts": lifts})
    with tempfile.TemporaryDirectory(prefix="rehub-probe-") as scratch:
        out, words = Path(scratch, "events"), Path(scratch, "words")
        out.touch()
        with words.open("wb") as file:
            process = subprocess.Popen(  # noqa: S603 - this Python itself
                [sys.executable, "-m", "rehub.publish.probe_child", str(folder), job, str(out)],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=_environment(),
            )
        try:
            ending = _wait(process, limits)
            has_ended_itself = process.poll() is not None
        finally:
            process.kill()
            process.wait()
        events = read_events(out.read_text(encoding="utf-8"))
        if ending:
            stage = next((event.what for event in reversed(events) if isinstance(event, Stage)), "starting Python")
            ending = f"{ending} while {stage}{_last_words(words) if has_ended_itself else ''}"
        return collect(events, ending)


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }


def _wait(process: subprocess.Popen[bytes], limits: Limits) -> str:
    """Waits for the end of a process, or for what goes beyond the limits, and returns how it ended; empty for well."""
    end = time.monotonic() + limits.time_s
    while True:
        try:
            code = process.wait(_POLL_S)
        except subprocess.TimeoutExpired:
            if time.monotonic() > end:
                return f"it took more than {limits.time_s:g} s and was ended"
            if _memory_bytes(process.pid) > limits.memory_bytes:
                return f"it took more than {limits.memory_bytes:,} bytes of memory and was ended"
            continue
        if code == 0:
            return ""
        return f"it was ended by {_signal(-code)}" if code < 0 else f"it ended with the exit code {code}"


def _memory_bytes(pid: int) -> int:
    """The memory that a process has at present; 0 where the system has no file that tells it."""
    try:
        resident = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    except (OSError, IndexError):
        return 0
    return int(resident) * os.sysconf("SC_PAGE_SIZE")


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_words(file: Path) -> str:
    lines = map(str.strip, file.read_bytes()[-_LAST_WORDS_BYTES:].decode(errors="replace").split("\n"))
    last = next((line for line in reversed(list(lines)) if line and not _NEWS.match(line)), "")
    return f" ({last[:200]})" if last else ""
