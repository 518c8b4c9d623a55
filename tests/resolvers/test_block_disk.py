"""Blocks and the disk: space that is asked for, and disks that fail."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import rehub
from rehub.errors import CacheError, TransferError
from rehub.formats.manifest import ManifestFile, write_manifest
from tests import sample
from tests.manifests import BLOCK, FILES, SIZE, WEIGHTS, Hub, manifest_of
from tests.misbehaving import Answer, MisbehavingServer


def staged(cache: Path) -> list[Path]:
    return list((cache / ".staging").iterdir())


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_resolve_says_so_when_the_disk_is_full(cache: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def full(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with MisbehavingServer(Hub()) as server, pytest.raises(CacheError, match=f"needs at least {SIZE} bytes"):
        rehub.resolve(f"{server.url}/acme/net/1")
    assert staged(cache) == []


def test_resolve_asks_for_no_file_when_the_disk_has_too_little_space(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=SIZE - 1))
    hub = Hub()
    with MisbehavingServer(hub) as server, pytest.raises(CacheError, match=f"needs at least {SIZE} bytes"):
        rehub.resolve(f"{server.url}/acme/net/1")
    assert hub.parts == []
    assert staged(cache) == []


def test_resolve_takes_no_space_for_what_a_manifest_only_claims(cache: Path) -> None:
    size_bytes = 256 << 20
    claim = ManifestFile(WEIGHTS, size_bytes, "a" * 64, ("b" * 64,) * (size_bytes // BLOCK))
    hub = Hub()
    files = tuple(claim if file.name == WEIGHTS else file for file in manifest_of().files)
    hub.manifest = write_manifest(replace(manifest_of(), files=files))
    headers = {"ETag": f'"{claim.sha256}"', "Content-Length": str(size_bytes)}
    hub.change = lambda name, answer: Answer(bytes(1000), headers=headers) if name == WEIGHTS else answer
    with MisbehavingServer(hub) as server, rehub.settings(retries=0), pytest.raises(TransferError):
        rehub.resolve(f"{server.url}/acme/net/1")
    taken = sum(path.stat().st_blocks * 512 for path in (cache / ".staging").rglob("*") if path.is_file())
    assert 0 < taken < size_bytes // 8


def test_resolve_downloads_where_space_cannot_be_reserved(monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", unsupported)
    with MisbehavingServer(Hub()) as server:
        assert sample.read(rehub.resolve(f"{server.url}/acme/net/1")) == FILES


def test_resolve_says_so_when_what_was_written_cannot_reach_the_disk(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with MisbehavingServer(Hub()) as server:
        monkeypatch.setattr(os, "fsync", broken)
        with pytest.raises(CacheError, match="Input/output error"):
            rehub.resolve(f"{server.url}/acme/net/1")
        monkeypatch.undo()
    assert staged(cache) == []
