"""Pushing models onto a hub: what is sent, what goes on after anything, and what is refused."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import rehub
from rehub.errors import (
    AccessError,
    ConflictError,
    FormatError,
    HandleError,
    LimitError,
    OfflineError,
    PublishError,
    StoreError,
    TransferError,
)
from rehub.formats.manifest import BLOCK_BYTES
from rehub.publish.push import Pushed, push
from rehub.server import EmbeddedHub, HubOptions, running_commits
from rehub.server.library import Library, PublishedVersion
from rehub.server.tokens import Tokens
from rehub.storage.bucket import BucketStore
from tests import sample
from tests.misbehaving import Answer, MisbehavingServer
from tests.server.publishing import Watched, keys

NAME = "acme/net"
FILES = {
    "saved_model.pb": sample.SAVED_MODEL,
    "assets/none": b"",
    "weights": random.Random(5).randbytes(2 * BLOCK_BYTES + 7),
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return sample.write(tmp_path / "model", FILES)


@pytest.fixture
def inner() -> BucketStore:
    return BucketStore("memory://")


@pytest.fixture
def store(inner: BucketStore) -> Watched:
    return Watched(inner)


@pytest.fixture
def hub(store: Watched) -> Iterator[EmbeddedHub]:
    with EmbeddedHub(store) as hub:
        yield hub


@pytest.fixture(autouse=True)
def _settings(hub: EmbeddedHub, inner: BucketStore) -> Iterator[None]:
    """The token of acme for the hub, and retries that do not wait for long."""
    token = Tokens(inner).create("ci", ["acme"])
    with rehub.settings(token=token, token_host=hub.url, show_progress=False, connections=2, retries=1):
        yield


@pytest.fixture
def pushing(hub: EmbeddedHub, model: Path) -> Callable[..., Pushed]:
    return lambda path=model, name=NAME, **options: push(path, name, to=hub.url, **options)


def test_push_calls_back_when_the_hub_takes_the_model_and_before_files_are_sent(
    pushing: Callable[..., Pushed], inner: BucketStore
) -> None:
    sent = list[list[str]]()
    pushing(before=lambda: sent.append([key for key in keys(inner) if "/blocks/" in key]))

    assert sent == [[]]


def test_push_does_not_call_back_when_the_hub_refuses(pushing: Callable[..., Pushed]) -> None:
    called = list[None]()
    with pytest.raises(AccessError):
        pushing(name="beta/net", before=lambda: called.append(None))

    assert not called


Pushing = Callable[..., Pushed]


def _with(hub: EmbeddedHub, tmp_path: Path, handle: str) -> dict[str, bytes]:
    assert handle.startswith(hub.url)
    with rehub.settings(cache_dir=str(tmp_path / "cache")):
        return sample.read(rehub.resolve(handle))


def test_push_publishes_what_the_handle_then_resolves_to(pushing: Pushing, hub: EmbeddedHub, tmp_path: Path) -> None:
    pushed = pushing()

    size_bytes = sum(map(len, FILES.values()))
    assert pushed == Pushed(f"{hub.url}/{NAME}/1", 1, True, size_bytes, size_bytes)
    assert _with(hub, tmp_path, pushed.handle) == FILES


def test_push_sends_nothing_when_the_hub_has_these_files(pushing: Pushing) -> None:
    pushing()

    again = pushing()

    assert (again.version, again.is_new, again.sent_bytes) == (1, False, 0)


def test_push_sends_only_the_blocks_that_changed(
    pushing: Pushing, model: Path, hub: EmbeddedHub, tmp_path: Path
) -> None:
    pushing()
    with (model / "weights").open("r+b") as file:
        file.seek(BLOCK_BYTES + 1)
        file.write(b"tuned")

    pushed = pushing()

    assert (pushed.version, pushed.sent_bytes) == (2, BLOCK_BYTES)
    assert _with(hub, tmp_path, pushed.handle) == sample.read(model)


def test_push_publishes_the_version_that_is_named_and_never_changes_it(pushing: Pushing, model: Path) -> None:
    assert pushing(version=7).version == 7
    (model / "saved_model.pb").write_bytes(sample.SAVED_MODEL + b"\x12\x00")

    with pytest.raises(ConflictError, match=r"version 7 of acme/net exists.*Publish another version"):
        pushing(version=7)
    assert pushing().version == 8


def test_push_sends_the_card(pushing: Pushing, model: Path, inner: BucketStore, tmp_path: Path) -> None:
    (model / "card.md").write_text("---\ntitle: In the folder\n---\nText.\n")
    (tmp_path / "other.md").write_text("---\ntitle: Elsewhere\n---\n")

    pushing()
    (model / "assets/none").unlink()
    pushing(card=tmp_path / "other.md")

    titles = []
    for number in (1, 2):
        version = Library(inner).version(NAME, number)
        assert isinstance(version, PublishedVersion)
        titles.append(version.record.card["title"])
    assert titles == ["In the folder", "Elsewhere"]


def test_push_shows_how_far_it_is(pushing: Pushing) -> None:
    seen: list[tuple[int, int | None]] = []
    with rehub.settings(progress=lambda _, done, total: seen.append((done, total))):
        pushing()

    size_bytes = sum(map(len, FILES.values()))
    assert seen[-1] == (size_bytes, size_bytes)
    assert len(seen) == 4


def _fail(times: int) -> Callable[[], None]:
    left = [times]

    def happen() -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise StoreError("s3://bucket does not answer.")

    return happen


def test_push_goes_on_when_the_hub_fails_for_a_moment(
    pushing: Pushing, store: Watched, hub: EmbeddedHub, tmp_path: Path
) -> None:
    store.at, store.happen = len(store.calls) + 6, _fail(1)

    assert _with(hub, tmp_path, pushing().handle) == FILES


def test_push_goes_on_where_it_was_when_it_is_called_again(pushing: Pushing) -> None:
    with rehub.settings(connections=1, progress=_raising_at(2)), pytest.raises(KeyboardInterrupt):
        pushing()

    pushed = pushing()

    assert pushed.version == 1
    assert 0 < pushed.sent_bytes < sum(map(len, FILES.values()))


def _raising_at(event: int) -> Callable[..., None]:
    seen = [0]

    def progress(*_: Any) -> None:
        seen[0] += 1
        if seen[0] == event:
            raise KeyboardInterrupt

    return progress


def test_push_begins_again_when_the_upload_was_cleared_away(
    pushing: Pushing, inner: BucketStore, hub: EmbeddedHub, tmp_path: Path
) -> None:
    cleared = []

    def clear(*_: Any) -> None:
        if not cleared:
            cleared.extend(key for key in keys(inner) if key.startswith("_rehub/uploads/"))
            for key in cleared:
                inner.delete(key)

    with rehub.settings(progress=clear, connections=1):
        pushed = pushing()

    assert cleared
    assert _with(hub, tmp_path, pushed.handle) == FILES


def test_push_waits_for_a_hub_that_takes_its_time(
    pushing: Pushing, monkeypatch: pytest.MonkeyPatch, hub: EmbeddedHub, tmp_path: Path
) -> None:
    monkeypatch.setattr(running_commits, "_PATIENCE_S", 0)

    assert _with(hub, tmp_path, pushing().handle) == FILES


def test_push_is_refused_when_a_file_changes_meanwhile(pushing: Pushing, model: Path, inner: BucketStore) -> None:
    def change(*_: Any) -> None:
        (model / "weights").write_bytes(bytes(3 * BLOCK_BYTES))

    with rehub.settings(progress=change, connections=1), pytest.raises(PublishError, match="weights' changed while"):
        pushing()

    assert Library(inner).find(NAME) is None


def test_push_says_how_to_log_in_when_there_is_no_token(pushing: Pushing) -> None:
    with (
        rehub.settings(token=None, token_host=None, credentials_file="/nowhere"),
        pytest.raises(AccessError, match=r"without a token.*rehub login http://127") as error,
    ):
        pushing()

    assert error.value.status == 401


def test_push_is_refused_when_the_token_is_for_another_publisher(pushing: Pushing) -> None:
    with pytest.raises(AccessError, match=r"the token 'ci' is not for publishing as 'other'") as error:
        pushing(name="other/net")

    assert (error.value.status, error.value.credentials[:9]) == (403, "the token")


@pytest.mark.parametrize("name", ["acme/con", "acme/..", "acme/collection/x", "acme/net/1", "acme"])
def test_push_is_refused_for_names_that_nothing_may_have(pushing: Pushing, name: str) -> None:
    with pytest.raises((PublishError, TransferError)):
        pushing(name=name)


def test_push_is_refused_when_the_model_is_larger_than_the_hub_takes(inner: BucketStore, model: Path) -> None:
    with (
        EmbeddedHub(inner, options=HubOptions(upload_limit_bytes=1000)) as small,
        rehub.settings(token=Tokens(inner).create("all", None), token_host=small.url),
        pytest.raises(LimitError, match="this hub takes 1000"),
    ):
        push(model, NAME, to=small.url)


def test_push_is_refused_when_the_model_is_damaged(pushing: Pushing, model: Path, inner: BucketStore) -> None:
    (model / "saved_model.pb").write_bytes(b"\xff\xff")

    with pytest.raises(PublishError):
        pushing()
    assert Library(inner).find(NAME) is None


def test_push_refuses_folders_with_links(pushing: Pushing, model: Path) -> None:
    (model / "link").symlink_to("saved_model.pb")

    with pytest.raises(FormatError, match="neither a file nor a folder"):
        pushing()


def test_push_refuses_a_folder_that_is_not_there(pushing: Pushing, tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="cannot be read"):
        pushing(path=tmp_path / "nowhere")


@pytest.mark.parametrize("to", ["hub.example.com", "", "ftp://host", "https://user:password@host"])
def test_push_refuses_what_is_no_url(model: Path, to: str) -> None:
    with pytest.raises(HandleError, match="no URL of a hub"):
        push(model, NAME, to=to)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(b"<html>", 404), "no hub that takes models"),
        (Answer(b"", 302, {"Location": "https://elsewhere.example/"}), "no hub that takes models"),
        (Answer(b"[]", 200), "no hub that takes models"),
        (Answer(b'{"upload": 1}', 200), "no hub that takes models"),
        (Answer(b"<html>", 418), "status 418"),
        (Answer(b'{"error": "It is \\u001b[31mred.", "hint": "No."}', 418), "It is \\[31mred"),
    ],
)
def test_push_says_so_when_something_else_answers(tmp_path: Path, answer: Answer, says: str) -> None:
    model = sample.write(tmp_path / "small", {"saved_model.pb": sample.SAVED_MODEL})
    with MisbehavingServer(answer) as server, pytest.raises(TransferError, match=says) as error:
        push(model, NAME, to=f"http://127.0.0.1:{server.port}")

    assert "\x1b" not in str(error.value)


def test_push_sends_nothing_offline(pushing: Pushing) -> None:
    with rehub.settings(offline=True), pytest.raises(OfflineError):
        pushing()


def test_push_of_equal_files_under_other_names_sends_them_once(pushing: Pushing, model: Path) -> None:
    shutil.copy(model / "weights", model / "copy")

    assert pushing().sent_bytes == sum(map(len, FILES.values()))
