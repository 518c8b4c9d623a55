"""Disks that are full, or may be written no more."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import rehub
from rehub.errors import CacheError
from tests import sample
from tests.faults import children
from tests.faults.models import check_whole, everything
from tests.manifests import FILES
from tests.misbehaving import Answer, MisbehavingServer

LARGEST = max(map(len, FILES.values()))


@contextlib.contextmanager
def no_file_larger_than(size_bytes: int) -> Iterator[None]:
    """Lets the system refuse to write more: to any file, at that byte, as it does when the disk is full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def left(cache: Path) -> set[str]:
    return {name for name in everything(cache) if not name.startswith(".locks/")}


def test_resolve_says_so_at_whichever_byte_the_disk_is_full(url: str, cache: Path, undisturbed: set[str]) -> None:
    sizes = {0, 1, 3, 4, 11, LARGEST - 1, *(random.Random(0).randrange(LARGEST) for _ in range(5))}
    for size_bytes in sorted(sizes):
        with no_file_larger_than(size_bytes), pytest.raises(CacheError, match="no space is left"):
            rehub.resolve(url)
        assert left(cache) == {".staging/"}
    check_whole(url, cache, undisturbed)


@pytest.mark.parametrize("size_bytes", [4, 100, 300])
def test_resolve_succeeds_when_the_disk_was_full_at_the_last_step(cache: Path, size_bytes: int) -> None:
    files = {"saved_model.pb": sample.SAVED_MODEL}  # smaller than its record
    with MisbehavingServer(Answer(sample.archive(files))) as server:
        url = f"{server.url}/acme/net/1"
        with no_file_larger_than(size_bytes), pytest.raises(CacheError, match="no space is left"):
            rehub.resolve(url)
        with rehub.settings(offline=True), pytest.raises(rehub.errors.OfflineError):
            rehub.resolve(url)
        assert sample.read(rehub.resolve(url)) == files
    assert list((cache / ".staging").iterdir()) == []


def forbid(folder: Path) -> None:
    """Takes away from this process the permission to read and write."""
    for path in (folder, *folder.rglob("*")):
        with contextlib.suppress(FileNotFoundError):
            path.chmod(0o500 if path.is_dir() else 0o400)
    if os.geteuid() == 0:
        os.seteuid(65534)  # root may write everywhere


@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow, id="every"), 53])
def test_resolve_succeeds_when_permission_was_lost_at_any_step_before(
    url: str, cache: Path, undisturbed: set[str], every: int
) -> None:
    codes = set()
    for step in range(2, 1000, every):
        cache.mkdir()
        code = children.run(url, cache, FILES, step, forbid)
        codes.add(code)
        for path in (cache, *cache.rglob("*")):
            path.chmod(0o700)
        check_whole(url, cache, undisturbed)
        shutil.rmtree(cache)
        if step > 20 and code == children.WHOLE:
            break
    assert codes == {children.WHOLE, children.REFUSED}
