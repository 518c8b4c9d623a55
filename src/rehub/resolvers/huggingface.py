"""Models on the Hugging Face Hub, through its own client.

The client knows its accounts and how files come; they are downloaded beside their place in the cache, and not into the
cache of the client. What that has already is copied from there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import posixpath
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import rehub
from rehub.cache.interface import ModelStore
from rehub.configuration import Settings
from rehub.errors import ChecksumError, DependencyError
from rehub.formats.record import Latest
from rehub.handle import Handle, parse
from rehub.repository import Repository
from rehub.resolvers.credentials import own_token
from rehub.resolvers.folders import ListedFile, check_listing, fetch_files, state_of
from rehub.resolvers.huggingface_errors import translated
from rehub.resolvers.mirrors import mirrored
from rehub.resolvers.source import Offer
from rehub.transport.origin import origin

_CHUNK_BYTES = 1 << 20
_PARTS = frozenset({"variables", "assets", "assets.extra", "debug"})
"""Folders of a model, of which everything belongs to it."""
_OTHER_WEIGHTS = frozenset(
    {
        *(".bin", ".safetensors", ".pt", ".pth", ".ckpt", ".gguf", ".ggml", ".msgpack", ".onnx", ".tflite", ".keras"),
        *(".h5", ".hdf5", ".mlmodel", ".mlpackage", ".ot", ".npz", ".parquet", ".arrow"),
    }
)


class HuggingFaceSource:
    """Gets models from the Hugging Face Hub. See `rehub.resolvers.source.ModelSource`.

    Args:
        settings: How many connections there may be, which mirror and token, whether and how progress is shown.
        store: The cache.

    Raises:
        DependencyError: If huggingface_hub is not installed.
    """

    def __init__(self, settings: Settings, store: ModelStore) -> None:
        try:
            import huggingface_hub
            import huggingface_hub.constants
            import huggingface_hub.errors
        except ModuleNotFoundError as error:
            raise DependencyError(
                "Models on the Hugging Face Hub need the package 'huggingface_hub', which is not installed.",
                hint='Run: pip install "rehub[huggingface]".',
                package="huggingface_hub",
                required="rehub[huggingface]",
            ) from error
        self._settings = settings
        self._store = store
        self._hub: Any = huggingface_hub

    def offer(self, handle: Handle, *, may_change: bool) -> Offer:
        """Asks for the commit that a revision stands for, and for the sizes of its files."""
        fixed = self._fixed(handle) if may_change else handle
        files = self._files(fixed)
        return Offer(fixed, _page(fixed, self._connection(fixed).endpoint), sum(file.size_bytes for file in files))

    def newest(self, handle: Handle, folder: PurePosixPath, latest: Latest | None) -> Handle:
        """Asks for the commit that a revision stands for."""
        return self._fixed(handle)

    def download(self, handle: Handle, leaf: PurePosixPath, asked: Handle) -> str:
        """Fetches the files of a commit; goes on where an earlier try was interrupted."""
        files = self._files(handle)
        connection = self._connection(handle)
        with self._store.resumable(leaf, state_of(files)) as staging, self._translated(handle):
            get = _Getter(self._hub, _repository(handle), connection, staging.parent / "received")
            record = fetch_files(handle, files, staging, get, self._settings)
            record = dataclasses.replace(record, url=_page(handle, connection.endpoint))
            return self._store.install(staging, leaf, record)

    def _fixed(self, handle: Handle) -> Handle:
        """Returns the handle of the commit that a revision stands for now, with the pin of the one asked for."""
        repository = _repository(handle)
        with self._translated(handle):
            info = self._api(handle).model_info(
                repository.name, revision=repository.revision, timeout=self._settings.timeout_s or None
            )
        return dataclasses.replace(parse(repository.at(str(info.sha)).location), text=handle.text, pin=handle.pin)

    def _files(self, handle: Handle) -> list[ListedFile]:
        """Returns the files of a commit that make up a model."""
        repository = _repository(handle)
        with self._translated(handle):
            entries = self._api(handle).list_repo_tree(
                repository.name, repository.folder or None, recursive=True, revision=repository.revision
            )
            files = [_listed(entry, repository.folder) for entry in entries if hasattr(entry, "blob_id")]
        check_listing(handle, files)
        return [file for file in files if _is_wanted(file.name)]

    def _api(self, handle: Handle) -> Any:
        connection = self._connection(handle)
        return self._hub.HfApi(endpoint=connection.endpoint, token=connection.token, **_LIBRARY)

    def _connection(self, handle: Handle) -> _Connection:
        """Returns the server that is asked, and what shows it who asks.

        A mirror that rehub was told of gets the token that rehub has for it, and never that of huggingface_hub.
        """
        name = _repository(handle).name
        own = parse(f"{self._hub.constants.ENDPOINT}/{name}")
        asked = mirrored(own, self._settings)
        endpoint = asked.location.removesuffix(f"/{name}")
        token = own_token(origin(asked.location), self._settings)
        if token is not None:
            return _Connection(endpoint, *token)
        if asked != own:
            return _Connection(endpoint, False, "")
        return _Connection(endpoint, None, "the login of huggingface_hub" if self._hub.get_token() else "")

    def _translated(self, handle: Handle) -> contextlib.AbstractContextManager[None]:
        return translated(self._hub, handle, self._connection(handle).source, lambda: self._revisions(handle))

    def _revisions(self, handle: Handle) -> tuple[str, ...]:
        refs = self._api(handle).list_repo_refs(_repository(handle).name)
        return tuple(ref.name for ref in (*refs.branches, *refs.tags))


_LIBRARY = {"library_name": "rehub", "library_version": rehub.__version__}


@dataclasses.dataclass(frozen=True)
class _Connection:
    """How the Hub is asked.

    Attributes:
        endpoint: The URL of the server.
        token: A token; None for that of the client's own login, False for none.
        source: Which token it is, for messages; empty for none.
    """

    endpoint: str
    token: str | bool | None = dataclasses.field(repr=False)
    source: str


class _Getter:
    """Fetches files of a commit. See `rehub.resolvers.folders.Get`."""

    def __init__(self, hub: Any, repository: Repository, connection: _Connection, folder: Path) -> None:
        self._hub = hub
        self._repository = repository
        self._connection = connection
        self._folder = folder

    def __call__(self, file: ListedFile, path: Path, add: Callable[[int], None]) -> str:
        if path.is_file():  # of an interrupted download
            sha256, digest = _digests(path, file.size_bytes, put=False)
            if file.digest in (sha256, digest):
                add(file.size_bytes)
                return sha256
        received = self._hub.hf_hub_download(
            self._repository.name,
            posixpath.join(self._repository.folder, file.name),
            revision=self._repository.revision,
            local_dir=self._folder,
            token=self._connection.token,
            endpoint=self._connection.endpoint,
            tqdm_class=_bar(add),
            **_LIBRARY,
        )
        sha256, digest = _digests(Path(received), file.size_bytes, put=True)
        if file.digest not in (sha256, digest):
            Path(received).unlink()
            raise ChecksumError(
                f"{file.name!r} of {self._repository.name} has sha256 {sha256}, which is not what the Hub lists.",
                hint="Try again; if it recurs, tell its owner.",
                url=self._repository.location,
                expected=file.digest,
                actual=sha256 if len(file.digest) == len(sha256) else digest,
            )
        Path(received).replace(path)
        return sha256


def _bar(add: Callable[[int], None]) -> type:
    """Returns what the client takes for the class of a progress bar; it only tells how many bytes come."""

    class Bar:
        def __init__(self, *_: object, total: float | None = None, initial: int = 0, **__: object) -> None:
            self.total, self.n = total, initial
            if initial:
                add(initial)

        def update(self, count_bytes: float | None = 1) -> None:
            self.n += int(count_bytes or 0)
            add(int(count_bytes or 0))

        def update_transfer(self, *_: object, **__: object) -> None:
            """Does nothing, as do the others: what is received for a file is counted when it is written."""

        set_postfix_str = set_transfer_postfix_str = refresh = close = update_transfer

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    return Bar


def _digests(path: Path, size_bytes: int, *, put: bool) -> tuple[str, str]:
    """Returns the sha256 of a file, and the name that git gives to its content; puts it on the disk if wanted."""
    sha256, git = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % size_bytes, usedforsecurity=False)
    with path.open("r+b" if put else "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            sha256.update(chunk)
            git.update(chunk)
        if put:
            os.fsync(file.fileno())
    return sha256.hexdigest(), git.hexdigest()


def _listed(entry: Any, folder: str) -> ListedFile:
    name = entry.path.removeprefix(f"{folder}/") if folder else entry.path
    return ListedFile(name, entry.size, entry.lfs.sha256 if entry.lfs is not None else entry.blob_id)


def _is_wanted(name: str) -> bool:
    """Whether a file may be of use with the model: git's own files and weights for other libraries are not."""
    first = name.partition("/")[0]
    return first in _PARTS or not (first.startswith(".git") or Path(name).suffix.lower() in _OTHER_WEIGHTS)


def _repository(handle: Handle) -> Repository:
    assert handle.repository is not None, "chosen by its kind"
    return handle.repository


def _page(handle: Handle, endpoint: str) -> str:
    repository = _repository(handle)
    return f"{endpoint}/{repository.name}/tree/{repository.revision}/{repository.folder}".rstrip("/")
