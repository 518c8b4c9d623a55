"""Publishing without HTTP, what a store has to hold then, and stores that fail."""

from __future__ import annotations

import datetime
import io
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from rehub.formats.manifest import write_manifest
from rehub.formats.version_record import content_of
from rehub.server.commit import Committed, commit
from rehub.server.library import Library, PublishedVersion
from rehub.server.uploads import Uploads
from rehub.storage.interface import ObjectStore
from tests import sample
from tests.manifests import BLOCK, manifest_of, sha256

WEIGHTS = "variables/variables.data-00000-of-00001"
FILES: Mapping[str, bytes] = {
    "saved_model.pb": sample.SAVED_MODEL,
    "assets/words.txt": b"hello\n",
    "assets/none": b"",
    WEIGHTS: bytes(range(256)) * 256 + b"\1" * BLOCK + b"end",
}
NAME = "acme/net"
LATER = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=3)


def files_with(words: bytes) -> dict[str, bytes]:
    """Returns a model that differs in one file."""
    return {**FILES, "assets/words.txt": words}


def blocks_of(files: Mapping[str, bytes]) -> dict[str, bytes]:
    pieces = (data[start : start + BLOCK] for data in files.values() for start in range(0, len(data), BLOCK))
    return {sha256(piece): piece for piece in pieces}


def begin(uploads: Uploads, files: Mapping[str, bytes] = FILES, name: str = NAME, version: int | None = None) -> str:
    """Begins an upload and sends what is missing. Returns its content."""
    upload = uploads.begin(name, version, write_manifest(manifest_of(files)))
    blocks = blocks_of(files)
    for missing in upload.missing:
        uploads.put_block(name, upload.content, missing, blocks[missing])
    return upload.content


def publish(
    uploads: Uploads, files: Mapping[str, bytes] = FILES, name: str = NAME, version: int | None = None, **options: Any
) -> Committed:
    return commit(uploads, name, version, begin(uploads, files, name, version), by="tester", **options)


def keys(store: ObjectStore) -> set[str]:
    return {info.key for info in store.list("")}


def keys_of(name: str, version: int, files: Mapping[str, bytes] = FILES) -> set[str]:
    """Returns what a store holds of a version without a card."""
    folder = f"{name}/{version}"
    prefix = f"{folder}/{content(files)}"
    return {f"{folder}/manifest.json", f"{prefix}/model.tar.gz"} | {f"{prefix}/files/{file}" for file in files}


def content(files: Mapping[str, bytes] = FILES) -> str:
    return content_of(manifest_of(files))


def published(library: Library, number: int, name: str = NAME) -> PublishedVersion:
    version = library.version(name, number)
    assert isinstance(version, PublishedVersion)
    return version


def check_whole(store: ObjectStore, number: int = 1, files: Mapping[str, bytes] = FILES, name: str = NAME) -> None:
    """Sees to it that a version is there, with all that belongs to it."""
    version = published(Library(store), number, name)
    assert version.record.manifest == manifest_of(files)
    assert {file: store.read(version.file_key(file)) for file in files} == files
    archive = store.read(version.archive_key)
    assert (len(archive), sha256(archive)) == (version.record.archive.size_bytes, version.record.archive.sha256)
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        found = {member.name: tar.extractfile(member) for member in tar if member.isfile()}
        assert {name: opened.read() for name, opened in found.items() if opened} == {
            f"./{file}": data for file, data in files.items()
        }


class Watched:
    """A store that does what another one does, and counts.

    Attributes:
        calls: The names of the calls, in their order.
        largest: The size of the largest chunk that was written or read.
        at: Something happens at this call, counted from 1; 0 for never.
        happen: What.
        is_after: Whether it happens after the work of the call is done, and not before.
    """

    def __init__(
        self, store: ObjectStore, at: int = 0, happen: Callable[[], object] = lambda: None, is_after: bool = False
    ) -> None:
        self.calls: list[str] = []
        self.largest = 0
        self.at, self.happen, self.is_after = at, happen, is_after
        self._store = store

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._store, name)
        if not callable(value) or name in ("local_path", "signed_url"):
            return value

        def call(key: str, *more: Any) -> Any:
            self.calls.append(name)
            is_hit = len(self.calls) == self.at
            if is_hit and not self.is_after:
                self.happen()
            if more and name == "write":
                more = (self._watched(more[0]),)
            elif more and isinstance(more[0], bytes):
                self.largest = max(self.largest, len(more[0]))
            result = value(key, *more)
            if is_hit and self.is_after:
                self.happen()
            return self._watched(result) if name == "stream" else result

        return call

    def _watched(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.largest = max(self.largest, len(chunk))
            yield chunk
