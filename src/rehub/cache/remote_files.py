"""Files of cache folders that only TensorFlow's filesystem layer opens, such as ``gs://BUCKET/FOLDER``.

TensorFlow is imported by the first call. Each call raises `DependencyError` if TensorFlow is missing or does not know
the scheme, and `CacheError` if a file cannot be read or written.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from rehub.errors import CacheError, DependencyError

_AT_ONCE = 8  # each answer of a bucket takes a while, whatever its size
_CHUNK_BYTES = 1 << 20
_T = TypeVar("_T")
_R = TypeVar("_R")


def read(path: str) -> bytes | None:
    """Returns what a file holds, None if there is none."""
    with _tensorflow(path, "read") as tf:
        try:
            with tf.io.gfile.GFile(path, "rb") as file:
                return bytes(file.read())
        except _no_file(tf):
            return None


def write(path: str, data: bytes) -> None:
    """Writes a file, and the folder for it."""
    with _tensorflow(path, "written") as tf:
        tf.io.gfile.makedirs(posixpath.dirname(path))
        with tf.io.gfile.GFile(path, "wb") as file:
            file.write(data)


def upload(folder: Path, target: str, names: Sequence[str]) -> None:
    """Copies files of a folder of this machine, in place of those that are there."""

    def copy(name: str) -> None:
        tf.io.gfile.copy(str(folder / name), f"{target}/{name}", overwrite=True)

    with _tensorflow(target, "written") as tf:
        for place in sorted({posixpath.dirname(f"{target}/{name}") for name in names}):
            tf.io.gfile.makedirs(place)
        _each(copy, names)


def download(path: str, target: Path) -> None:
    """Copies a file to this machine."""
    with _tensorflow(path, "read") as tf:
        tf.io.gfile.copy(path, str(target))


def remove(path: str) -> None:
    """Removes a file, if it is there."""
    with _tensorflow(path, "removed") as tf, contextlib.suppress(tf.errors.NotFoundError):
        tf.io.gfile.remove(path)


def sizes(paths: Sequence[str]) -> list[int | None]:
    """Returns the size of each file in bytes, None for one that is not there."""
    return [None if status is None else int(status.length) for status in _stats(paths)]


def modified_s(path: str) -> float | None:
    """Returns when a file was written, in seconds since 1970 by the clock of its place; None if it is not there."""
    (status,) = _stats([path])
    return None if status is None else float(status.mtime_nsec) / 1e9


def listed(folder: str) -> list[str]:
    """Returns the names of what is in a folder; none if it is not there."""
    with _tensorflow(folder, "read") as tf:
        try:
            return [name.rstrip("/") for name in tf.io.gfile.listdir(folder)]
        except _no_file(tf):
            return []


def tree(folder: str) -> Mapping[str, int]:
    """Returns the size of each file below a folder, by its name with ``/``."""
    with _tensorflow(folder, "read") as tf:
        paths = [posixpath.join(place, name) for place, _, names in tf.io.gfile.walk(folder) for name in names]
    return {
        path.removeprefix(folder).lstrip("/"): size_bytes
        for path, size_bytes in zip(paths, sizes(paths), strict=True)
        if size_bytes is not None
    }


def measure(folder: str) -> dict[str, tuple[int, str]]:
    """Returns size and sha256 of each file of a folder, by its name with ``/``."""
    files = tree(folder)

    def sha256(name: str) -> str:
        digest = hashlib.sha256()
        with tf.io.gfile.GFile(f"{folder}/{name}", "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    with _tensorflow(folder, "read") as tf:
        return dict(zip(files, zip(files.values(), _each(sha256, list(files)), strict=True), strict=True))


def _stats(paths: Sequence[str]) -> list[Any]:
    def stat(path: str) -> Any:
        try:
            status = tf.io.gfile.stat(path)
        except _no_file(tf):
            return None
        return None if status.is_directory else status

    if not paths:
        return []
    with _tensorflow(posixpath.commonprefix(paths), "read") as tf:
        return _each(stat, paths)


def _each(function: Callable[[_T], _R], items: Sequence[_T]) -> list[_R]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(function, items))


def _no_file(tf: Any) -> tuple[type[Exception], ...]:
    return tf.errors.NotFoundError, tf.errors.FailedPreconditionError  # of a folder, or below a file


@contextlib.contextmanager
def _tensorflow(path: str, done: str) -> Iterator[Any]:
    """Gives TensorFlow, and makes its errors those of a cache folder."""
    try:
        import tensorflow as tf
    except ImportError as error:
        raise DependencyError(
            f"{path} is not on this machine: to open it, rehub needs TensorFlow, which cannot be imported: {error}.",
            hint="Run: pip install tensorflow (or tensorflow-cpu); or set TFHUB_CACHE_DIR to a folder of this machine.",
            package="tensorflow",
        ) from error
    try:
        yield tf
    except tf.errors.UnimplementedError as error:
        raise DependencyError(
            f"this TensorFlow cannot open {path}: {error.message}.",
            hint="Import a package that teaches it to, such as tensorflow_io; or set TFHUB_CACHE_DIR to a folder of "
            "this machine.",
            package="tensorflow",
            found=tf.__version__,
        ) from error
    except tf.errors.OpError as error:
        cause: Exception = error
        if isinstance(error, (tf.errors.PermissionDeniedError, tf.errors.UnauthenticatedError)):
            cause = PermissionError(errno.EACCES, error.message, path)
        raise CacheError(
            f"{path} cannot be {done}: {error.message}.",
            hint="Check TFHUB_CACHE_DIR, and what this machine's account may do there.",
            path=path,
        ) from cause
