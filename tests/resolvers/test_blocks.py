"""Models that come block by block, from a hub with manifests."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from urllib.parse import urlencode

import pytest

import rehub
from rehub import configuration
from rehub.archive.fingerprint import fingerprint
from rehub.cache import inventory, layout
from rehub.cache.removal import remove, sweep
from rehub.cache.store import Store
from rehub.errors import AccessError, ChecksumError, FormatError, HubError, TransferError
from rehub.formats.manifest import MEDIA_TYPE, ManifestFile, write_manifest
from rehub.formats.record import Record, read_record
from rehub.resolvers import placement
from rehub.resolvers.chain import Network, resolve_with
from rehub.transport.memory import MemoryResponse, MemoryTransport
from tests import sample
from tests.manifests import BLOCK, FILES, SIZE, WEIGHTS, Hub, manifest_of, sha256
from tests.misbehaving import Answer, MisbehavingServer

NEXT = {**FILES, WEIGHTS: FILES[WEIGHTS][: 7 * BLOCK] + bytes(BLOCK) + FILES[WEIGHTS][8 * BLOCK :]}


def record_of(path: str) -> Record:
    return read_record(Path(path + layout.RECORD_SUFFIX).read_bytes())


def staged(cache: Path) -> list[Path]:
    return list((cache / ".staging").iterdir())


def once(change: Callable[[Answer], Answer], name: str = WEIGHTS) -> Callable[[str, Answer], Answer]:
    """Changes the first answer for a file."""
    left = [change]
    return lambda asked, answer: left.pop()(answer) if asked == name and left else answer


def always(change: Callable[[Answer], Answer], name: str = WEIGHTS) -> Callable[[str, Answer], Answer]:
    return lambda asked, answer: change(answer) if asked == name else answer


def test_resolve_gives_the_same_model_as_from_an_archive(cache: Path) -> None:
    hub = Hub()
    with MisbehavingServer(hub) as server:
        by_manifest = rehub.resolve(f"{server.url}/acme/net/1")
        hub.manifest = None
        by_archive = rehub.resolve(f"{server.url}/acme/net/2")
    assert sample.read(by_manifest) == sample.read(by_archive) == FILES
    assert record_of(by_manifest).files == record_of(by_archive).files
    assert hub.sent_bytes == SIZE
    assert staged(cache) == []


def test_resolve_notes_the_manifest_beside_the_record() -> None:
    hub = Hub()
    with MisbehavingServer(hub) as server:
        path = rehub.resolve(f"{server.url}/acme/net/1")
        assert rehub.resolve(f"{server.url}/acme/net/1") == path
    assert Path(path + layout.MANIFEST_SUFFIX).read_bytes() == hub.manifest
    assert (record_of(path).archive_sha256, record_of(path).etag) == (
        sha256(hub.manifest or b""),
        f'"{sha256(hub.manifest or b"")}"',
    )


def test_resolve_says_what_it_accepts_where_it_asks_for_the_archive() -> None:
    with MisbehavingServer(Hub()) as server:
        rehub.resolve(f"{server.url}/acme/net/1")
    first, *others = server.requests
    assert (first.target, first.headers["accept"]) == ("/acme/net/1?tf-hub-format=compressed", f"{MEDIA_TYPE}, */*")
    assert {request.target.partition("=")[0] for request in others} == {"/acme/net/1?rehub-file"}


def test_resolve_keeps_connections_between_manifest_and_files() -> None:
    handle = "https://hub.test/acme/net/1"
    manifest = MemoryResponse(write_manifest(manifest_of()), headers={"content-type": f"{MEDIA_TYPE}; charset=utf-8"})
    files = {f"{handle}?{urlencode({'rehub-file': name})}": MemoryResponse(data) for name, data in FILES.items()}
    keeping = MemoryTransport({f"{handle}?tf-hub-format=compressed": manifest, **files})

    class Transport(MemoryTransport):
        @contextlib.contextmanager
        def kept(self) -> Iterator[MemoryTransport]:
            yield keeping

    assert sample.read(resolve_with(handle, configuration.current(), Transport({}))) == FILES


def test_resolve_asks_for_no_manifest_where_the_handle_is_an_archive() -> None:
    with MisbehavingServer(Hub()) as server:
        assert sample.read(rehub.resolve(f"{server.url}/net.tar.gz")) == FILES
    assert "accept" not in server.requests[0].headers


def test_resolve_fetches_one_block_when_one_has_changed(cache: Path) -> None:
    old, new = Hub(), Hub(NEXT)
    with MisbehavingServer(old) as server:
        rehub.resolve(f"{server.url}/acme/net/1")
    with MisbehavingServer(new) as server:
        path = rehub.resolve(f"{server.url}/other/name/1")
    assert sample.read(path) == NEXT
    assert new.parts == [(WEIGHTS, 7 * BLOCK, 8 * BLOCK)]


@pytest.mark.parametrize("damage", ["changed", "cut", "gone", "manifest"])
def test_resolve_fetches_blocks_that_are_damaged_in_the_cache(
    cache: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    hub = Hub()
    with MisbehavingServer(hub) as server:
        path = rehub.resolve(f"{server.url}/acme/net/1")
        hub.parts.clear()
        weights = Path(path) / WEIGHTS
        if damage == "changed":
            weights.write_bytes(bytes(BLOCK) + weights.read_bytes()[BLOCK:])
        elif damage == "cut":
            os.truncate(weights, 20 * BLOCK)
        elif damage == "gone":
            weights.unlink()
        else:
            Path(path + layout.MANIFEST_SUFFIX).write_bytes(b"{")
        other = rehub.resolve(f"{server.url}/acme/net/2")
    assert sample.read(other) == FILES
    assert caplog.text == ""
    assert hub.sent_bytes == {"changed": BLOCK, "cut": 1000, "gone": len(FILES[WEIGHTS]), "manifest": SIZE}[damage]


def test_resolve_fetches_no_file_when_only_the_record_is_lost() -> None:
    hub = Hub()
    with MisbehavingServer(hub) as server:
        path = rehub.resolve(f"{server.url}/acme/net/1")
        hub.parts.clear()
        Path(path + layout.RECORD_SUFFIX).unlink()
        assert rehub.resolve(f"{server.url}/acme/net/1") == path
    assert sample.read(path) == FILES
    assert hub.parts == []


def test_resolve_heals_a_model_from_its_own_blocks() -> None:
    hub = Hub()
    with MisbehavingServer(hub) as server:
        path = rehub.resolve(f"{server.url}/acme/net/1")
        hub.parts.clear()
        (Path(path) / "saved_model.pb").unlink()
        assert rehub.resolve(f"{server.url}/acme/net/1") == path
    assert sample.read(path) == FILES
    assert hub.parts == [("saved_model.pb", 0, len(sample.SAVED_MODEL))]


def test_resolve_asks_for_several_files_at_once() -> None:
    hub, together = Hub(), threading.Barrier(3)

    def wait(_: str, answer: Answer) -> Answer:
        together.wait(10)
        return answer

    hub.change = wait
    with MisbehavingServer(hub) as server:
        assert sample.read(rehub.resolve(f"{server.url}/acme/net/1")) == FILES


def test_resolve_uses_no_more_connections_than_it_may() -> None:
    hub = Hub()
    busy: list[int] = []

    def count(_: str, answer: Answer) -> Answer:
        busy.append(sum(thread.name == "rehub-blocks" for thread in threading.enumerate()))
        return answer

    hub.change = count
    with MisbehavingServer(hub) as server, rehub.settings(connections=1):
        assert sample.read(rehub.resolve(f"{server.url}/acme/net/1")) == FILES
    assert busy == [1, 1, 1]


@pytest.mark.parametrize("end", ["close", "reset"])
def test_resolve_asks_for_the_rest_when_a_connection_breaks(end: str) -> None:
    hub = Hub()
    hub.change = once(lambda answer: replace(answer, cut_at=300_000, end=end))
    with MisbehavingServer(hub) as server:
        assert sample.read(rehub.resolve(f"{server.url}/acme/net/1")) == FILES
    (_, first, _), (_, again, _) = [part for part in hub.parts if part[0] == WEIGHTS]
    assert first == 0
    assert again == 300_000 or end == "reset"


def test_resolve_goes_on_where_a_failed_download_ended(cache: Path) -> None:
    hub = Hub()
    hub.change = always(lambda answer: replace(answer, cut_at=300_000))
    with MisbehavingServer(hub) as server:
        url = f"{server.url}/acme/net/1"
        with rehub.settings(retries=0), pytest.raises(TransferError, match="broke after 300000 of"):
            rehub.resolve(url)
        assert len(staged(cache)) == 1
        hub.change = lambda _, answer: answer
        hub.parts.clear()
        assert sample.read(rehub.resolve(url)) == FILES
    # A small file may have come before, on another connection, or not.
    assert [part for part in hub.parts if part[0] == WEIGHTS] == [(WEIGHTS, 4 * BLOCK, len(FILES[WEIGHTS]))]
    assert staged(cache) == []


def test_resolve_gives_up_when_connections_bring_nothing_again_and_again(cache: Path) -> None:
    hub = Hub()
    hub.change = always(lambda answer: replace(answer, cut_at=0))
    with (
        MisbehavingServer(hub) as server,
        rehub.settings(retries=1),
        pytest.raises(TransferError, match=f"broke after 0 of {len(FILES[WEIGHTS])} bytes: .* ended early") as caught,
    ):
        rehub.resolve(f"{server.url}/acme/net/1")
    assert "What has come is kept" in caught.value.hint
    assert [name for name, _, _ in hub.parts].count(WEIGHTS) == 2


def fail_once(hub: Hub, url: str) -> None:
    """Lets a download break that keeps what has come."""
    hub.change = always(lambda answer: replace(answer, cut_at=300_000))
    with rehub.settings(retries=0), pytest.raises(TransferError):
        rehub.resolve(url)


def test_resolve_begins_anew_when_the_model_has_changed_since_a_failed_download(cache: Path) -> None:
    hub = Hub()
    with MisbehavingServer(hub) as server:
        url = f"{server.url}/acme/net/1"
        fail_once(hub, url)
        fresh = Hub(NEXT)
        hub.files, hub.manifest, hub.change = NEXT, fresh.manifest, fresh.change
        assert sample.read(rehub.resolve(url)) == NEXT
    assert staged(cache) == []


def test_resolve_keeps_nothing_of_a_failed_download_when_an_archive_comes_instead(cache: Path) -> None:
    hub = Hub()
    with MisbehavingServer(hub) as server:
        url = f"{server.url}/acme/net/1"
        fail_once(hub, url)
        hub.manifest = None
        assert sample.read(rehub.resolve(url)) == FILES
    assert staged(cache) == []


@pytest.mark.parametrize("status", [404, 410, 412, 416, None])
def test_resolve_asks_for_the_manifest_again_when_the_files_are_others_now(cache: Path, status: int | None) -> None:
    hub = Hub()

    def publish(answer: Answer) -> Answer:
        hub.files, hub.manifest = NEXT, write_manifest(manifest_of(NEXT))
        if status is not None:
            return Answer(status=status)
        return Answer(NEXT[WEIGHTS], headers={"ETag": f'"{sha256(NEXT[WEIGHTS])}"'})

    hub.change = once(publish)
    with MisbehavingServer(hub) as server:
        assert sample.read(rehub.resolve(f"{server.url}/acme/net/1")) == NEXT
    assert sum("tf-hub-format" in request.target for request in server.requests) == 2
    assert staged(cache) == []


def test_resolve_gives_up_when_a_file_is_missing_every_time() -> None:
    hub = Hub()
    hub.change = always(lambda _: Answer(status=404))
    with MisbehavingServer(hub) as server, pytest.raises(TransferError, match="is no more what its manifest says"):
        rehub.resolve(f"{server.url}/acme/net/1")
    assert sum("tf-hub-format" in request.target for request in server.requests) == 3


def test_resolve_takes_a_whole_file_where_it_asked_for_a_part(cache: Path) -> None:
    old, new = Hub(), Hub(NEXT)
    new.change = always(lambda _: Answer(NEXT[WEIGHTS]))
    with MisbehavingServer(old) as one, MisbehavingServer(new) as two:
        rehub.resolve(f"{one.url}/acme/net/1")
        assert sample.read(rehub.resolve(f"{two.url}/acme/net/1")) == NEXT


def test_resolve_fetches_again_what_arrives_damaged() -> None:
    hub = Hub()
    hub.change = once(lambda answer: replace(answer, body=bytes(2) + answer.body[2:]))
    with MisbehavingServer(hub) as server:
        path = rehub.resolve(f"{server.url}/acme/net/1")
    assert sample.read(path) == FILES
    assert hub.parts[-1] == (WEIGHTS, 0, BLOCK)


def test_resolve_refuses_what_arrives_damaged_every_time(cache: Path) -> None:
    hub = Hub()
    hub.change = always(lambda answer: replace(answer, body=bytes(2) + answer.body[2:]))
    with MisbehavingServer(hub) as server, pytest.raises(ChecksumError) as caught:
        rehub.resolve(f"{server.url}/acme/net/1")
    assert caught.value.expected == sha256(FILES[WEIGHTS])
    assert caught.value.actual == sha256(bytes(2) + FILES[WEIGHTS][2:])
    assert staged(cache) == []
    assert not list(cache.glob("http*"))


def test_resolve_refuses_a_manifest_whose_blocks_make_another_file(cache: Path) -> None:
    hub = Hub()
    manifest = manifest_of()
    lying = [replace(file, sha256="0" * 64) if file.name == WEIGHTS else file for file in manifest.files]
    hub.manifest = write_manifest(replace(manifest, files=tuple(lying)))
    hub.change = lambda _, answer: replace(answer, headers={**answer.headers, "ETag": ""})
    with MisbehavingServer(hub) as server, pytest.raises(ChecksumError, match="its manifest says 0000"):
        rehub.resolve(f"{server.url}/acme/net/1")
    assert sum("rehub-file" in request.target for request in server.requests) == 3
    assert staged(cache) == []


@pytest.mark.parametrize(
    "name", ["../x", "/x", "..\\x", "c:x", "assets/words.txt/x", "Assets/words.txt", "a\0", "1.rehub.json/../../../x"]
)
def test_resolve_refuses_a_manifest_with_a_name_that_leads_elsewhere(cache: Path, name: str) -> None:
    hub = Hub()
    evil = ManifestFile(name, 3, sha256(b"bad"), (sha256(b"bad"),))
    files = sorted((*manifest_of().files, evil), key=lambda file: file.name)
    hub.manifest = write_manifest(replace(manifest_of(), files=tuple(files)))
    with MisbehavingServer(hub) as server, pytest.raises(FormatError, match="the manifest"):
        rehub.resolve(f"{server.url}/acme/net/1")
    assert hub.parts == []
    assert not [path for path in cache.rglob("*") if path.is_file() and path.parent.name != ".locks"]


@pytest.mark.parametrize("cut", [False, True])
def test_resolve_refuses_a_manifest_that_ends_early(cut: bool) -> None:
    hub = Hub()
    assert hub.manifest is not None
    half = hub.manifest[:1000]
    answer = Answer(hub.manifest if cut else half, headers={"Content-Type": MEDIA_TYPE}, cut_at=1000)
    with MisbehavingServer(answer) as server, pytest.raises(TransferError if cut else FormatError):
        rehub.resolve(f"{server.url}/acme/net/1")


@pytest.mark.parametrize("version", ["/1", ""])
def test_resolve_asks_for_the_archive_when_the_manifest_is_newer_than_rehub(version: str) -> None:
    hub = Hub()
    hub.manifest = json.dumps({"format": 2}).encode()
    with MisbehavingServer(hub) as server, rehub.settings(retries=0):
        assert sample.read(rehub.resolve(f"{server.url}/acme/net{version}")) == FILES
    assert ["accept" in request.headers for request in server.requests] == [True, False]


def test_resolve_refuses_a_manifest_of_no_model() -> None:
    files = {"words.txt": b"hello"}
    with MisbehavingServer(Hub(files)) as server, pytest.raises(FormatError, match=r"lacks saved_model\.pb"):
        rehub.resolve(f"{server.url}/acme/net/1")


def test_resolve_gives_every_file_also_an_empty_one() -> None:
    files = {**FILES, "assets/nothing": b""}
    with MisbehavingServer(Hub(files)) as server:
        assert sample.read(rehub.resolve(f"{server.url}/acme/net/1")) == files


def test_resolve_asks_for_no_file_when_the_pin_is_another(cache: Path) -> None:
    hub = Hub()
    with MisbehavingServer(hub) as server:
        with pytest.raises(ChecksumError, match="sha256"):
            rehub.resolve(f"{server.url}/acme/net/1#sha256={'0' * 64}")
        assert hub.parts == []
        assert staged(cache) == []
        path = rehub.resolve(f"{server.url}/acme/net/1#sha256={fingerprint(manifest_of().facts)}")
    assert sample.read(path) == FILES


def test_resolve_keeps_an_unversioned_model_under_its_content(cache: Path) -> None:
    hub = Hub()
    with MisbehavingServer(hub) as server:
        url = f"{server.url}/acme/net"
        path = rehub.resolve(url)
        assert rehub.resolve(url) == path
        asked = len(server.requests)
        with rehub.settings(unversioned_ttl_s=0):
            assert rehub.resolve(url) == path
        assert Path(path).name == sha256(hub.manifest or b"")[:12]
    assert server.requests[asked].headers["if-none-match"] == f'"{sha256(hub.manifest or b"")}"'


def test_resolve_asks_a_mirror_for_the_files_too() -> None:
    hub = Hub()
    with MisbehavingServer(hub) as server, rehub.settings(mirrors={"https://hub.test": f"{server.url}/mirror"}):
        path = rehub.resolve("https://hub.test/acme/net/1?x=1")
        assert sample.read(path) == FILES
    targets = {request.target.partition("rehub-file")[0] for request in server.requests[1:]}
    assert targets == {"/mirror/acme/net/1?x=1&"}


def test_resolve_shows_the_token_where_it_asks_for_files() -> None:
    with MisbehavingServer(Hub()) as server, rehub.settings(token="s3cret", token_host=server.url):
        rehub.resolve(f"{server.url}/acme/net/1")
    assert {request.headers.get("authorization") for request in server.requests} == {"Bearer s3cret"}


def test_resolve_shows_no_token_to_where_a_file_is_redirected() -> None:
    storage = Hub()
    hub = Hub()
    with MisbehavingServer(storage) as there:
        hub.change = lambda name, _: Answer(status=302, headers={"Location": f"{there.url}/?rehub-file={name}"})
        with MisbehavingServer(hub) as server, rehub.settings(token="s3cret", token_host=server.url):
            assert sample.read(rehub.resolve(f"{server.url}/acme/net/1")) == FILES
    assert {request.headers.get("authorization") for request in there.requests} == {None}
    assert storage.sent_bytes == SIZE


@pytest.mark.parametrize("status", [401, 403])
def test_resolve_says_so_when_a_file_is_refused(status: int) -> None:
    hub = Hub()
    hub.change = always(lambda _: Answer(status=status))
    with MisbehavingServer(hub) as server, pytest.raises(AccessError, match=f"status {status}"):
        rehub.resolve(f"{server.url}/acme/net/1")


def test_progress_ends_with_the_size_of_the_model_when_some_of_it_was_there(cache: Path) -> None:
    calls: list[tuple[int, int | None]] = []
    hub = Hub()
    hub.change = always(lambda answer: replace(answer, cut_at=300_000))
    with MisbehavingServer(hub) as server, rehub.settings(progress=lambda _, done, total: calls.append((done, total))):
        with rehub.settings(retries=0), pytest.raises(TransferError):
            rehub.resolve(f"{server.url}/acme/net/1")
        calls.clear()
        hub.change = lambda _, answer: answer
        rehub.resolve(f"{server.url}/acme/net/1")
        assert calls[-1] == (SIZE, SIZE)
        assert [done for done, _ in calls] == sorted({done for done, _ in calls})
        calls.clear()
        rehub.resolve(f"{server.url}/acme/net/2")
        assert calls[-1] == (SIZE, SIZE)


def test_download_into_a_folder_goes_by_the_manifest_and_knows_the_size_before(tmp_path: Path) -> None:
    hub, network = Hub(), Network(configuration.current())
    with MisbehavingServer(hub) as server:
        handle, target = f"{server.url}/acme/net/1", tmp_path / "model"
        plan = placement.plan(handle, target, configuration.current(), network, as_tree=False, replace=False)
        assert (plan.action, plan.size_bytes, hub.parts) == ("download", SIZE, [])
        placement.carry_out(plan, configuration.current(), network)
    assert sample.read(target) == FILES
    assert hub.sent_bytes == SIZE
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyError("x"), KeyboardInterrupt()])
def test_resolve_passes_on_what_the_callback_raises(cache: Path, error: BaseException) -> None:
    def callback(_: str, done_bytes: int, __: int | None) -> None:
        if done_bytes >= 300_000:
            raise error

    with MisbehavingServer(Hub()) as server:
        with rehub.settings(progress=callback), pytest.raises(type(error)) as caught:
            rehub.resolve(f"{server.url}/acme/net/1")
        assert caught.value is error
        assert not isinstance(caught.value, HubError)
        assert len(staged(cache)) == isinstance(error, KeyboardInterrupt)
        assert sample.read(rehub.resolve(f"{server.url}/acme/net/1")) == FILES
    assert staged(cache) == []


def test_sweep_removes_what_was_kept_of_a_failed_download(cache: Path) -> None:
    hub = Hub()
    hub.change = always(lambda answer: replace(answer, cut_at=300_000))
    with MisbehavingServer(hub) as server, rehub.settings(retries=0), pytest.raises(TransferError):
        rehub.resolve(f"{server.url}/acme/net/1")
    leftovers = inventory.take(cache).leftovers
    assert [leftover.size_bytes for leftover in leftovers] == [SIZE]
    assert sweep(cache, leftovers) == leftovers
    assert staged(cache) == []


def test_remove_takes_the_manifest_too(cache: Path) -> None:
    with MisbehavingServer(Hub()) as server:
        path = Path(rehub.resolve(f"{server.url}/acme/net/1"))
    (entry,) = inventory.take(cache).entries
    remove(Store(cache, 5), entry)
    assert not path.parent.exists()


def test_remove_takes_a_manifest_that_was_left_alone(cache: Path) -> None:
    lost = cache / layout.manifest(PurePosixPath("hub.test/acme/net/1"))
    lost.parent.mkdir(parents=True)
    lost.write_bytes(b"{}")
    (entry,) = inventory.take(cache).entries
    assert entry.damages
    remove(Store(cache, 5), entry)
    assert not lost.parent.exists()
