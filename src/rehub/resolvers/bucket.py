"""Models in buckets of S3, Google Cloud Storage and Azure: folders, and archives.

What a folder stands for may change, as that of a URL without a version: it is listed again after a time, and fetched
again when the list is another one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib.util
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TypeVar
from urllib.parse import urlsplit

from rehub.cache.interface import ModelStore
from rehub.configuration import Settings
from rehub.errors import AccessError, FormatError, HubError, NotFoundError, StoreError, TransferError
from rehub.formats.record import Latest
from rehub.handle import Handle, Kind
from rehub.resolvers.download import fetch, restarting
from rehub.resolvers.folders import ListedFile, check_listing, fetch_files, state_of, write_hashed
from rehub.resolvers.source import Offer
from rehub.storage.bucket import BucketStore
from rehub.storage.interface import ObjectInfo
from rehub.transport.interface import ContentLost

_MOST_FILES = 10_000
_CREDENTIALS: Mapping[str, str] = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, AWS_ENDPOINT_URL for a store that is not Amazon's, "
    "or AWS_SKIP_SIGNATURE=true for a public bucket",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS or GOOGLE_SERVICE_ACCOUNT, or run: gcloud auth application-default login",
    "az": "AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN, or "
    "AZURE_SKIP_SIGNATURE=true for a public container",
}
# Source: Google's "Application Default Credentials", and the variables of obstore.
_GOOGLE_VARIABLES = (
    *("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH"),
    *("GOOGLE_SERVICE_ACCOUNT_KEY", "GOOGLE_SKIP_SIGNATURE"),
)
_GOOGLE_FILE = "~/.config/gcloud/application_default_credentials.json"
_PRODUCT = Path("/sys/class/dmi/id/product_name")
_T = TypeVar("_T")


def has(handle: Handle) -> bool:
    """Whether the model of a handle is got from a bucket through obstore.

    An archive in a bucket of Google's for which this user has no credentials is got as anybody gets it, by https.
    """
    if handle.kind is Kind.ARCHIVE and handle.scheme == "gs":
        return importlib.util.find_spec("obstore") is not None and not _is_anonymous("gs")
    return handle.scheme in _CREDENTIALS


class BucketSource:
    """Gets models from buckets. See `rehub.resolvers.source.ModelSource`.

    Args:
        settings: How many connections there may be, and whether and how progress is shown.
        store: The cache.
    """

    def __init__(self, settings: Settings, store: ModelStore) -> None:
        self._settings = settings
        self._store = store

    def offer(self, handle: Handle, *, may_change: bool) -> Offer:
        """Asks for the size of an archive, or of the files of a folder."""
        with _translated(handle):
            if handle.kind is Kind.ARCHIVE:
                return Offer(handle, handle.location, _object(handle)[1].size_bytes)
            files = _files(handle, _bucket(handle.location))
            return Offer(handle, handle.location, sum(file.size_bytes for file in files))

    def download(self, handle: Handle, leaf: PurePosixPath, asked: Handle) -> str:
        """Fetches an archive."""
        return self._tried(handle, functools.partial(self._download, handle, leaf))

    def newest(self, handle: Handle, folder: PurePosixPath, latest: Latest | None) -> str:
        """Lists a folder, and fetches it unless it is what it was."""
        return self._tried(handle, functools.partial(self._newest, handle, folder, latest))

    def _tried(self, handle: Handle, work: Callable[[], _T]) -> _T:
        with _translated(handle):
            return restarting(work, self._settings.retries)

    def _download(self, handle: Handle, leaf: PurePosixPath) -> str:
        bucket, info = _object(handle)
        answer = _Object(handle.location, info, bucket)
        with self._store.staging(leaf) as staging:
            record = fetch(answer, handle, handle.location, staging, self._settings)
            return self._store.install(staging, leaf, record)

    def _newest(self, handle: Handle, folder: PurePosixPath, latest: Latest | None) -> str:
        bucket = _bucket(handle.location)
        files = _files(handle, bucket)
        if latest is not None and latest.etag == state_of(files):
            self._store.point(folder, dataclasses.replace(latest, time_s=time.time()))
            return self._store.path(PurePosixPath(latest.leaf))

        def get(file: ListedFile, path: Path, add: Callable[[int], None]) -> str:
            return write_hashed(path, bucket.stream(file.name, 0, file.size_bytes), add)

        with self._store.staging(folder) as staging:
            try:
                record = fetch_files(handle, files, staging, get, self._settings)
            except (StoreError, NotFoundError):
                _check_same(handle, bucket, files)  # which says better what happened
                raise
            _check_same(handle, bucket, files)
            leaf = folder / record.archive_sha256[:12]
            path = self._store.install(staging, leaf, record)
        self._store.point(folder, Latest(handle.location, str(leaf), handle.location, record.etag, record.time_s))
        return path


class _Object:
    """An object as the answer of a server. See `rehub.transport.interface.Response`."""

    status = 200
    redirect = None
    credential = None

    def __init__(self, url: str, info: ObjectInfo, bucket: BucketStore) -> None:
        self.url = url
        self.headers = {"content-length": str(info.size_bytes), "etag": info.etag}
        self._info = info
        self._bucket = bucket

    def chunks(self) -> Iterator[bytes]:
        """Gives the object."""
        yield from self._bucket.stream(self._info.key, 0, self._info.size_bytes)
        now = self._bucket.info(self._info.key)
        if now is None or now.etag != self._info.etag:
            raise ContentLost(f"{self.url} changed while it was fetched.", hint="Try again.", url=self.url)


def _bucket(url: str) -> BucketStore:
    return BucketStore(url, anonymous=_is_anonymous(urlsplit(url).scheme))


def _object(handle: Handle) -> tuple[BucketStore, ObjectInfo]:
    folder, _, name = handle.location.rpartition("/")
    bucket = _bucket(folder)
    info = bucket.info(name)
    if info is None:
        raise _absent(handle)
    return bucket, info


def _files(handle: Handle, bucket: BucketStore) -> list[ListedFile]:
    """Returns the files of a folder that holds a model."""
    files: dict[str, ListedFile] = {}
    for info in bucket.list(""):
        files[info.key] = ListedFile(info.key, info.size_bytes, info.etag)
        if len(files) > _MOST_FILES:
            raise FormatError(
                f"{handle.location} is no TensorFlow model: it holds more than {_MOST_FILES} objects.",
                hint="Name the folder that holds saved_model.pb directly.",
            )
    folders = {name[:at] for name in files for at, letter in enumerate(name) if letter == "/"}
    # Consoles make empty objects in place of folders.
    found = [file for name, file in files.items() if name.strip("/") and (file.size_bytes or name not in folders)]
    if not found:
        raise _absent(handle)
    check_listing(handle, found)
    return found


def _check_same(handle: Handle, bucket: BucketStore, files: list[ListedFile]) -> None:
    """Refuses what was fetched while somebody wrote to the folder.

    Raises:
        ContentLost: If its list is another one now.
    """
    if state_of(_files(handle, bucket)) != state_of(files):
        raise ContentLost(f"{handle.location} changed while it was fetched.", hint="Try again.", url=handle.location)


def _absent(handle: Handle) -> NotFoundError:
    return NotFoundError(
        f"there is no {handle.location}.",
        hint="Check its spelling: letters count as they are, small or capital.",
        handle=handle.text,
        url=handle.location,
    )


def _is_anonymous(scheme: str) -> bool:
    """Whether this user has nothing by which Google would know them: obstore then would wait for a cloud's machine."""
    if scheme != "gs" or any(map(os.environ.get, _GOOGLE_VARIABLES)):
        return False
    if os.path.isfile(os.path.expanduser(_GOOGLE_FILE)):  # noqa: PTH111, PTH113 - leaves the text alone without a home
        return False
    try:
        return "Google" not in _PRODUCT.read_text(errors="replace")
    except OSError:
        return True


@contextlib.contextmanager
def _translated(handle: Handle) -> Iterator[None]:
    """Makes errors of a store those of a model that is not to be had."""
    try:
        yield
    except NotFoundError as error:
        raise (error if error.handle == handle.text else _absent(handle)) from error
    except StoreError as error:
        hint = f"Set {_CREDENTIALS[handle.scheme]}."
        if _is_refusal(error):
            raise AccessError(
                f"{handle.location} may not be read: {error.message}", hint=hint, handle=handle.text, url=error.store
            ) from error
        raise TransferError(
            f"{handle.location} cannot be fetched: {error.message}",
            hint=f"Try again; check the URL and the network. {hint}",
            url=handle.location,
        ) from error


def _is_refusal(error: HubError) -> bool:
    from obstore import exceptions

    return isinstance(error.__cause__, (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError))
