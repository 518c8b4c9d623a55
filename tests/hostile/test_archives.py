"""What no honest tool packs is refused: nothing is written outside, nothing stays, and one clear error says why."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import rehub
from rehub import configuration
from rehub.archive.reading import unpack
from rehub.archive.tar import Limits
from rehub.errors import FormatError
from rehub.resolvers.chain import resolve_with
from rehub.transport.memory import MemoryResponse, MemoryTransport
from tests import sample
from tests.hostile import corpus
from tests.hostile.tar_bytes import END

HANDLE = "https://hub.test/acme/net/1"
SMALL = Limits(members=1000, total_bytes=64 << 20, ratio_free_bytes=2 << 20)


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Files and folders around the place of a model, of which none may change, and a cache folder among them."""
    place = tmp_path / "a" / "b"
    for folder in (place, place / "assets", tmp_path / "here"):
        sample.write(folder, {"x": b"mine", "1.rehub.json": b"mine", "saved_model.pb": b"mine", "y/x": b"mine"})
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(os, "fsync", lambda _: None)  # which takes most of the time of so many small downloads
    before = seen(tmp_path)
    with rehub.settings(cache_dir=str(place / "cache"), retries=0, show_progress=False):
        yield
    after = {path: what for path, what in seen(tmp_path).items() if not path.startswith(("a/b/cache", "a/b/out"))}
    assert after == before
    assert not Path(corpus.OUTSIDE).exists()


def seen(folder: Path) -> dict[str, object]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else path.lstat().st_mode
        for path in folder.rglob("*")
    }


def refused(archive: bytes, tmp_path: Path, limits: Limits = SMALL) -> FormatError:
    out = tmp_path / "a" / "b" / "out"
    out.mkdir()
    with pytest.raises(FormatError) as caught:
        unpack(io.BytesIO(archive), out, limits)
    assert not any(path.is_symlink() or not (path.is_file() or path.is_dir()) for path in out.rglob("*"))
    return caught.value


def not_resolved(archive: bytes, tmp_path: Path) -> FormatError:
    transport = MemoryTransport({f"{HANDLE}?tf-hub-format=compressed": MemoryResponse(archive)})
    with pytest.raises(FormatError) as caught:
        resolve_with(HANDLE, configuration.current(), transport)
    cache = tmp_path / "a" / "b" / "cache"
    assert [path for path in cache.rglob("*") if path.parent != cache and path.parent.name != ".locks"] == []
    return caught.value


def check_clear(error: FormatError) -> None:
    assert error.hint
    assert len(str(error)) < 2000
    assert str(error).isprintable()


def test_corpus_differs_from_a_good_model_only_by_its_tricks(tmp_path: Path) -> None:
    for place, archive in enumerate((corpus.MODEL + END, corpus.zipped(corpus.MODEL + END))):
        url = f"https://hub.test/acme/net/{place}"
        transport = MemoryTransport({f"{url}?tf-hub-format=compressed": MemoryResponse(archive)})
        assert sample.read(resolve_with(url, configuration.current(), transport)) == corpus.FILES


@pytest.mark.parametrize("name", corpus.ARCHIVES)
def test_resolve_refuses_a_hostile_archive(tmp_path: Path, name: str) -> None:
    error = not_resolved(corpus.ARCHIVES[name], tmp_path)
    check_clear(error)
    assert HANDLE in str(error)


@pytest.mark.parametrize("name", [*corpus.ARCHIVES, *corpus.NO_ARCHIVES])
def test_unpack_refuses_a_hostile_archive(tmp_path: Path, name: str) -> None:
    check_clear(refused({**corpus.ARCHIVES, **corpus.NO_ARCHIVES}[name], tmp_path))


@pytest.mark.parametrize("name", corpus.NO_MODELS)
def test_resolve_refuses_an_archive_of_no_model(tmp_path: Path, name: str) -> None:
    check_clear(not_resolved(corpus.NO_MODELS[name], tmp_path))


@pytest.mark.parametrize("name", corpus.BOMBS)
def test_unpack_stops_at_its_limits(tmp_path: Path, name: str) -> None:
    error = refused(corpus.BOMBS[name](SMALL), tmp_path)
    check_clear(error)
    assert re.search("more than|goes on after|damaged pax header", str(error))
    assert sum(len(data) for data in sample.read(tmp_path / "a" / "b" / "out").values()) < 10 << 20


@pytest.mark.slow  # up to half a gigabyte is written
@pytest.mark.parametrize("name", corpus.BOMBS)
def test_resolve_stops_at_its_limits(tmp_path: Path, name: str) -> None:
    check_clear(not_resolved(corpus.BOMBS[name](Limits()), tmp_path))
