"""What killed processes leave outside of downloads into the cache: the next call of the same kind takes it away."""

from __future__ import annotations

import functools
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import rehub
from rehub import configuration
from rehub.cache import inventory
from rehub.cache.lock import claim
from rehub.cache.removal import remove
from rehub.cache.store import Store
from rehub.errors import TransferError
from rehub.resolvers import placement
from rehub.resolvers.chain import Network
from tests import sample
from tests.cli import command
from tests.faults import children
from tests.faults.models import ARCHIVE, everything, is_model
from tests.manifests import FILES, Hub
from tests.misbehaving import Answer, MisbehavingServer

OLD: Mapping[str, bytes] = {**FILES, "assets/words.txt": b"old"}


def strides(every: int) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow, id="every"), every])


def files_in(folder: Path) -> set[str]:
    return {name for name in everything(folder) if not name.endswith("/")}


@pytest.fixture
def url() -> Iterator[str]:
    with MisbehavingServer(Hub()) as server:
        yield f"{server.url}/acme/net/1"


def download(url: str, target: Path, cache: Path) -> None:
    """Does what ``rehub download --force`` does."""
    with rehub.settings(cache_dir=str(cache), retries=0, show_progress=False, lock_timeout_s=0):
        settings = configuration.current()
        network = Network(settings)
        plan = placement.plan(url, target, settings, network, as_tree=False, replace=True)
        placement.carry_out(plan, settings, network)


@pytest.mark.parametrize("before", ["nothing", "empty", "old"])
@strides(97)
def test_download_into_a_folder_succeeds_at_whichever_step_one_was_killed(
    url: str, tmp_path: Path, cache: Path, before: str, every: int
) -> None:
    place = tmp_path / "place"
    target = place / "model"
    codes = []
    for step in range(1 + every // 2, 2000, every):
        shutil.rmtree(place, ignore_errors=True)
        if before == "empty":
            target.mkdir(parents=True)
        elif before == "old":
            sample.write(target, OLD)
        codes.append(children.carry_out(functools.partial(download, url, target, cache), cache, step))
        download(url, target, cache)
        assert is_model(target)
        assert [path.name for path in place.iterdir()] == ["model"]
        if codes[-1] == 0:
            break
    assert set(codes[:-1]) == {-signal.SIGKILL}
    assert len(codes) * every > 40
    assert files_in(cache) == set()


def kill_when_gone(target: Path) -> None:
    if not target.exists():
        children.kill(target)


def test_download_gives_back_the_model_that_a_killed_one_was_about_to_replace(tmp_path: Path, cache: Path) -> None:
    """The first download is killed between the two renames, the second one fails."""
    target = sample.write(tmp_path / "model", OLD)
    hub = Hub()
    with MisbehavingServer(hub) as server:
        url = f"{server.url}/acme/net/1"
        work = functools.partial(download, url, target, cache)
        assert children.carry_out(work, target, children.EVERY, kill_when_gone) == -signal.SIGKILL
        assert not target.exists()
        hub.change = lambda _, __: Answer(status=404)
        with pytest.raises(TransferError):
            download(url, target, cache)
    assert sample.read(target) == OLD
    assert list(tmp_path.iterdir()) == [target]


def remove_all(cache: Path) -> None:
    for entry in inventory.take(cache).entries:
        remove(Store(cache, 0), entry)


@strides(9)
def test_remove_leaves_nothing_at_whichever_step_one_was_killed(tmp_path: Path, cache: Path, every: int) -> None:
    with MisbehavingServer(Answer(ARCHIVE)) as server:
        rehub.resolve(f"{server.url}/acme/net/1")
    shutil.copytree(cache, tmp_path / "kept")
    codes = []
    for step in range(1, 1000, every):
        shutil.rmtree(cache)
        shutil.copytree(tmp_path / "kept", cache)
        codes.append(children.carry_out(functools.partial(remove_all, cache), cache, step))
        remove_all(cache)
        assert {name for name in files_in(cache) if not name.startswith(".locks/")} == set()
        if codes[-1] == 0:
            break
    assert files_in(cache) == set()
    assert set(codes[:-1]) == {-signal.SIGKILL}
    assert len(codes) * every > 10


def export(cache: Path, bundle: Path) -> None:
    assert command.call(cache, "cache", "export", bundle)[0] == 0


@strides(9)
def test_export_leaves_only_a_whole_bundle_at_whichever_step_one_was_killed(
    url: str, tmp_path: Path, cache: Path, every: int
) -> None:
    rehub.resolve(url)
    (tmp_path / "out").mkdir()
    bundle = tmp_path / "out" / "models.tar"
    export(cache, bundle)
    whole = bundle.read_bytes()
    codes = []
    for step in range(1, 1000, every):
        bundle.unlink()
        codes.append(children.carry_out(functools.partial(export, cache, bundle), cache, step))
        if not bundle.exists():
            export(cache, bundle)
        assert bundle.read_bytes() == whole
        assert list(bundle.parent.iterdir()) == [bundle]
        if codes[-1] == 0:
            break
    assert set(codes[:-1]) == {-signal.SIGKILL}


def test_export_leaves_alone_what_another_one_writes(url: str, tmp_path: Path, cache: Path) -> None:
    rehub.resolve(url)
    other, foreign = tmp_path / ".models.tar.0123abcd.tmp", tmp_path / ".models.tar.mine.tmp"
    other.touch()
    foreign.touch()
    with claim(other):
        export(cache, tmp_path / "models.tar")
    assert other.exists()
    (tmp_path / "models.tar").unlink()
    export(cache, tmp_path / "models.tar")
    assert not other.exists()
    assert foreign.exists()


def resolve_into_a_temporary_cache(url: str, temp: Path) -> None:
    tempfile.tempdir = str(temp)
    with rehub.settings(readonly_cache="temporary", cache_dir="/sys/rehub", retries=0, show_progress=False):
        assert is_model(rehub.resolve(url))


@pytest.mark.filterwarnings("ignore:the cache folder")
@strides(67)
def test_temporary_caches_of_killed_processes_go_with_the_next_one(url: str, tmp_path: Path, every: int) -> None:
    temp = tmp_path / "temp"
    temp.mkdir()
    (temp / "rehub-mine").mkdir()
    (temp / "rehub-mine" / "file").write_text("precious")
    work = functools.partial(resolve_into_a_temporary_cache, url, temp)
    codes = []
    for step in range(1 + every // 2, 1000, every):
        codes.append(children.carry_out(work, temp, step))
        if codes[-1] == 0:
            break
    assert set(codes[:-1]) == {-signal.SIGKILL}
    assert files_in(temp) == {"rehub-mine/file"}
