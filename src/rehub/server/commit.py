"""Making a version of an upload: all of it, or nothing that anybody sees.

The files, the archive and the card are written under the name of their content first. Then the record is, unless there
is one: that makes the version. Whoever loses a race for a number, or ends before, leaves files of no version behind,
which `rehub.server.gc` deletes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from rehub.archive.writing import PackedFile, packed
from rehub.errors import (
    ChecksumError,
    ConflictError,
    FormatError,
    IncompleteError,
    LimitError,
    NotFoundError,
    PublishError,
    StoreError,
)
from rehub.formats.card import read_card
from rehub.formats.manifest import ManifestFile
from rehub.formats.version_record import (
    SIZE_LIMIT_BYTES,
    Archive,
    Publication,
    VersionRecord,
    write_version_record,
)
from rehub.server import names
from rehub.server.interface import read_interface
from rehub.server.known_blocks import Place, find_blocks, read_block
from rehub.server.library import PublishedVersion
from rehub.server.numbers import check_free, next_free, published_as
from rehub.server.uploads import Expected, Uploads

_RACES = 20


@dataclasses.dataclass(frozen=True)
class Committed:
    """A version that is published.

    Attributes:
        name: Of the model.
        version: Its number.
        is_new: False when the model had a version of these files before.
    """

    name: str
    version: int
    is_new: bool


def commit(
    uploads: Uploads,
    name: str,
    version: int | None,
    content: str,
    *,
    by: str,
    card: bytes | None = None,
    now: datetime.datetime | None = None,
) -> Committed:
    """Makes a version of an upload, and ends the upload.

    It may be called again after anything: what is published is not published twice. It takes as long as it takes to
    read and write all files, and holds a few blocks in memory.

    Args:
        uploads: The hub's.
        name: The model.
        version: The number; None for the next free one, or, if a version has these files, for that.
        content: The upload.
        by: Who publishes: the name of a token.
        card: The model card; None for none.
        now: The time, in UTC; None for what the clock says.

    Raises:
        NotFoundError: If there is no such upload, and no such version.
        IncompleteError: If blocks are missing.
        ConflictError: If the version exists with other files, or was removed.
        ChecksumError: If the files are not those of the manifest, although the blocks are.
        FormatError: If the model or the card is damaged.
        PublishError: If the name or version is none that can be published, or the model lacks files.
        LimitError: If there is too much to say of the model.
        StoreError: If the store fails.
    """
    names.check_model(name)
    if version is not None:
        names.check_version(version)
    published = published_as(uploads.library, name, version, content)
    if published is None:
        front_matter = read_card(card).front_matter() if card is not None else {}
        publication = Publication(now or datetime.datetime.now(datetime.timezone.utc), by)
        try:
            expected = uploads.expected(name, content)
            if version is not None:
                check_free(uploads.library, name, version)
            uploads.touch(name, content, expected)
            return _Commit(uploads, name, content, expected, card, front_matter, publication).make(version)
        except (NotFoundError, IncompleteError):
            uploads.library.forget(name)
            published = published_as(uploads.library, name, version, content)
            if published is None:  # not because the same call has ended on another server meanwhile
                raise
    uploads.discard(name, content)
    return Committed(name, published, is_new=False)


class _Commit:
    """One try to make a version.

    Args:
        uploads: The hub's.
        name: The model.
        content: The upload.
        expected: What it will be.
        card: The model card.
        front_matter: Of the card.
        publication: Who publishes, and when.
    """

    def __init__(
        self,
        uploads: Uploads,
        name: str,
        content: str,
        expected: Expected,
        card: bytes | None,
        front_matter: dict[str, Any],
        publication: Publication,
    ) -> None:
        self._uploads = uploads
        self._library = uploads.library
        self._store = uploads.library.store
        self._name = name
        self._content = content
        self._expected = expected
        self._manifest = expected.manifest
        self._card = card
        self._front_matter = front_matter
        self._publication = publication
        self._places: dict[str, Place] = {}

    def make(self, version: int | None) -> Committed:
        """Makes the version; another one, if none is named and somebody else has that meanwhile."""
        missing = self._uploads.missing(self._name, self._content, self._expected)
        if missing:
            raise _incomplete(missing)
        for _ in range(_RACES):
            number = version
            if number is None:
                number = next_free(self._library, self._name)
                # The same call may have ended on another server meanwhile, and made the number before.
                before = published_as(self._library, self._name, None, self._content)
                if before is not None:
                    return self._end(before, is_new=False)
            record = self._written(number)
            is_new = self._store.create(names.record_key(self._name, number), record)
            self._library.forget(self._name, number)
            if is_new or published_as(self._library, self._name, number, self._content) is not None:
                return self._end(number, is_new=is_new)
            self._delete_loser(number)
            if version is not None:
                check_free(self._library, self._name, version)
        raise ConflictError(
            f"{_RACES} other versions of {self._name} were published meanwhile.", hint="Try again in a moment."
        )

    def _end(self, number: int, *, is_new: bool) -> Committed:
        self._uploads.discard(self._name, self._content)
        return Committed(self._name, number, is_new)

    def _written(self, number: int) -> bytes:
        """Does what `_write` does; leaves nothing of files that can be no version, whoever publishes them."""
        try:
            return self._write(number)
        except IncompleteError:  # the rest may still come
            raise
        except (ChecksumError, FormatError, PublishError):
            with contextlib.suppress(StoreError):  # then they are left behind
                if self._store.info(names.record_key(self._name, number)) is None:  # no other release took them
                    self._delete(number)
            self._uploads.discard(self._name, self._content)
            raise

    def _write(self, number: int) -> bytes:
        """Writes all of a version but the record, which it returns."""
        prefix = names.content_prefix(self._name, number, self._content)
        sizes = {}
        for file in self._manifest.files:
            key = names.file_key(prefix, file.name)
            self._store.write(key, self._file(file))
            sizes[key] = file.size_bytes
        interface = read_interface(self._store, prefix, self._manifest)
        counted = _Counted(packed(self._packed_files(prefix)))
        self._store.write(names.archive_key(prefix), counted)
        sizes[names.archive_key(prefix)] = counted.size_bytes
        card_sha256 = ""
        if self._card is not None:
            card_sha256 = hashlib.sha256(self._card).hexdigest()
            self._store.put(names.card_key(prefix, card_sha256), self._card)
            sizes[names.card_key(prefix, card_sha256)] = len(self._card)
        record = write_version_record(
            VersionRecord(
                self._manifest,
                interface,
                self._front_matter,
                Archive(counted.size_bytes, counted.sha256),
                card_sha256,
                self._publication,
            )
        )
        if len(record) > SIZE_LIMIT_BYTES:
            raise LimitError(f"the record of the model has {len(record)} bytes.", hint="Export fewer functions.")
        # What an earlier try left behind may have been deleted in the very moment in which it was written again.
        there = {info.key: info.size_bytes for info in self._store.list(prefix)}
        if not sizes.items() <= there.items():
            raise IncompleteError(f"files of {self._name} were deleted while they were written.", hint="Try again.")
        return record

    def _file(self, file: ManifestFile) -> Iterator[bytes]:
        digest = hashlib.sha256()
        for number, sha256 in enumerate(file.blocks):
            data = self._block(sha256)
            if len(data) != min(self._manifest.block_bytes, file.size_bytes - number * self._manifest.block_bytes):
                raise FormatError(f"the manifest is wrong about the size of {file.name!r}.", hint="Publish it again.")
            digest.update(data)
            yield data
        if digest.hexdigest() != file.sha256:
            raise ChecksumError(
                f"{file.name!r} has sha256 {digest.hexdigest()}, and the manifest says {file.sha256}.",
                hint="Publish the model again; its files may have changed meanwhile.",
                expected=file.sha256,
                actual=digest.hexdigest(),
            )

    def _block(self, sha256: str) -> bytes:
        data = self._uploads.read_block(self._name, self._content, sha256)
        if data is None:
            if sha256 not in self._places:
                self._places = find_blocks(self._library, self._name, self._expected.blocks)
            place = self._places.get(sha256)
            data = read_block(self._library, place) if place else None
        if data is None or hashlib.sha256(data).hexdigest() != sha256:
            raise _incomplete((sha256,))
        return data

    def _packed_files(self, prefix: str) -> Iterable[PackedFile]:
        for file in self._manifest.files:
            read = partial(self._store.stream, names.file_key(prefix, file.name))
            yield PackedFile(file.name, file.size_bytes, read)

    def _delete_loser(self, number: int) -> None:
        """Deletes the files of a version that has become another one."""
        found = self._library.version(self._name, number)
        if isinstance(found, PublishedVersion) and found.record.content != self._content:
            self._delete(number)

    def _delete(self, number: int) -> None:
        for info in list(self._store.list(names.content_prefix(self._name, number, self._content))):
            self._store.delete(info.key)


class _Counted:
    """Chunks, and what they were."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._digest.update(chunk)
            self.size_bytes += len(chunk)
            yield chunk

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def _incomplete(missing: tuple[str, ...]) -> IncompleteError:
    count = f"{len(missing)} block{'s' if len(missing) > 1 else ''}"
    return IncompleteError(f"{count} of the upload are missing.", hint="Send them, then try again.", missing=missing)
