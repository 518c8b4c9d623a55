from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rehub.storage.bucket import BucketStore
from rehub.storage.folder import FolderStore
from rehub.storage.interface import ObjectStore

Make = Callable[[Path, pytest.MonkeyPatch], ObjectStore]


def _folder(path: Path, patch: pytest.MonkeyPatch) -> ObjectStore:
    return FolderStore(path)


def _folder_without_links(path: Path, patch: pytest.MonkeyPatch) -> ObjectStore:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    patch.setattr(os, "link", refuse)
    return FolderStore(path)


def _memory(path: Path, patch: pytest.MonkeyPatch) -> ObjectStore:
    return BucketStore("memory://")


@pytest.fixture(params=[_folder, _folder_without_links, _memory], ids=lambda make: make.__name__.strip("_"))
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """A store that is empty, of each kind."""
    make: Make = request.param
    (tmp_path / "store").mkdir()
    return make(tmp_path / "store", monkeypatch)
