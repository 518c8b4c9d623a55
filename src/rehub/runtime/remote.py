"""Modules in places that only TensorFlow's filesystem layer opens, such as ``gs://BUCKET/FOLDER``."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import posixpath
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rehub.archive.new_folder import check_members, new_folder
from rehub.errors import NotFoundError, PublishError
from rehub.handle import parse
from rehub.runtime.tf_version import import_tensorflow


def fetch(path: str) -> Path:
    """Returns a local folder with what a folder holds: itself, or a copy that lasts as long as the process.

    Raises:
        NotFoundError: If a remote folder does not exist.
    """
    if not parse(path).is_remote_folder:
        return Path(path)
    tf = import_tensorflow()
    if not tf.io.gfile.isdir(path):
        raise NotFoundError(f"There is no folder '{path}'.", hint="Check the address.", handle=path)
    folder = Path(tempfile.mkdtemp(dir=_scratch()))
    for place, _, names in tf.io.gfile.walk(path):
        local = folder / place.removeprefix(path).strip("/")
        local.mkdir(exist_ok=True)
        for name in names:
            tf.io.gfile.copy(posixpath.join(place, name), str(local / name))
    return folder


@contextlib.contextmanager
def new_place(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Makes a folder, here or remote, when all is in it; see `rehub.archive.new_folder.new_folder`.

    Raises:
        PublishError: If it exists already, cannot be written, or has a name that clients refuse.
    """
    target = os.fspath(path)
    if not parse(target).is_remote_folder:
        with new_folder(Path(target)) as folder:
            yield folder
        return
    tf = import_tensorflow()
    if tf.io.gfile.exists(target) and tf.io.gfile.listdir(target):
        raise PublishError(f"'{target}' exists, and is not an empty folder.", hint="Choose another path.")
    with tempfile.TemporaryDirectory(prefix="rehub-") as scratch:
        yield Path(scratch)
        check_members(Path(scratch), target)
        try:
            for file in sorted(Path(scratch).rglob("*")):
                remote = posixpath.join(target, file.relative_to(scratch).as_posix())
                if file.is_dir():
                    tf.io.gfile.makedirs(remote)
                else:
                    tf.io.gfile.makedirs(posixpath.dirname(remote))
                    tf.io.gfile.copy(str(file), remote)
        except tf.errors.OpError as error:
            raise PublishError(
                f"'{target}' cannot be written: {error.message}", hint="Choose a place that you may write to."
            ) from error


@functools.cache
def _scratch() -> str:
    folder = tempfile.mkdtemp(prefix="rehub-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
