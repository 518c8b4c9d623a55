"""Cleaners of temporary folders, which take what they like at any time, and clocks that jump."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rehub
from rehub.errors import CacheError
from tests import sample
from tests.faults import children
from tests.faults.models import KINDS, answering, check_whole, everything, is_model
from tests.manifests import FILES, WEIGHTS, Hub
from tests.misbehaving import Answer, MisbehavingServer

HARMS = ("remove", "shorten", "lengthen", "empty", "folder")


def harm(path: Path, how: str) -> None:
    """Damages a file as no check of its size can overlook."""
    data = path.read_bytes()
    path.unlink()
    if how == "folder":
        path.mkdir()
    elif how != "remove":
        path.write_bytes({"shorten": data[:-1], "lengthen": data + b"x", "empty": b""}[how] or b"x")


def files_of(cache: Path) -> list[Path]:
    """Returns all files of the cache, its notes and those of its models."""
    return sorted(path for path in cache.rglob("*") if path.is_file())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("examples", [6, pytest.param(60, marks=pytest.mark.slow)])
def test_resolve_gives_a_whole_model_whatever_a_cleaner_took_or_damaged(
    kind: str, examples: int, tmp_path: Path
) -> None:
    with MisbehavingServer(answering(kind)) as server:
        url = server.url + KINDS[kind]
        with rehub.settings(cache_dir=str(tmp_path / "kept")):
            rehub.resolve(url)
        names = everything(tmp_path / "kept")
        undisturbed = {*names, *(f"{name}/" for name in names)}  # who needs no note leaves the folder in its place
        count = len(files_of(tmp_path / "kept"))

        @settings(max_examples=examples, deadline=None, derandomize=True)
        @given(st.dictionaries(st.integers(0, count - 1), st.sampled_from(HARMS)))
        def check(harms: dict[int, str]) -> None:
            with tempfile.TemporaryDirectory() as folder, rehub.settings(cache_dir=f"{folder}/cache"):
                cache = Path(shutil.copytree(tmp_path / "kept", f"{folder}/cache"))
                files = files_of(cache)
                for number, how in harms.items():
                    harm(files[number], how)
                check_whole(url, cache, undisturbed)

        check()


def test_resolve_takes_no_folder_for_a_file_of_the_same_size(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    files = {**sample.FILES, "assets/sized": bytes((tmp_path / "empty").stat().st_size)}
    with MisbehavingServer(Answer(sample.archive(files))) as server:
        url = f"{server.url}/acme/net/1"
        path = Path(rehub.resolve(url))
        harm(path / "assets" / "sized", "folder")
        assert (path / "assets" / "sized").stat().st_size == len(files["assets/sized"])
        assert sample.read(rehub.resolve(url)) == files


def take_everything(cache: Path) -> None:
    shutil.rmtree(cache, ignore_errors=True)


def take_what_is_begun(cache: Path) -> None:
    shutil.rmtree(cache / ".staging", ignore_errors=True)


def take_locks(cache: Path) -> None:
    shutil.rmtree(cache / ".locks", ignore_errors=True)


def take_some(cache: Path) -> None:
    for path in random.sample(files_of(cache), len(files_of(cache)) // 2):
        path.unlink(missing_ok=True)


@pytest.mark.parametrize(
    "take",
    [
        take_everything,
        pytest.param(take_some, marks=pytest.mark.slow),
        pytest.param(take_what_is_begun, marks=pytest.mark.slow),
        pytest.param(take_locks, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow, id="every"), 61])
def test_resolve_succeeds_at_whichever_step_a_cleaner_came_before(
    url: str, cache: Path, undisturbed: set[str], every: int, take: children.Happening
) -> None:
    codes = set()
    for step in range(2, 1000, every):
        code = children.run(url, cache, FILES, step, take)
        codes.add(code)
        check_whole(url, cache, undisturbed)
        shutil.rmtree(cache)
        if step > 60 and code == children.WHOLE:
            break
    assert codes <= {children.WHOLE, children.LACKING}  # it lacks what was taken after the last look at it


@pytest.mark.parametrize("kind", KINDS)
def test_resolve_says_what_to_do_when_a_cleaner_takes_what_is_made_every_time(
    cache: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    fsync = os.fsync

    def take(file: int) -> None:
        fsync(file)
        take_what_is_begun(cache)

    with MisbehavingServer(answering(kind)) as server:
        url = server.url + KINDS[kind]
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", take)
            with pytest.raises(CacheError, match="cleaner of temporary files") as caught:
                rehub.resolve(url)
        assert str(cache) in caught.value.hint
        assert "TFHUB_CACHE_DIR" in caught.value.hint
        assert sum("/1?tf-hub-format" in request.target for request in server.requests) == 2
        assert is_model(rehub.resolve(url))
    assert list((cache / ".staging").iterdir()) == []


def test_resolve_fetches_only_what_a_cleaner_took(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub()
    fsync, taken = os.fsync, []

    def take_one(file: int) -> None:
        fsync(file)
        for path in (cache / ".staging").glob("*/model/saved_model.pb"):
            if not taken:
                path.unlink()
                taken.append(path)

    monkeypatch.setattr(os, "fsync", take_one)
    with MisbehavingServer(hub) as server:
        assert is_model(rehub.resolve(f"{server.url}/acme/net/1"))
    assert len(taken) == 1
    assert [name for name, _, _ in hub.parts].count(WEIGHTS) == 1


@pytest.mark.parametrize("jump_s", [-1e9, -86_500.0, 86_500.0, 1e9])
def test_resolve_asks_for_the_newest_version_when_the_clock_jumps_there_and_back(
    monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    with MisbehavingServer(answering("newest")) as server:

        def asked() -> int:
            return sum(request.target.startswith("/acme/net?") for request in server.requests)

        url, now = f"{server.url}/acme/net", time.time
        path = rehub.resolve(url)
        monkeypatch.setattr(time, "time", lambda: now() + jump_s)
        with rehub.settings(offline=True):
            assert rehub.resolve(url) == path
        assert (rehub.resolve(url), asked()) == (path, 2)
        assert (rehub.resolve(url), asked()) == (path, 2)
        monkeypatch.undo()
        assert (rehub.resolve(url), asked()) == (path, 3)
        assert (rehub.resolve(url), asked()) == (path, 3)
    assert is_model(path)


@pytest.mark.parametrize("kind", KINDS)
def test_resolve_is_right_while_the_clock_jumps(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    jumps_s, now = itertools.cycle([0.0, 1e9, -1e9]), time.time
    monkeypatch.setattr(time, "time", lambda: now() + next(jumps_s))
    with MisbehavingServer(answering(kind)) as server:
        url = server.url + KINDS[kind]
        path = rehub.resolve(url)
        assert is_model(path)
        (Path(path) / WEIGHTS).unlink()
        assert is_model(rehub.resolve(url))
        with rehub.settings(offline=True):
            assert rehub.resolve(url) == path


@pytest.mark.parametrize("take", [take_locks, take_everything])
def test_resolve_shares_no_file_with_who_lost_its_lock(cache: Path, take: children.Happening) -> None:
    """The first of two downloads brings damaged bytes after the second has put the model to its place."""
    hub = Hub()
    begun, over = threading.Event(), threading.Event()

    def damaged(name: str, answer: Answer) -> Answer:
        if name != WEIGHTS or begun.is_set():
            return answer
        begun.set()
        assert over.wait(60)
        return replace(answer, body=bytes(len(answer.body)))

    hub.change = damaged
    with MisbehavingServer(hub) as server:
        url = f"{server.url}/acme/net/1"
        first = children.start(url, cache, FILES)
        assert begun.wait(60)
        take(cache)
        model = rehub.resolve(url)
        over.set()
        first.join()
        assert is_model(model)
        assert is_model(rehub.resolve(url))
    assert first.exitcode in (children.WHOLE, children.REFUSED)
    assert list((cache / ".staging").iterdir()) == []
