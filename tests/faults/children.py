"""Processes that resolve a handle, and to which something happens at a step of their work on the disk."""

from __future__ import annotations

import contextlib
import encodings.idna
import faulthandler
import importlib.readers
import itertools
import multiprocessing
import multiprocessing.process
import netrc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import filelock
import platformdirs.unix
import urllib3

import rehub
import rehub.archive.reading
import rehub.cache.removal
import rehub.model.model_info
import rehub.resolvers.assembly
import rehub.resolvers.chain
import rehub.resolvers.credentials
import rehub.resolvers.placement
import rehub.resolvers.temporary_cache
import rehub.transport.http
from rehub.errors import HubError
from tests import sample

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["pytest", __name__])
PRELOADED = (encodings.idna, filelock, importlib.readers, netrc, platformdirs.unix, urllib3)
"""What a download imports when it needs it: that is quicker done before, and possible where no file may be read."""

WHOLE, REFUSED, INTERRUPTED, LACKING, CORRUPT = 0, 3, 4, 5, 6
"""Exit codes: the model came, a `HubError`, a `KeyboardInterrupt` and then the model, some files of the model came,
files with other contents came. A process that raises anything else ends with 1, and says why."""

Happening = Callable[[Path], object]
"""What happens; it is called with the cache folder."""

EVERY = -1
"""In place of a step: after each of them."""

_LONGEST_S = 30.0

_STEPS = frozenset(
    {
        *("close", "flock", "fsync", "ftruncate", "mkdir", "open", "posix_fallocate", "remove", "rename", "replace"),
        *("link", "rmdir", "truncate", "unlink", "utime", "write"),
    }
)
"""The functions of Python that change files or folders, or begin or end to."""


def kill(_: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def interrupt(_: Path) -> None:
    os.kill(os.getpid(), signal.SIGINT)


def start(
    url: str, cache: Path, files: Mapping[str, bytes], step: int = 0, happening: Happening = kill, **settings: Any
) -> multiprocessing.process.BaseProcess:
    """Resolves in another process.

    Args:
        url: The handle.
        cache: The cache folder.
        files: What the model has to be.
        step: After which of its steps something happens; 0 for never.
        happening: What.
        settings: Further settings.
    """
    settings = {"cache_dir": str(cache), "retries": 0, "show_progress": False, "lock_timeout_s": 0, **settings}
    process = CONTEXT.Process(target=_resolve, args=(url, cache, files, step, happening, settings))
    process.start()
    return process


def run(
    url: str, cache: Path, files: Mapping[str, bytes], step: int = 0, happening: Happening = kill, **settings: Any
) -> int:
    """Does what `start` does, and waits. Returns the exit code, for a signal its negative number."""
    process = start(url, cache, files, step, happening, **settings)
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def carry_out(work: Callable[[], object], place: Path, step: int = 0, happening: Happening = kill) -> int:
    """Does some work in another process, waits, and returns the exit code.

    Args:
        work: What can be pickled.
        place: What ``happening`` is called with.
        step: After which step of the work something happens; 0 for never, or `EVERY`.
        happening: What.
    """
    process = CONTEXT.Process(target=_carry_out, args=(work, place, step, happening))
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def _carry_out(work: Callable[[], object], place: Path, step: int, happening: Happening) -> None:
    faulthandler.dump_traceback_later(_LONGEST_S, exit=True)
    if step:
        at_step(step, lambda: happening(place))
    work()
    at_step(0, lambda: None)


def _resolve(
    url: str, cache: Path, files: Mapping[str, bytes], step: int, happening: Happening, settings: Mapping[str, Any]
) -> None:
    faulthandler.dump_traceback_later(_LONGEST_S, exit=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by what a shell started in the background
    with rehub.settings(**settings):
        if step:
            at_step(step, lambda: happening(cache))
        try:
            path = rehub.resolve(url)
        except HubError:
            traceback.print_exc()
            sys.exit(REFUSED)
        except KeyboardInterrupt:
            at_step(0, lambda: None)
            rehub.resolve(url)  # as in a notebook: nothing that this process began is in the way
            sys.exit(INTERRUPTED)
        finally:
            at_step(0, lambda: None)
        with contextlib.suppress(PermissionError):
            found = sample.read(path)
            sys.exit(WHOLE if found == files else LACKING if found.items() <= files.items() else CORRUPT)
        sys.exit(WHOLE)


def at_step(number: int, happen: Callable[[], object]) -> None:
    """Lets something happen after that step of this process, whichever thread does it; 0 for never, or `EVERY`."""
    steps = itertools.count(1)

    def profile(_: FrameType, event: str, function: Any) -> None:
        if event == "c_return" and function.__name__ in _STEPS and number in (next(steps), EVERY):
            happen()

    threading.setprofile(profile if number else None)
    sys.setprofile(profile if number else None)
