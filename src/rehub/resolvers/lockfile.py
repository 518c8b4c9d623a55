"""What a lock file says: which remote models may be used, and what they have to be."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rehub.archive.fingerprint import fingerprint
from rehub.cache import layout
from rehub.cache.resolved import files_of, record_of
from rehub.configuration import Settings
from rehub.errors import ChecksumError, FormatError, HandleError, PolicyError, SettingError
from rehub.formats.lockfile import Locked, read_lockfile, write_lockfile
from rehub.formats.record import Record
from rehub.handle import Handle, Kind, parse

if TYPE_CHECKING:
    from rehub.cache.inventory import Inventory


def locked(handle: Handle, settings: Settings) -> Handle:
    """Returns the handle that a lock file makes of one: that of the version, with its pin; the same if none is set.

    Raises:
        PolicyError: If the lock file lacks the model.
        ChecksumError: If the handle has another pin.
        SettingError: If the lock file cannot be read.
        FormatError: If it is none.
    """
    path = settings.lockfile_path
    if path is None or handle.kind is Kind.PATH:
        return handle
    model = find(handle, path)
    if handle.pin not in (None, model.sha256):
        raise ChecksumError(
            f"the pin of {handle.location} is {handle.pin}, the lock file {path} says {model.sha256}.",
            hint="Find out which one is right before you use the model.",
            url=handle.location,
            expected=model.sha256,
            actual=handle.pin or "",
        )
    return _pinned(handle.text, model.resolved, model.sha256)


def find(handle: Handle, path: str) -> Locked:
    """Returns what a lock file says of a model, by the handle there or by the version for which that stands.

    Raises:
        PolicyError: If it lacks the model.
        SettingError: If it cannot be read.
        FormatError: If it is none.
    """
    model = _by_location(*_state(path)).get(handle.location)
    if model is None:
        if handle.kind is Kind.PATH:
            hint = f"It is a path, and a lock file names models by their URLs. 'rehub lock --check {path}' lists them."
        elif handle.kind is Kind.REMOTE:
            hint = "Of models that TensorFlow reads in place, rehub sees no files: copy it to a folder of this machine."
        else:
            hint = f"If you trust it, run: rehub lock {path} {handle.location}"
        raise PolicyError(f"{handle.location} is not in the lock file {path}.", hint=hint)
    return model


def read(path: Path) -> tuple[Locked, ...]:
    """Returns the models of a lock file.

    Raises:
        SettingError: If it cannot be read.
        FormatError: If it is none.
    """
    return _read(*_state(str(path)))


def write(path: Path, models: Iterable[Locked]) -> None:
    """Writes a lock file, in place of the one that is there; whoever reads it finds the one or the other.

    Raises:
        SettingError: If it cannot be written.
    """
    real = path.resolve()  # a link stays one
    new = real.with_name(f".{real.name}.{os.urandom(4).hex()}.tmp")
    try:
        with new.open("xb") as file:
            file.write(write_lockfile(models))
            file.flush()
            os.fsync(file.fileno())
        new.replace(real)
    except OSError as error:
        raise SettingError(
            f"the lock file {path} cannot be written: {error.strerror or error}.", hint="Name another file."
        ) from error
    finally:
        new.unlink(missing_ok=True)


def lock(text: str, folder: str) -> Locked:
    """Returns what a lock file says of a model.

    Args:
        text: Its handle.
        folder: That to which it was resolved.

    Raises:
        HandleError: If it is the handle of no model on a server.
        OSError: If a file cannot be read.
    """
    handle = parse(text)
    if not handle.is_downloadable:
        raise HandleError(
            f"{text!r} is no URL from which a model can be downloaded.",
            hint="Only such models can be locked; files of this machine are used as they are.",
            handle=text,
        )
    own = text.partition("#")[0].strip()
    record = record_of(folder)
    if record is None:  # tensorflow_hub fetched it, and noted nothing
        return _locked(own, own, files_of(folder))
    return _of_record(own, record)


def lock_all(inventory: Inventory) -> list[Locked]:
    """Returns what a lock file says of the models of a cache: by their versions, and by the handles without that."""
    records = {
        entry.leaf: entry.record
        for entry in inventory.entries
        if entry.leaf is not None and entry.record is not None and not entry.damages
    }
    found = [
        _of_record(record.location, record)
        for leaf, record in records.items()
        if leaf == layout.leaf(parse(record.location))
    ]
    for latest in inventory.pointers.values():
        for leaf, record in records.items():
            if latest is not None and leaf.as_posix() == latest.leaf:
                found.append(_of_record(latest.location, record))
    return found


@functools.lru_cache(maxsize=256)
def _pinned(text: str, resolved: str, pin: str) -> Handle:
    return dataclasses.replace(parse(resolved), text=text, pin=pin)


def _of_record(handle: str, record: Record) -> Locked:
    return _locked(handle, record.location, record.files)


def _locked(handle: str, resolved: str, files: Mapping[str, tuple[int, str]]) -> Locked:
    return Locked(handle, resolved, fingerprint(files), sum(size_bytes for size_bytes, _ in files.values()))


def _state(path: str) -> tuple[str, int, int, int]:
    """What changes when somebody writes the file."""
    try:
        found = os.stat(path)  # noqa: PTH116 - on the way of every hit
    except OSError as error:
        raise _unreadable(path, error) from error
    return path, found.st_mtime_ns, found.st_size, found.st_ino


@functools.lru_cache(maxsize=8)
def _read(path: str, *_: int) -> tuple[Locked, ...]:
    try:
        return read_lockfile(Path(path).read_bytes())
    except OSError as error:
        raise _unreadable(path, error) from error
    except FormatError as error:
        raise FormatError(f"{path}: {error.message}", hint=error.hint, path=path) from error


@functools.lru_cache(maxsize=8)
def _by_location(path: str, *state: int) -> Mapping[str, Locked]:
    """Returns the models by what is asked for: their handles, and the versions that those stand for."""
    found: dict[str, Locked] = {}
    for model in _read(path, *state):
        for text in (model.handle, model.resolved):
            other = found.setdefault(parse(text).location, model)
            if (other.resolved, other.sha256) != (model.resolved, model.sha256):
                raise FormatError(
                    f"{path}: {other.handle} and {model.handle} are the same model with different versions or pins.",
                    hint=f"Remove one of them, and run: rehub lock {path} --update {model.handle}",
                    path=path,
                )
    return found


def _unreadable(path: str, error: OSError) -> SettingError:
    return SettingError(
        f"the lock file {path} cannot be read: {error.strerror or error}.",
        hint="Check its path, or make it with 'rehub lock'.",
        setting="lockfile",
    )
