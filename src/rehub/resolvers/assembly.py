"""Assembly: models made of blocks, those that the cache has and those that the server sends.

A hub that knows manifests answers with one in place of an archive. See ``docs/manifest.md``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from rehub.cache import blocks
from rehub.configuration import Settings
from rehub.errors import ChecksumError, FormatError
from rehub.formats.manifest import MEDIA_TYPE, SIZE_LIMIT_BYTES, Manifest, read_manifest
from rehub.formats.record import Record, brief
from rehub.resolvers.block_fetch import Source, fetch
from rehub.resolvers.block_files import BlockFiles
from rehub.resolvers.download import check_whole
from rehub.resolvers.pin import check_pin
from rehub.resolvers.progress import Progress
from rehub.transport.interface import Response
from rehub.transport.redirects import shown

_LOG = logging.getLogger("rehub")


@dataclasses.dataclass(frozen=True)
class Plan:
    """A manifest as a server sent it.

    Attributes:
        manifest: What it says.
        data: Its bytes.
        url: Where it came from, as it may be shown.
        etag: As the server gave it; empty if it gave none.
    """

    manifest: Manifest
    data: bytes
    url: str
    etag: str

    @property
    def digest(self) -> str:
        """The sha256 of its bytes."""
        return hashlib.sha256(self.data).hexdigest()


def is_manifest(response: Response) -> bool:
    """Whether an answer brings a manifest."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return response.status == 200 and kind == MEDIA_TYPE


def read(response: Response) -> Plan:
    """Reads the manifest that an answer brings.

    Raises:
        NewerManifest: If it is of a newer format.
        FormatError: If it cannot be used.
        TransferError: If it breaks.
    """
    data = bytearray()
    for chunk in response.chunks():
        data += chunk
        if len(data) > SIZE_LIMIT_BYTES:
            break
    whole, url = bytes(data), shown(response.url)
    try:
        return Plan(read_manifest(whole), whole, url, response.headers.get("etag", ""))
    except FormatError as error:
        raise type(error)(f"{url}: {error.message}", hint=error.hint, member=error.member) from error


def assemble(plan: Plan, source: Source, folder: Path, root: Path, leaf: PurePosixPath, settings: Settings) -> Record:
    """Makes the model of a manifest in a folder, and verifies it there.

    Args:
        plan: The manifest.
        source: Whose model it is, and how its files are asked for.
        folder: Where they are put; what is there of them already is used.
        root: The cache folder.
        leaf: Where in it the model will be.
        settings: How many connections there may be, and whether and how progress is shown.

    Raises:
        ContentLost: If the server has other files now than those of the manifest.
        ResolveError: If it does not give a file to this user.
        TransferError: If it fails, or a connection breaks again and again.
        ChecksumError: If files are not those of the manifest, or the manifest is not that of the pin.
        FormatError: If they are no whole model.
        CacheError: If the disk is full, or cannot be written.
    """
    handle = source.handle
    check_pin(handle, plan.manifest.facts)
    files = BlockFiles(folder, plan.manifest, root)
    with Progress(settings, handle.location, plan.manifest.size_bytes) as progress:
        _count(files.check(files.begin()), progress.add)
        with files.hashed(range(len(plan.manifest.files))):
            wanted = files.wanted()
            if wanted:
                _count(files.copy(blocks.find(root, leaf, wanted)), progress.add)
            fetch(files, source, settings, progress.add)
        _mend(files, plan, source, settings)
    files.sync_folders()
    check_pin(handle, files.files)
    check_whole(handle, folder, files.files, root)
    return Record(
        location=handle.location,
        url=brief(plan.url),
        etag=brief(plan.etag),
        archive_sha256=plan.digest,
        archive_bytes=len(plan.data),
        files=files.files,
        time_s=time.time(),
    )


def _count(sizes: Iterable[int], add: Callable[[int], object]) -> None:
    for size_bytes in sizes:
        add(size_bytes)


def _mend(files: BlockFiles, plan: Plan, source: Source, settings: Settings) -> None:
    """Fetches once more the blocks of files that are not what the manifest says."""
    wrong = _wrong(files, plan)
    if not wrong:
        return
    for _ in files.check(wrong):
        pass
    if files.wanted():
        _LOG.warning("%s: blocks arrived damaged; fetching them again.", plan.url)
        with files.hashed(wrong):
            fetch(files, source, settings, lambda _: None)
        wrong = _wrong(files, plan)
    for number in wrong:
        file = files.file(number)
        actual = files.files[file.name][1]
        raise ChecksumError(
            f"{file.name!r} of {plan.url} has sha256 {actual}, its manifest says {file.sha256}.",
            hint="Try again; if it recurs, tell whoever runs the server.",
            url=plan.url,
            expected=file.sha256,
            actual=actual,
        )


def _wrong(files: BlockFiles, plan: Plan) -> list[int]:
    return [number for number, file in enumerate(plan.manifest.files) if files.files[file.name][1] != file.sha256]
