"""Handing over what programs load: archives, manifests and files of versions, wherever they lie."""

from __future__ import annotations

import dataclasses
import hashlib
import mimetypes
from collections.abc import Iterable, Mapping
from email.utils import format_datetime, formatdate
from pathlib import Path

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from rehub.formats.manifest import MEDIA_TYPE, ManifestFile, write_manifest
from rehub.server.archives import ArchiveStore
from rehub.server.fingerprints import PerFolder
from rehub.server.library import PlainVersion, PublishedVersion
from rehub.server.manifests import Published, compute_manifest
from rehub.server.parts import FileAnswer, wanted_part
from rehub.server.recent import Recent
from rehub.server.stream import Source, StreamAnswer
from rehub.storage.interface import ObjectStore

_FOREVER = "max-age=31536000, immutable"
_SIGNED_S = 900
_MANIFESTS = 64
_MANIFESTS_S = 3600.0
_ARCHIVE = "application/x-tar-gz"
_BYTES = "application/octet-stream"


@dataclasses.dataclass(frozen=True)
class _Object:
    """Bytes that never change.

    Attributes:
        key: In the store; empty for a file elsewhere.
        path: The file, where it is one.
        size_bytes: How many there are.
        sha256: Of them.
        media_type: What they are.
        headers: Further headers.
    """

    key: str
    path: Path | None
    size_bytes: int
    sha256: str
    media_type: str
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Delivery:
    """Answers with what versions consist of.

    Args:
        store: The hub's.
        archives: Of plain versions.
        redirects: Whether clients get the bytes from the store itself, if that has URLs for them.
    """

    def __init__(self, store: ObjectStore, archives: ArchiveStore, *, redirects: bool) -> None:
        self._store = store
        self._archives = archives
        self._manifests: PerFolder[Published] = PerFolder(compute_manifest)
        self._source = Source(store, archives.folder)
        self._redirects = redirects
        self._written: Recent[tuple[str, int, str], tuple[bytes, str]] = Recent(_MANIFESTS_S, _MANIFESTS)

    async def archive(
        self, request: Request, version: PublishedVersion | PlainVersion, *, is_private: bool
    ) -> Response:
        """Answers with the archive of a version.

        Args:
            request: The request.
            version: The version.
            is_private: Whether caches that others use must not keep it.

        Raises:
            FileNotFoundError: If it was removed meanwhile.
            UsageError: If it is being written.
            FormatError: If it holds links or devices.
            StoreError: If the store fails.
        """
        name = f"{version.name.replace('/', '-')}-{version.number}.tar.gz"
        headers = {"Vary": "Accept"}
        if name.isascii() and name.isprintable() and not set(name) & {'"', "\\"}:
            headers["Content-Disposition"] = f'attachment; filename="{name}"'
        if isinstance(version, PlainVersion):
            built = await self._archives.get(version.folder)
            size_bytes = built.path.stat().st_size
            found = _Object("", built.path, size_bytes, built.sha256, _ARCHIVE, headers)
        else:
            facts = version.record.archive
            found = _Object(
                version.archive_key, None, facts.size_bytes, facts.sha256, _ARCHIVE, {**headers, **_dated(version)}
            )
        return await self._answer(request, found, is_private=is_private)

    async def manifest(
        self, request: Request, version: PublishedVersion | PlainVersion, *, is_private: bool
    ) -> Response:
        """Answers with the manifest of a version. Arguments and errors as of `archive`."""
        if isinstance(version, PlainVersion):
            published = await self._manifests.get(version.folder)
            data, sha256 = published.data, published.sha256
        else:
            manifest = version.record.manifest
            key = (version.name, version.number, version.prefix)
            data, sha256 = self._written.get(key, lambda: _hashed(write_manifest(manifest)))
        headers = _headers(sha256, is_private=is_private, vary=("Accept",))
        # The archive has the same URL. Caches that ignore Vary, as some CDNs do, would send this to who wants that.
        headers["Cache-Control"] = f"private, {_FOREVER}"
        if _is_known(request, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        return Response(data, media_type=MEDIA_TYPE, headers=headers)

    async def files(self, version: PublishedVersion | PlainVersion) -> Mapping[str, ManifestFile]:
        """Returns the files of a version, by name. Errors as of `archive`."""
        if isinstance(version, PlainVersion):
            return (await self._manifests.get(version.folder)).files
        return {file.name: file for file in version.record.manifest.files}

    async def file(
        self, request: Request, version: PublishedVersion | PlainVersion, file: ManifestFile, *, is_private: bool
    ) -> Response:
        """Answers with a file of a version. Arguments and errors as of `archive`."""
        media_type = _BYTES
        if file.name.endswith(".json"):  # which TensorFlow.js reads
            media_type = mimetypes.guess_type(file.name)[0] or _BYTES
        if isinstance(version, PlainVersion):
            found = _Object("", version.folder / file.name, file.size_bytes, file.sha256, media_type)
        else:
            key = version.file_key(file.name)
            found = _Object(key, None, file.size_bytes, file.sha256, media_type, _dated(version))
        return await self._answer(request, found, is_private=is_private)

    async def _answer(self, request: Request, found: _Object, *, is_private: bool) -> Response:
        vary = [found.headers["Vary"]] if "Vary" in found.headers else []
        headers = {**found.headers, **_headers(found.sha256, is_private=is_private, vary=vary)}
        if _is_known(request, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        path = found.path or await to_thread.run_sync(self._store.local_path, found.key)
        if path is not None:
            changed_s = path.stat().st_mtime
            headers.setdefault("Last-Modified", formatdate(changed_s, usegmt=True))
            return FileAnswer(path, wanted_part(request, found.size_bytes, headers), headers, found.media_type)
        # A signature is for one method.
        if self._redirects and request.method == "GET":
            url = await to_thread.run_sync(self._store.signed_url, found.key, _SIGNED_S)
            if url is not None:
                return Response(status_code=302, headers={"Location": url, "Cache-Control": "no-store"})
        part = wanted_part(request, found.size_bytes, headers)
        has_body = request.method != "HEAD"
        answer = StreamAnswer(self._source, found.key, part, headers, found.media_type, has_body=has_body)
        await answer.begin()
        return answer


def _dated(version: PublishedVersion) -> dict[str, str]:
    publication = version.record.publication
    return {"Last-Modified": format_datetime(publication.created, usegmt=True)} if publication else {}


def _hashed(data: bytes) -> tuple[bytes, str]:
    return data, hashlib.sha256(data).hexdigest()


def _headers(sha256: str, *, is_private: bool, vary: Iterable[str] = ()) -> dict[str, str]:
    headers = {"ETag": f'"{sha256}"', "X-Content-Type-Options": "nosniff"}
    if is_private:
        return {**headers, "Cache-Control": f"private, {_FOREVER}", "Vary": ", ".join([*vary, "Authorization"])}
    headers |= {"Cache-Control": f"public, {_FOREVER}", "Access-Control-Allow-Origin": "*"}
    return {**headers, "Vary": ", ".join(vary)} if vary else headers


def _is_known(request: Request, etag: str) -> bool:
    """Whether the client has this content already."""
    tags = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    return etag in tags or tags == ["*"]
