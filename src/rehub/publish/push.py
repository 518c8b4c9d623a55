"""``rehub.publish.push.push``: a model onto a hub."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rehub import configuration
from rehub.configuration import Settings
from rehub.errors import HandleError, IncompleteError, NotFoundError, PublishError
from rehub.formats.card import read_card
from rehub.formats.manifest import Manifest, write_manifest
from rehub.publish.card_file import card_bytes
from rehub.publish.hub_api import HubApi
from rehub.publish.pack_manifest import folder_manifest
from rehub.resolvers.progress import Progress
from rehub.transport.interface import Sender
from rehub.transport.origin import origin

_ROUNDS = 5
"""How often an upload may turn out to be gone or to lack blocks, before it is given up."""

_Events = queue.SimpleQueue["int | BaseException | None"]


@dataclasses.dataclass(frozen=True)
class Pushed:
    """What `push` has done.

    Attributes:
        handle: By which the version is loaded.
        version: Its number.
        is_new: False when the hub had a version of these files before.
        size_bytes: Of all files.
        sent_bytes: How many of them were sent.
    """

    handle: str
    version: int
    is_new: bool
    size_bytes: int
    sent_bytes: int


@dataclasses.dataclass(frozen=True)
class _Block:
    """Where a block lies.

    Attributes:
        file: The file.
        start: Its first byte there.
        size_bytes: Its size.
    """

    file: Path
    start: int
    size_bytes: int


def push(
    path: str | os.PathLike[str],
    name: str,
    *,
    to: str,
    version: int | None = None,
    card: str | os.PathLike[str] | None = None,
    before: Callable[[], object] | None = None,
    transport: Sender | None = None,
) -> Pushed:
    """Publishes a model on a hub; what the hub has already is not sent.

    It may be ended at any time and called again: it goes on where it was, and publishes nothing twice. A version that
    exists is never changed. `rehub.publish.check.check` tells whether others can use the model; this does not.

    Args:
        path: The model folder.
        name: ``PUBLISHER/MODEL``.
        to: The URL of the hub.
        version: The version to publish; None for the next free one, or for that which has these files already.
        card: The model card; None for ``card.md`` in the model folder.
        before: Called when the hub has said that it takes the model, and before any file is sent; what it raises ends
            the publishing.
        transport: The network; None for that of the settings.

    Raises:
        FormatError: If the folder holds links, or the card cannot be read.
        HandleError: If ``to`` is no URL.
        AccessError: If the hub wants a token, or another one.
        ConflictError: If the version exists with other files, or was removed.
        PublishError: If the hub does not take the model, or files change meanwhile.
        TransferError: If the hub does not answer.
        DependencyError: If there is a card, and PyYAML is not installed.
    """
    settings = configuration.current()
    hub, source = _hub_url(to), Path(path)
    data = card_bytes(source, card)
    if data is not None:
        read_card(data)  # which refuses what is no card, or no text
    text = None if data is None else data.decode()
    try:
        manifest = folder_manifest(source)
    except OSError as error:
        raise PublishError(
            f"'{source}' cannot be read: {error.strerror or error}.", hint="Check the path and its permissions."
        ) from error
    blocks = _blocks(source, manifest)
    if transport is None:
        from rehub.transport.http import HttpTransport  # which imports much

        transport = HttpTransport(settings)
    with transport.kept() as kept:
        api = HubApi(hub, name, settings, kept)
        begun, sent_bytes, gone = api.begin(version, write_manifest(manifest)), 0, 0
        missing: Sequence[str] = begun.missing
        if before is not None:
            before()
        while True:
            try:
                sent_bytes += _send(api, begun.id, [(sha256, _of(blocks, sha256)) for sha256 in missing], settings, hub)
                done = api.commit(begun.id, version, text)
                return Pushed(done.handle, done.version, done.is_new, manifest.size_bytes, sent_bytes)
            except IncompleteError as error:
                gone += 1
                missing = error.missing
                if gone == _ROUNDS:
                    raise
            except NotFoundError:
                # It was cleared away, or somebody else has published the same files meanwhile.
                gone += 1
                if gone == _ROUNDS:
                    raise
                begun = api.begin(version, write_manifest(manifest))
                missing = begun.missing


def _send(api: HubApi, upload: str, missing: Sequence[tuple[str, _Block]], settings: Settings, hub: str) -> int:
    """Sends blocks over some connections, and returns how many bytes they have."""
    if not missing:
        return 0
    waiting: queue.SimpleQueue[tuple[str, _Block]] = queue.SimpleQueue()
    for item in missing:
        waiting.put(item)
    events: _Events = queue.SimpleQueue()
    stop = threading.Event()
    running = min(settings.connections, len(missing))
    total_bytes = sum(block.size_bytes for _, block in missing)
    for _ in range(running):
        arguments = (api, upload, waiting, events, stop)
        threading.Thread(target=_send_some, args=arguments, name="rehub-push", daemon=True).start()
    try:
        with Progress(settings, hub, total_bytes) as progress:
            while running:
                event = events.get()
                if isinstance(event, BaseException):
                    raise event
                if event is None:
                    running -= 1
                else:
                    progress.add(event)
    finally:
        stop.set()
    return total_bytes


def _send_some(
    api: HubApi,
    upload: str,
    waiting: queue.SimpleQueue[tuple[str, _Block]],
    events: _Events,
    stop: threading.Event,
) -> None:
    """Sends blocks until there are no more. The last event is None, or what went wrong."""
    try:
        while not stop.is_set():
            try:
                sha256, block = waiting.get_nowait()
            except queue.Empty:
                break
            api.put_block(upload, sha256, _read(sha256, block))
            events.put(block.size_bytes)
    except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
        events.put(error)
    else:
        events.put(None)


def _read(sha256: str, block: _Block) -> bytes:
    try:
        with block.file.open("rb") as file:
            file.seek(block.start)
            data = file.read(block.size_bytes)
    except OSError as error:
        raise _changed(block.file) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise _changed(block.file)
    return data


def _blocks(folder: Path, manifest: Manifest) -> Mapping[str, _Block]:
    found = {}
    for file in manifest.files:
        for number, sha256 in enumerate(file.blocks):
            start = number * manifest.block_bytes
            found[sha256] = _Block(folder / file.name, start, min(manifest.block_bytes, file.size_bytes - start))
    return found


def _of(blocks: Mapping[str, _Block], sha256: str) -> _Block:
    if sha256 not in blocks:
        raise PublishError(
            f"the hub wants the block {sha256[:64]!r}, which the model does not have.", hint="Try again."
        )
    return blocks[sha256]


def _changed(file: Path) -> PublishError:
    return PublishError(f"'{file}' changed while it was published.", hint="Publish it again when it is complete.")


def _hub_url(to: str) -> str:
    try:
        origin(to)
    except ValueError:
        raise HandleError(f"{to!r} is no URL of a hub.", hint="Write https://HOST, or http://HOST:PORT.") from None
    return to.partition("?")[0].rstrip("/")
