"""Uploads: a manifest first, then the blocks that the hub lacks, in any order, by any number of connections.

An upload is known by the content that it will be, so whoever begins it again, for whatever reason, continues it. It is
visible to nobody until `rehub.server.commit.commit` makes a version of it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Mapping

from rehub.errors import ChecksumError, LimitError, NotFoundError, PublishError, StoreError
from rehub.formats.manifest import BLOCK_BYTES, Manifest, read_manifest, write_manifest
from rehub.formats.version_record import content_of
from rehub.server import names
from rehub.server.catalogue import MODEL_FILES
from rehub.server.documents import Documents
from rehub.server.known_blocks import find_blocks
from rehub.server.library import Library
from rehub.server.numbers import check_free, published_as
from rehub.storage.interface import KEY_LIMIT_BYTES

_MODELS = (*MODEL_FILES, "model.json")
_LONGEST_NUMBER = 10**17


@dataclasses.dataclass(frozen=True)
class Upload:
    """A running upload.

    Attributes:
        content: What it is known by, beside the name of the model.
        version: The version that is asked for, or that has these files already; None for the next free one.
        missing: The sha256 of each block that is still to be sent, in the order of the manifest.
    """

    content: str
    version: int | None
    missing: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Expected:
    """What an upload will be.

    Attributes:
        manifest: Its files.
        blocks: The size in bytes of each block of them, by its sha256, in the order of the manifest.
    """

    manifest: Manifest
    blocks: Mapping[str, int]


class Uploads:
    """The uploads to a hub. Many threads may use them, and many servers one store.

    Args:
        library: The hub's.
        limit_bytes: What all files of a model may have together; None for what manifests can have.
    """

    def __init__(self, library: Library, *, limit_bytes: int | None = None) -> None:
        self.library = library
        self._store = library.store
        self._limit_bytes = limit_bytes
        self._documents = Documents(library.store, 0.0)

    def begin(self, name: str, version: int | None, manifest: bytes) -> Upload:
        """Begins an upload, or continues one of the same files.

        Args:
            name: ``PUBLISHER/MODEL``.
            version: The version to publish; None for the next free one.
            manifest: The files, as `rehub.formats.manifest.write_manifest` returns them; other keys are ignored.

        Raises:
            FormatError: If the manifest is damaged.
            LimitError: If the model or its blocks are too large.
            ConflictError: If the version exists with other files, or was removed.
            PublishError: If the name, the version or the files are none that can be published.
            StoreError: If the store fails.
        """
        names.check_model(name)
        if version is not None:
            names.check_version(version)
        expected = _expected(read_manifest(manifest))
        self._check(name, expected.manifest)
        content = content_of(expected.manifest)
        published = published_as(self.library, name, version, content)
        if published is not None:
            return Upload(content, published, ())
        if version is not None:
            check_free(self.library, name, version)
        # Also when it is there: what is old is taken for left behind.
        self._store.put(_manifest_key(name, content), write_manifest(expected.manifest))
        return Upload(content, version, self.missing(name, content, expected))

    def expected(self, name: str, content: str) -> Expected:
        """Returns what an upload will be.

        Raises:
            NotFoundError: If there is no such upload: it has become a version, or was left behind for long.
            StoreError: If the store fails.
        """
        known = names.is_servable(name) and names.CONTENT.fullmatch(content)
        found = self._documents.get(_manifest_key(name, content), _read_expected) if known else None
        if found is None:
            raise NotFoundError(f"there is no upload {content[:40]!r} of {name[:100]!r}.", hint="Begin it again.")
        return found

    def missing(self, name: str, content: str, expected: Expected) -> tuple[str, ...]:
        """Returns the sha256 of each block that is neither in an upload nor in what its publisher has published.

        Raises:
            StoreError: If the store fails.
        """
        prefix = _block_key(name, content, "")
        sent = {info.key[len(prefix) :]: info.size_bytes for info in self._store.list(prefix)}
        missing = [sha256 for sha256, size_bytes in expected.blocks.items() if sent.get(sha256) != size_bytes]
        known = find_blocks(self.library, name, missing) if missing else {}
        return tuple(sha256 for sha256 in missing if sha256 not in known)

    def put_block(self, name: str, content: str, sha256: str, data: bytes) -> None:
        """Takes a block of an upload; it may come more than once.

        Raises:
            NotFoundError: If there is no such upload.
            PublishError: If the upload has no such block.
            ChecksumError: If it is not that block.
            StoreError: If the store fails.
        """
        expected = self.expected(name, content)
        if sha256 not in expected.blocks:
            raise PublishError(f"{sha256[:100]!r} is no block of this upload.", hint="Send those that are missing.")
        actual = hashlib.sha256(data).hexdigest()
        if actual != sha256:
            raise ChecksumError(
                f"a block of {len(data)} bytes has sha256 {actual}, and should have {sha256}.",
                hint="Send it again.",
                expected=sha256,
                actual=actual,
            )
        self._store.put(_block_key(name, content, sha256), data)

    def read_block(self, name: str, content: str, sha256: str) -> bytes | None:
        """Returns a block that was sent; None if it was not.

        Raises:
            StoreError: If the store fails.
        """
        try:
            return self._store.read(_block_key(name, content, sha256))
        except NotFoundError:
            return None

    def touch(self, name: str, content: str, expected: Expected) -> None:
        """Shows that an upload is not left behind.

        Raises:
            StoreError: If the store fails.
        """
        self._store.put(_manifest_key(name, content), write_manifest(expected.manifest))

    def discard(self, name: str, content: str) -> None:
        """Deletes what was sent; what the store keeps, because it fails, is left behind."""
        with contextlib.suppress(StoreError):
            self._store.delete(_manifest_key(name, content))
            for info in list(self._store.list(names.upload_prefix(name, content))):
                self._store.delete(info.key)

    def _check(self, name: str, manifest: Manifest) -> None:
        if manifest.block_bytes > BLOCK_BYTES:
            raise LimitError(
                f"blocks of {manifest.block_bytes} bytes are too large.", hint=f"Use blocks of {BLOCK_BYTES} bytes."
            )
        if self._limit_bytes is not None and manifest.size_bytes > self._limit_bytes:
            raise LimitError(
                f"the model has {manifest.size_bytes} bytes, and this hub takes {self._limit_bytes}.",
                hint="Publish a smaller one, or ask whoever runs the hub.",
            )
        if not any(file.name in _MODELS or file.name.endswith(".tflite") for file in manifest.files):
            raise PublishError(
                "there is no model among the files.",
                hint="Publish a folder with saved_model.pb, with model.json, or with a file that ends in .tflite.",
            )
        prefix = names.content_prefix(name, _LONGEST_NUMBER, content_of(manifest))
        for file in manifest.files:
            if len(names.file_key(prefix, file.name).encode()) > KEY_LIMIT_BYTES:
                raise PublishError(f"the name of the file {file.name[:100]!r} is too long.", hint="Use a shorter one.")


def _read_expected(data: bytes) -> Expected:
    return _expected(read_manifest(data))


def _expected(manifest: Manifest) -> Expected:
    blocks = {
        sha256: min(manifest.block_bytes, file.size_bytes - number * manifest.block_bytes)
        for file in manifest.files
        for number, sha256 in enumerate(file.blocks)
    }
    return Expected(manifest, blocks)


def _manifest_key(name: str, content: str) -> str:
    return f"{names.upload_prefix(name, content)}manifest.json"


def _block_key(name: str, content: str, sha256: str) -> str:
    return f"{names.upload_prefix(name, content)}blocks/{sha256}"
