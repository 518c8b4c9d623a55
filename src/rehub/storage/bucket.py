"""A bucket of S3, Google Cloud Storage or Azure as an object store, through obstore.

Credentials, regions and endpoints are where the tools of each provider have them: in variables such as
``AWS_ACCESS_KEY_ID`` and ``AWS_ENDPOINT_URL``, or in the machine's own identity.
"""

from __future__ import annotations

import contextlib
import datetime
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rehub.configuration import without_login
from rehub.errors import DependencyError, NotFoundError, StoreError
from rehub.storage.interface import ObjectInfo, check_key, check_prefix

SCHEMES = ("s3", "gs", "az", "abfs", "memory")
"""What a URL begins with; ``memory://`` is a store of this process, for tests."""

# Each piece is a request of its own, so that a client that reads slowly makes no request last longer than its timeout.
_PIECE_BYTES = 4 << 20
_PART_BYTES = 8 << 20
_PARTS_AT_A_TIME = 2
_TRIES = 5
# Plain HTTP is for endpoints of that kind alone, such as a store on this machine; the providers' own have TLS.
_CLIENT = {"connect_timeout": "5s", "read_timeout": "15s", "timeout": "60s", "allow_http": True}
_RETRIES = {"max_retries": 5, "retry_timeout": datetime.timedelta(seconds=10)}
# Source: Amazon S3, "Error responses"; Google Cloud Storage and Azure answer alike.
_SAID = re.compile(r"<Code>(?P<code>\w{1,100})</Code>.{0,50}?<Message>(?P<message>[^<]{0,300})", re.DOTALL)
_SIGNED = ("s3", "gs", "az", "abfs")


class BucketStore:
    """A bucket, or a prefix in one. See `rehub.storage.interface.ObjectStore`.

    What is lost on the way to an object of many parts, when the connection or this process ends, may stay in the bucket
    as parts that belong to no object; a lifecycle rule of the bucket removes them.

    Args:
        url: ``s3://BUCKET/PREFIX``, ``gs://BUCKET/PREFIX`` or ``az://CONTAINER/PREFIX``; ``memory://`` for a new empty
            store of this process.
        anonymous: Whether requests are sent without credentials, as to a public bucket.

    Raises:
        DependencyError: If obstore is not installed.
        StoreError: If it is no such URL, or says too little.
    """

    def __init__(self, url: str, *, anonymous: bool = False) -> None:
        try:
            import obstore
            import obstore.store
        except ModuleNotFoundError as error:
            raise DependencyError(
                "Buckets need the package 'obstore', which is not installed.",
                hint='Run: pip install "rehub[bucket]".',
                package="obstore",
                required="rehub[bucket]",
            ) from error
        parts = urlsplit(url)
        self.url = without_login(f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/"))
        self._api: Any = obstore
        self._is_signed = parts.scheme in _SIGNED
        options: dict[str, Any] = {"client_options": _CLIENT, "retry_config": _RETRIES} if self._is_signed else {}
        if anonymous:
            options["skip_signature"] = True
        with self._translated(""):
            self._store: Any = obstore.store.from_url(url, **options)

    def read(self, key: str) -> bytes:
        """Returns a small object."""
        with self._translated(check_key(key, self.url)):
            return bytes(self._api.get(self._store, key).bytes())

    def stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Gives an object, or a part of it, in pieces."""
        check_key(key, self.url)
        if length is None:
            info = self.info(key)
            if info is None:
                raise self._absent(key)
            length = info.size_bytes - start
        end = start + length
        while start < end:
            stop = min(end, start + _PIECE_BYTES)
            with self._translated(key):
                piece = bytes(self._api.get_range(self._store, key, start=start, end=stop))
            if len(piece) < stop - start:
                raise self._error(
                    f"{key!r} ends at byte {start + len(piece)}, before byte {end}.", key, "Publish it again."
                )
            yield piece
            start = stop

    def info(self, key: str) -> ObjectInfo | None:
        """Returns what is known of an object."""
        try:
            with self._translated(check_key(key, self.url)):
                return _info(self._api.head(self._store, key))
        except NotFoundError:
            return None

    def create(self, key: str, data: bytes) -> bool:
        """Makes a small object, unless there is one."""
        exceptions = self._api.exceptions
        for _ in range(_TRIES):
            with self._translated(check_key(key, self.url)):
                try:
                    self._api.put(self._store, key, data, mode="create", use_multipart=False)
                except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
                    pass
                else:
                    return True
            # Who is refused may only have met another request in flight, which then failed.
            if self.info(key) is not None:
                return False
        raise self._error(f"{key!r} can neither be made nor read.", key, "Try again.")

    def put(self, key: str, data: bytes) -> None:
        """Makes or replaces a small object."""
        with self._translated(check_key(key, self.url)):
            self._api.put(self._store, key, data, use_multipart=False)

    def write(self, key: str, chunks: Iterable[bytes]) -> None:
        """Makes or replaces an object of any size."""
        rest, first, size_bytes = iter(chunks), [], 0
        for chunk in rest:
            first.append(chunk)
            size_bytes += len(chunk)
            if size_bytes > _PART_BYTES:
                break
        else:
            self.put(key, b"".join(first))
            return
        # Chunks may come from this store: they are made here, and not where obstore would ask for them.
        with self._translated(check_key(key, self.url)):
            writer = self._api.open_writer(self._store, key, buffer_size=_PART_BYTES, max_concurrency=_PARTS_AT_A_TIME)
        for chunk in itertools.chain(first, rest):
            with self._translated(key):
                writer.write(chunk)
        with self._translated(key):
            writer.close()  # what is not closed never becomes an object

    def delete(self, key: str) -> None:
        """Deletes an object."""
        with contextlib.suppress(NotFoundError), self._translated(check_key(key, self.url)):
            self._api.delete(self._store, key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Gives all objects below a prefix."""
        pages = self._api.list(self._store, check_prefix(prefix, self.url).rstrip("/") or None, chunk_size=1000)
        while True:
            with self._translated(prefix):
                page = next(pages, None)
            if page is None:
                return
            yield from map(_info, page)

    def folders(self, prefix: str) -> tuple[str, ...]:
        """Returns the names of the folders below a prefix."""
        with self._translated(check_prefix(prefix, self.url)):
            found = self._api.list_with_delimiter(self._store, prefix.rstrip("/") or None)
        return tuple(sorted(path.rstrip("/").rpartition("/")[2] for path in found["common_prefixes"]))

    def local_path(self, key: str) -> Path | None:
        """Returns None: nothing of it is on this machine."""
        return None

    def signed_url(self, key: str, seconds: int) -> str | None:
        """Returns a URL that gives the object to anybody for some time."""
        if not self._is_signed:
            return None
        with self._translated(check_key(key, self.url)):
            return str(self._api.sign(self._store, "GET", key, datetime.timedelta(seconds=seconds)))

    @contextlib.contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        exceptions = self._api.exceptions
        try:
            yield
        except NotFoundError:
            raise
        except FileNotFoundError as error:
            raise self._absent(key) from error
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
            raise self._error(
                f"{self.url} refuses: {_reason(error)}", key, "Check the credentials, and what they allow."
            ) from error
        except exceptions.BaseError as error:
            raise self._error(
                f"{self.url} failed: {_reason(error)}",
                key,
                "Try again; check the URL, and the variables of its provider.",
            ) from error

    def _absent(self, key: str) -> NotFoundError:
        return NotFoundError(f"there is no {key!r} in the store.", handle=key)

    def _error(self, message: str, key: str, hint: str) -> StoreError:
        return StoreError(message, hint=hint, store=self.url, key=key)


def _info(found: Mapping[str, Any]) -> ObjectInfo:
    modified = found["last_modified"]
    etag = found["e_tag"] or f"{modified.timestamp():f}-{found['size']}"
    return ObjectInfo(found["path"], found["size"], etag, modified)


def _reason(error: Exception) -> str:
    """What the provider says, else the first line of what the library does, without what may be a secret in a URL."""
    said = _SAID.search(str(error))
    line = f"{said['code']}, {said['message']}" if said else str(error).strip().partition("\n")[0]
    return re.sub(r"\?\S*", "?…", without_login(line[:300]))
