"""What of a training is on the disk until it is done: its arguments, features, and checkpoints to go on from."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rehub.cache import lock
from rehub.errors import LockTimeout, UsageError

_ARGUMENTS = "arguments.json"
_NOTE = "note.json"
_CHECKPOINT = "checkpoint-"
_DRAFT = ".draft-"
_LOCK = "lock"


class Unfinished:
    """The folder ``OUTPUT.unfinished``.

    Args:
        folder: It exists, and this process holds its lock.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def agree(self, arguments: Mapping[str, Any]) -> None:
        """Notes what the training is of; of one that was begun, sees that it is the same.

        Args:
            arguments: All that decides about the result, by the names that users know; values of JSON.

        Raises:
            UsageError: If it was begun with others.
        """
        file = self.folder / _ARGUMENTS
        begun = _read(file) if self.has_progress() else None
        if begun is None:
            self._empty()
            write_json(file, arguments)
            return
        now = json.loads(json.dumps(arguments))
        names = [name for name in {**begun, **now} if begun.get(name) != now.get(name)]
        if names:
            differences = "; ".join(
                f"{name} was {_short(begun.get(name))}, is {_short(now.get(name))}" for name in names
            )
            raise UsageError(
                f"'{self.folder}' has a training that was begun with other arguments: {differences}.",
                hint="Pass the same arguments to go on with it; or remove that folder to begin anew; or name another "
                "output.",
            )

    def has_progress(self) -> bool:
        """Whether there is something to go on from."""
        return any(self._checkpoints()) or any(self.folder.glob("*.npy"))

    def note(self, name: str) -> Any:
        """Returns what was noted by a name; None for nothing."""
        return _read(self.folder / f"{name}.json")

    def write_note(self, name: str, value: Any) -> None:
        """Notes a value of JSON."""
        write_json(self.folder / f"{name}.json", value)

    @contextlib.contextmanager
    def new_checkpoint(self, note: Mapping[str, Any]) -> Iterator[Path]:
        """Makes a checkpoint, which is there when all of it is; a process that is killed leaves the one before.

        Args:
            note: Values of JSON that belong to it.

        Yields:
            The folder to write to.
        """
        number = max(map(_number, self._checkpoints()), default=0) + 1
        draft = self.folder / f"{_DRAFT}{secrets.token_hex(4)}"
        draft.mkdir()
        yield draft
        write_json(draft / _NOTE, note)
        draft.rename(self.folder / f"{_CHECKPOINT}{number:08}")

    def last_checkpoint(self) -> tuple[Path, dict[str, Any]] | None:
        """Returns the folder of the newest checkpoint, and its note."""
        found = max(self._checkpoints(), key=_number, default=None)
        return None if found is None else (found, _read(found / _NOTE) or {})

    def checkpoint(self, name: str) -> Path:
        """Returns the folder of a checkpoint that was kept."""
        return self.folder / name

    def keep(self, *names: str) -> None:
        """Removes all checkpoints but some, and what killed processes left."""
        for folder in [*self._checkpoints(), *self.folder.glob(f"{_DRAFT}*")]:
            if folder.name not in names:
                shutil.rmtree(folder, ignore_errors=True)

    def _empty(self) -> None:
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != _LOCK:
                path.unlink(missing_ok=True)

    def _checkpoints(self) -> list[Path]:
        return list(self.folder.glob(f"{_CHECKPOINT}*"))


@contextlib.contextmanager
def open_beside(output: Path) -> Iterator[Unfinished]:
    """Opens the folder of a training whose result is to be at a path, for this process alone.

    It is removed at the end if the result is there, or if nothing was done yet.

    Raises:
        UsageError: If another process is at it, or the folder cannot be made.
    """
    folder = output.with_name(f"{output.name}.unfinished")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with lock.hold(folder / _LOCK, 0):
            unfinished = Unfinished(folder)
            try:
                yield unfinished
            finally:
                if has_something(output) or not unfinished.has_progress():
                    shutil.rmtree(folder, ignore_errors=True)
    except LockTimeout as error:
        raise UsageError(
            f"Another process trains '{output}' at this moment{f' ({error.owner})' if error.owner else ''}.",
            hint="Wait for it, or name another output.",
        ) from error
    except OSError as error:
        if error.filename is None or not str(error.filename).startswith(str(folder)):
            raise
        raise UsageError(
            f"'{folder}' cannot be written: {error.strerror}.", hint="Name another place for the output."
        ) from error


def has_something(output: Path) -> bool:
    """Whether there is anything at a path but an empty folder."""
    return output.exists() and not (output.is_dir() and next(output.iterdir(), None) is None)


def write_json(file: Path, value: Any) -> None:
    """Writes a file, whole or not at all."""
    draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}.tmp")
    draft.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    draft.replace(file)


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def _number(folder: Path) -> int:
    return int(folder.name.removeprefix(_CHECKPOINT))


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}…"
