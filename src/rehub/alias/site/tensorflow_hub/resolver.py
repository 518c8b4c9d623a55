"""What resolvers are made of."""

from __future__ import annotations

import abc
import contextlib
import enum
import os
import shutil
import socket
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rehub import configuration
from rehub.alias.activation import temp_cache
from rehub.archive.reading import Readable, unpack
from rehub.cache import legacy, lock
from rehub.errors import CacheError, FormatError
from rehub.resolvers import answers
from rehub.resolvers.chain import Network, resolve_without_own


class ModelLoadFormat(enum.Enum):
    """How models are asked for; see `rehub.Settings`."""

    COMPRESSED = "COMPRESSED"
    UNCOMPRESSED = "UNCOMPRESSED"
    AUTO = "AUTO"


class Resolver(abc.ABC):
    """Finds models of one kind of handle."""

    @abc.abstractmethod
    def __call__(self, handle: str) -> str:
        """Returns the folder of a model."""

    @abc.abstractmethod
    def is_supported(self, handle: str) -> bool:
        """Whether a handle is of the kind that this resolver is for."""


class RehubResolver(Resolver):
    """Leaves a handle to rehub; the classes below it say which handles."""

    def __call__(self, handle: str) -> str:
        """Returns the folder of a model; see `rehub.resolve` for what it raises."""
        settings = configuration.current()
        return resolve_without_own(handle, settings, Network(settings))


class PathResolver(RehubResolver):
    """Finds folders, and whatever no other resolver is for."""

    def is_supported(self, handle: str) -> bool:
        """Whether the handle is for this one: always."""
        return True


class HttpResolverBase(RehubResolver):
    """Finds models on web servers."""

    def is_supported(self, handle: str) -> bool:
        """Whether the handle begins with http:// or https://."""
        return self.is_http_protocol(handle)

    def is_http_protocol(self, handle: str) -> bool:
        """Whether the handle begins with http:// or https://."""
        return handle.startswith(("http://", "https://"))


class DownloadManager:
    """Unpacks archives.

    Args:
        url: Where they come from, for messages.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def download_and_uncompress(self, fileobj: Readable, dst_path: str) -> None:
        """Unpacks a .tar.gz or .tar into an empty folder, which is made if it is not there.

        Raises:
            FormatError: If it is no archive, or a damaged or unsafe one. It is an ``OSError`` too.
        """
        Path(dst_path).mkdir(parents=True, exist_ok=True)
        try:
            unpack(fileobj, Path(dst_path))
        except FormatError as error:
            raise answers.bad_archive(self._url, error) from error


def get_env_setting(env_var: str, flag_name: str) -> Any:
    """Returns what a variable is set to, or else a flag; None if neither is."""
    flags = getattr(sys.modules.get("absl.flags"), "FLAGS", {})
    return os.environ.get(env_var) or (flags[flag_name].value if flag_name in flags else None)


def tfhub_cache_dir(default_cache_dir: str | None = None, use_temp: bool = False) -> str | None:
    """Returns the folder of the model cache that a variable or flag names, or the default.

    Args:
        default_cache_dir: What to return if they name none.
        use_temp: Whether to return the folder in the system's temp folder if there is no default either.
    """
    named = get_env_setting("TFHUB_CACHE_DIR", "tfhub_cache_dir") or default_cache_dir
    return named or (str(temp_cache()) if use_temp else None)


def model_load_format() -> str:
    """Returns how models are asked for: the value of a `ModelLoadFormat`."""
    return configuration.current().load_format


def create_local_module_dir(cache_dir: str, module_name: str) -> str:
    """Makes the cache folder, and returns the path of a model in it."""
    Path(cache_dir).mkdir(parents=True, exist_ok=True)
    return os.path.join(cache_dir, module_name)  # noqa: PTH118 - as the caller wrote it


def atomic_download(
    handle: str, download_fn: Callable[[str, str], object], module_dir: str, lock_file_timeout_sec: float = 600
) -> str:
    """Lets one process bring a model, while others that want it wait.

    Args:
        handle: Of the model.
        download_fn: Called with the handle and an empty folder, into which it puts the model.
        module_dir: The model's folder, of this machine. What is in it already is taken as it is.
        lock_file_timeout_sec: How many seconds to wait for another process.

    Returns:
        ``module_dir``.

    Raises:
        CacheError: If the folder is not of this machine.
        LockTimeout: If another process takes longer.
    """
    if "://" in module_dir:
        raise CacheError(f"{module_dir} is not on this machine.", hint="Use a local folder.", path=module_dir)
    target = Path(module_dir)
    target.parent.mkdir(parents=True, exist_ok=True)
    with lock.hold(target.with_name(f"{target.name}.lock"), lock_file_timeout_sec, lambda: _is_there(target)):
        if not _is_there(target):
            _bring(handle, download_fn, target)
    return module_dir


def _bring(handle: str, download_fn: Callable[[str, str], object], target: Path) -> None:
    staging = target.with_name(f"{target.name}.{uuid.uuid4().hex}.tmp")
    staging.mkdir()
    try:
        download_fn(handle, str(staging))
        legacy.descriptor(target).write_text(
            f"Module: {handle}\nDownload Time: {time.asctime()}\nDownloader Hostname: {socket.gethostname()}\n"
        )
        with contextlib.suppress(FileNotFoundError):
            target.rmdir()  # an empty one
        staging.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _is_there(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())
