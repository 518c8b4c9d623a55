"""Models in folders of the user's choice: planned first, then put there whole or not at all.

What the cache has is copied, so that nobody harms the cache by editing the folder; anything else is downloaded beside
its place, and does not go through the cache, where it would need the space twice.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from rehub.archive.disk import sync_folder
from rehub.archive.fingerprint import measure
from rehub.cache import layout
from rehub.cache.resolved import record_of
from rehub.configuration import Settings
from rehub.errors import CacheError, ChecksumError, FormatError, HandleError, HubError, TransferError, UsageError
from rehub.handle import Handle, parse
from rehub.model.model_info import missing_files
from rehub.resolvers import draft
from rehub.resolvers.chain import hub_resolver, resolve_with
from rehub.resolvers.lockfile import locked
from rehub.resolvers.pin import fits_pin
from rehub.transport.interface import Transport

_CHUNK_BYTES = 1 << 20
_LISTED = 8
_EXPORTED = frozenset(
    {
        *("saved_model.pb", "saved_model.pbtxt", "saved_model.cpb", "tfhub_module.pb"),
        *("fingerprint.pb", "keras_metadata.pb", "variables", "assets", "assets.extra", "debug"),
    }
)
"""What exporters put into the folder of a model. Source: the constants of TensorFlow's SavedModel, Keras, TF1 Hub."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """How a model gets to its place.

    Attributes:
        handle: As the user wrote it.
        location: The URL of what it stands for: of the newest version, if no version is named.
        target: The folder in which its files will be.
        action: ``copy`` it from the cache, ``download`` it, or ``keep`` what is there already.
        source: The folder or URL where its bytes come from; empty if it is kept.
        size_bytes: Of the files that are copied or kept, or of the archive that is downloaded; None if the server
            does not tell it.
        replaces: Whether a model that is at its place goes.
        may_replace: Whether one may go that comes there until then, such as one that a killed download had moved away.
    """

    handle: str
    location: str
    target: Path
    action: Literal["copy", "download", "keep"]
    source: str
    size_bytes: int | None
    replaces: bool
    may_replace: bool = False


def plan(text: str, folder: Path, settings: Settings, transport: Transport, *, as_tree: bool, replace: bool) -> Plan:
    """Finds out how to get a model into a folder. Changes nothing.

    Args:
        text: A handle of a model on a server.
        folder: Where it is to be.
        settings: Where the cache is; one that is not on this machine is not asked.
        transport: The network.
        as_tree: Whether it is to be in ``PUBLISHER/MODEL/VERSION`` below the folder, where ``rehub serve`` finds it.
        replace: Whether a model may be replaced that is there already.

    Raises:
        HandleError: If it is the handle of no model on a server, or names no version and a tree needs one.
        PolicyError: If there is a lock file, and the model is not in it.
        UsageError: If something else is there already, also beside the model that is to be replaced.
        ResolveError: If the server has no such model, or none for this user.
        TransferError: If the server gives no answer.
    """
    handle = locked(parse(text), settings)
    if not handle.is_downloadable:
        raise HandleError(
            f"{text!r} is no URL from which a model can be downloaded.",
            hint="A folder can be copied as it is; of what gs:// holds, archives (.tar.gz) can be downloaded.",
            handle=text,
        )
    resolver = hub_resolver(handle, on_this_machine(settings), transport)
    cached = resolver.cached(handle)
    url, size_bytes = "", None
    if cached is None:
        offer = resolver.offer(handle)
        handle, url, size_bytes = offer.handle, offer.url, offer.size_bytes
        cached = resolver.cached(handle)
    elif handle.version is None and (record := record_of(cached)) is not None:
        handle = dataclasses.replace(parse(record.location), pin=handle.pin)
    target = folder / _branch(handle) if as_tree else folder
    there = _whole(target)
    if there and not replace and _is_same(handle, target, as_tree=as_tree):
        return Plan(text, handle.location, target, "keep", "", _size_bytes(target), replaces=False)
    _check_free(target, there=there, replace=replace)
    if cached is not None:
        return Plan(text, handle.location, target, "copy", cached, _size_bytes(Path(cached)), there, replace)
    return Plan(text, handle.location, target, "download", url, size_bytes, there, replace)


def carry_out(plan: Plan, settings: Settings, transport: Transport) -> None:
    """Puts a model to its place.

    Raises:
        UsageError: If something came there meanwhile.
        ChecksumError: If the model in the cache is damaged, or the server sends other files than the pin's.
        ResolveError: If the server has no such model, or none for this user.
        TransferError: If the download fails, or the folder cannot be written.
        FormatError: If what was downloaded is no whole model.
    """
    target = plan.target.resolve()
    if plan.action == "keep":
        draft.clear(target)
        return
    with translated(plan.target), draft.draft(target, settings.lock_timeout_s) as folder:
        if plan.action == "copy":
            new = folder / "copy"
            copy_model(Path(plan.source), new, plan.handle)
        else:
            pin = parse(plan.handle).pin
            handle = plan.location + (f"#sha256={pin}" if pin else "")
            own = dataclasses.replace(settings, cache_dir=str(folder / "cache"), load_format="COMPRESSED")
            new = Path(resolve_with(handle, own, transport))
        there = _whole(target)
        _check_free(target, there=there, replace=plan.may_replace)
        draft.put(new, target, folder, replaces=there)
        sync_folder(target.parent)


def on_this_machine(settings: Settings) -> Settings:
    """Returns settings with the user's own cache folder, if the one that is set is not on this machine."""
    return dataclasses.replace(settings, cache_dir=None) if settings.remote_cache else settings


def _branch(handle: Handle) -> Path:
    branch = layout.branch(handle)
    if branch is None or branch.name != str(handle.version):
        raise HandleError(
            f"{handle.text!r} does not say which publisher, model and version it is.",
            hint="Name a version, as in https://HOST/PUBLISHER/MODEL/1, or download it alone, without --tree.",
            handle=handle.text,
        )
    return Path(branch)


def _whole(folder: Path) -> bool:
    try:
        return not missing_files(folder)
    except (OSError, FormatError):
        return False


def _is_same(handle: Handle, target: Path, *, as_tree: bool) -> bool:
    """Whether a whole model is known to be the one of a handle: by its pin, else by its place in a tree."""
    return fits_pin(handle, measure(target)) if handle.pin else as_tree


def _check_free(target: Path, *, there: bool, replace: bool) -> None:
    if there:
        if not replace:
            raise UsageError(
                f"there is a model in '{target}' already.",
                hint="Choose another folder, or replace the model with --force.",
            )
        _check_replaceable(target)
    elif os.path.lexists(target) and not (target.is_dir() and not draft.others(target)):
        raise UsageError(
            f"'{target}' is no empty folder.", hint="Choose one that is empty, or one that does not exist."
        )


def _check_replaceable(target: Path) -> None:
    """Refuses to replace a folder in which somebody keeps more than a model, such as a project."""
    others = sorted(child.name + "/" * child.is_dir() for child in draft.others(target) if child.name not in _EXPORTED)
    if others:
        more = f" and {len(others) - _LISTED} more" if len(others) > _LISTED else ""
        raise UsageError(
            f"the model in '{target}' is not replaced: {', '.join(others[:_LISTED])}{more} would be deleted with it.",
            hint="Choose another folder, or move these elsewhere.",
        )


def _size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def copy_model(source: Path, target: Path, handle: str) -> None:
    """Copies the files of a cached model.

    Raises:
        ChecksumError: If one is not what was fetched.
        OSError: If one cannot be read or written.
    """
    record = record_of(str(source))
    files = measure(source) if record is None else record.files
    for name, (_, expected) in files.items():
        actual = _copy_file(source / name, target / name)
        if actual != expected:
            raise ChecksumError(
                f"the cached model {handle} is damaged: {name} has sha256 {actual}, not {expected}.",
                hint=f"Run: rehub cache verify --repair {handle}",
                url=handle,
                expected=expected,
                actual=actual,
            )


def _copy_file(source: Path, target: Path) -> str:
    """Copies a file, and returns its sha256."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with source.open("rb") as reading, target.open("xb") as writing:
        while chunk := reading.read(_CHUNK_BYTES):
            digest.update(chunk)
            writing.write(chunk)
        writing.flush()
        os.fsync(writing.fileno())
    return digest.hexdigest()


@contextlib.contextmanager
def translated(target: Path) -> Iterator[None]:
    """Makes errors of the disk those of a folder that the user named, and not of the cache."""
    try:
        yield
    except CacheError as error:
        raise _unwritable(target, error.__cause__ or error) from error
    except OSError as error:
        if isinstance(error, HubError):
            raise
        raise _unwritable(target, error) from error


def _unwritable(target: Path, error: BaseException) -> TransferError:
    why = getattr(error, "strerror", None) or str(error)
    return TransferError(
        f"'{target}' cannot be written: {why}.",
        hint="Choose another folder, or make space.",
    )
