"""Trying models: one at a time, in a process of its own that stays for a while, since most of a trial is its begin."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.util
import threading
import time
from collections.abc import Hashable, Sequence
from pathlib import Path

from rehub.cache.process_folder import process_folder
from rehub.errors import DependencyError, NotFoundError, StoreError
from rehub.server.fingerprints import fingerprint_of
from rehub.server.library import PlainVersion, PublishedVersion
from rehub.server.trial import Trial
from rehub.server.trial_outcome import Failure, Outcome, read_outcome
from rehub.server.trial_process import CHILD, TrialProcess
from rehub.storage.interface import ObjectStore


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrialLimits:
    """What trying a model may take.

    Attributes:
        time_s: How long an answer may take, TensorFlow's and the model's begin included.
        memory_bytes: How much memory a model may take, besides what TensorFlow has without one; heeded on Linux only.
        idle_s: After how long without a question the process ends.
    """

    time_s: float = 60.0
    memory_bytes: int = 4 << 30
    idle_s: float = 300.0


def check_tensorflow() -> None:
    """Checks that models can be tried here.

    Raises:
        DependencyError: If they cannot.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise DependencyError(
            "Trying models on their pages needs TensorFlow, which is not installed.",
            hint='Run: pip install "rehub[tensorflow]", or serve without --try-it.',
            package="tensorflow",
            required="rehub[tensorflow]",
        )


class Trials:
    """Runs models for a hub. Threads may share it; who comes while a model runs waits.

    Args:
        store: The hub's.
        limits: What a trial may take.
        spool: An existing folder, in which models out of a bucket are put; None for a temporary one.
        command: As of `TrialProcess`.
    """

    def __init__(
        self, store: ObjectStore, limits: TrialLimits, spool: Path | None = None, command: Sequence[str] = CHILD
    ) -> None:
        self._store = store
        self._limits = limits
        self._spool = spool
        self._command = command
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._idle: threading.Timer | None = None
        self._is_closed = False

    def run(
        self, version: PublishedVersion | PlainVersion, trial: Trial, texts: Sequence[str], picture: bytes = b""
    ) -> Outcome:
        """Tries a version.

        Args:
            version: The version.
            trial: How.
            texts: Sentences; none for a model of pictures.
            picture: A file.

        Raises:
            StoreError: If the model cannot be had from the store.
        """
        with self._lock:
            self._cancel()
            if self._is_closed:
                return Failure("This hub is about to stop.")
            try:
                running = self._of(version)
            except (FileNotFoundError, NotFoundError):  # removed since it was looked up
                return Failure("It has just been removed.")
            values = {**dataclasses.asdict(trial), "folder": str(running.folder), "texts": list(texts)}
            answer = running.process.ask(values, picture, self._limits.time_s)
            if isinstance(answer, Failure):
                self._end()
                return answer
            self._idle = threading.Timer(self._limits.idle_s, self._end_idle)
            self._idle.daemon = True
            self._idle.start()
            return read_outcome(*answer)

    def close(self) -> None:
        """Ends what runs; nothing is run any more."""
        self._is_closed = True
        running = self._running
        if running is not None:
            running.process.kill()  # or its answer would have to be waited for
        with self._lock:
            self._cancel()
            self._end()

    def _of(self, version: PublishedVersion | PlainVersion) -> _Running:
        """Returns the process of a version: what runs for another one is ended, so that no model sees its inputs."""
        key = _key(version)
        known = self._running
        if known is not None and known.key == key and not known.process.has_ended:
            return known
        self._end()
        with contextlib.ExitStack() as stack:
            scratch = stack.enter_context(process_folder("rehub-trial-", self._spool))
            folder = self._folder(version, scratch / "model")
            home = scratch / "home"
            home.mkdir()
            process = TrialProcess(home, self._limits.memory_bytes, self._command)
            stack.callback(process.end)
            self._running = _Running(key, folder, process, stack.pop_all())
        return self._running

    def _folder(self, version: PublishedVersion | PlainVersion, copy: Path) -> Path:
        """Returns the folder of a version; of one in a bucket, a copy."""
        if isinstance(version, PlainVersion):
            return version.folder
        local = self._store.local_path(version.file_key("saved_model.pb"))
        if local is not None:
            return local.parent
        until = time.monotonic() + self._limits.time_s
        for file in version.record.manifest.files:
            place = copy / file.name
            place.parent.mkdir(parents=True, exist_ok=True)
            hashing = hashlib.sha256()
            with place.open("xb") as opened:
                for piece in self._store.stream(version.file_key(file.name)):
                    hashing.update(piece)
                    opened.write(piece)
                    if time.monotonic() > until:
                        raise StoreError("the store is too slow to try a model.", hint="Try again.")
            if hashing.hexdigest() != file.sha256:
                raise StoreError(f"'{file.name}' is not what was published.", hint="Look at the store.")
        return copy

    def _cancel(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _end_idle(self) -> None:
        with self._lock:
            if self._idle is threading.current_thread():  # else a question came in between
                self._end()

    def _end(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.end.close()


@dataclasses.dataclass(frozen=True)
class _Running:
    """A process, what it is for, and how both end."""

    key: Hashable
    folder: Path
    process: TrialProcess
    end: contextlib.ExitStack


def _key(version: PublishedVersion | PlainVersion) -> Hashable:
    """What a process is for; files that have changed are another model."""
    state = version.record.content if isinstance(version, PublishedVersion) else fingerprint_of(version.folder)
    return version.name, version.number, state
