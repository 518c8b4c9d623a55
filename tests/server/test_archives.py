"""Archives over HTTP: validators, ranges, building once, building anew."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import BinaryIO

import pytest

from rehub.archive.writing import pack
from rehub.formats.manifest import MEDIA_TYPE
from rehub.server import EmbeddedHub
from tests.server.conftest import COMPRESSED, Answer, Ask, ask_hub

TARGET = f"/acme/net/2{COMPRESSED}"


@pytest.fixture
def whole(ask: Ask) -> Answer:
    return ask(TARGET)


def test_get_carries_validators_for_caches(ask: Ask, models: Path) -> None:
    for path in (models / "acme/net/2").rglob("*"):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    os.utime(models / "acme/net/2/saved_model.pb", (1_700_000_000, 1_700_000_000))

    whole = ask(TARGET)

    assert whole.headers["ETag"] == f'"{hashlib.sha256(whole.body).hexdigest()}"'
    assert "immutable" in whole.headers["Cache-Control"]
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert parsedate_to_datetime(whole.headers["Last-Modified"]).timestamp() == 1_700_000_000


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_get_answers_304_when_the_client_has_the_archive(ask: Ask, whole: Answer, form: str) -> None:
    answer = ask(TARGET, if_none_match=form.format(whole.headers["ETag"]))

    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["ETag"] == whole.headers["ETag"]


def test_get_answers_200_when_the_client_has_another_archive(ask: Ask, whole: Answer) -> None:
    assert ask(TARGET, if_none_match='"other"').body == whole.body


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=100-199", slice(100, 200)),
        ("bytes=100-", slice(100, None)),
        ("bytes=-50", slice(-50, None)),
        ("bytes=100-99999999", slice(100, None)),
    ],
)
def test_get_range_answers_the_part(ask: Ask, whole: Answer, wanted: str, part: slice) -> None:
    answer = ask(TARGET, range=wanted)

    expected = whole.body[part]
    start = range(len(whole.body))[part].start
    assert answer.status == 206
    assert answer.body == expected
    assert answer.headers["Content-Range"] == f"bytes {start}-{start + len(expected) - 1}/{len(whole.body)}"
    assert int(answer.headers["Content-Length"]) == len(expected)
    assert answer.headers["ETag"] == whole.headers["ETag"]


def test_get_range_answers_416_when_it_begins_behind_the_end(ask: Ask, whole: Answer) -> None:
    answer = ask(TARGET, range=f"bytes={len(whole.body)}-")

    assert answer.status == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(whole.body)}"


@pytest.mark.parametrize("validator", ["ETag", "Last-Modified"])
def test_get_range_answers_the_part_when_if_range_matches(ask: Ask, whole: Answer, validator: str) -> None:
    answer = ask(TARGET, range="bytes=10-", if_range=whole.headers[validator])

    assert (answer.status, answer.body) == (206, whole.body[10:])


def test_get_range_answers_the_whole_when_if_range_names_another_archive(ask: Ask, whole: Answer) -> None:
    answer = ask(TARGET, range="bytes=10-", if_range='"other"')

    assert (answer.status, answer.body) == (200, whole.body)


def test_get_answers_the_same_etag_after_a_restart(whole: Answer, models: Path) -> None:
    with EmbeddedHub(models) as again:
        assert ask_hub(again, TARGET).headers["ETag"] == whole.headers["ETag"]


def test_get_builds_anew_when_a_file_has_changed(ask: Ask, whole: Answer, models: Path) -> None:
    file = models / "acme/net/2/variables/variables.index"
    before = file.stat()
    file.write_bytes(bytes(reversed(file.read_bytes())))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))

    answer = ask(TARGET, if_none_match=whole.headers["ETag"])

    assert answer.status == 200
    assert answer.headers["ETag"] == f'"{hashlib.sha256(answer.body).hexdigest()}"'
    assert answer.body != whole.body


def test_get_builds_anew_when_a_folder_was_added(ask: Ask, whole: Answer, models: Path) -> None:
    (models / "acme/net/2/assets").mkdir()

    assert ask(TARGET).headers["ETag"] != whole.headers["ETag"]


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of temporary files while the hub starts."""
    folder = tmp_path / "spool"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_get_builds_once_when_many_ask_first(spool: Path, hub: EmbeddedHub) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask_hub(hub, TARGET), range(16)))

    assert len({answer.body for answer in answers}) == 1
    assert len(list(spool.rglob("*.tar.gz"))) == 1


def test_get_keeps_one_archive_when_a_version_changes_often(spool: Path, hub: EmbeddedHub, models: Path) -> None:
    for size in range(3):
        (models / "acme/net/2/saved_model.pb").write_bytes(b"x" * size)
        assert ask_hub(hub, TARGET).status == 200

    assert len(list(spool.rglob("*.tar.gz"))) == 1


def test_get_builds_again_when_a_cleaner_has_removed_the_archive(spool: Path, hub: EmbeddedHub) -> None:
    first = ask_hub(hub, TARGET)
    for path in sorted(spool.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()

    assert ask_hub(hub, TARGET).body == first.body


def test_stop_removes_the_archives(spool: Path, models: Path) -> None:
    with EmbeddedHub(models) as hub:
        ask_hub(hub, TARGET)
        assert list(spool.iterdir())

    assert not list(spool.iterdir())


def test_get_answers_others_while_an_archive_is_built(hub: EmbeddedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow_pack(folder: Path, out: BinaryIO) -> None:
        begun.set()
        assert go_on.wait(30)
        pack(folder, out)

    monkeypatch.setattr("rehub.server.archives.pack", slow_pack)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask_hub, hub, TARGET)
        assert begun.wait(30)
        try:
            assert ask_hub(hub, "/healthz").status == 200
            assert not waiting.done()
        finally:
            go_on.set()
        assert waiting.result().status == 200


def test_get_answers_503_while_a_version_is_written(
    spool: Path, hub: EmbeddedHub, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pack_while_written(folder: Path, out: BinaryIO) -> None:
        pack(folder, out)
        (folder / "variables" / "variables.data-00000-of-00001").write_bytes(b"late")

    monkeypatch.setattr("rehub.server.archives.pack", pack_while_written)
    answer = ask_hub(hub, TARGET)
    monkeypatch.undo()

    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert not list(spool.rglob("*.tar.gz"))
    assert ask_hub(hub, TARGET).status == 200


def test_get_answers_an_error_when_a_version_holds_a_link(ask: Ask, models: Path) -> None:
    (models / "acme/net/2/assets").symlink_to("/etc")

    answer = ask(TARGET)

    assert answer.status == 500
    assert b"neither a file nor a folder (member 'assets')" in answer.body
    assert b"/etc" not in answer.body


def test_get_answers_an_error_when_clients_would_refuse_a_name(ask: Ask, models: Path) -> None:
    (models / "acme/net/2/variables/con.index").touch()

    for accept in ("*/*", MEDIA_TYPE):
        answer = ask(TARGET, accept=accept)
        assert answer.status == 500
        assert json.loads(answer.body)["error"] == (
            "Version 2 of acme/net cannot be served: the model has a name that stands for something else on Windows "
            "(member 'variables/con.index')."
        )
    assert ask(f"/acme/net/10{COMPRESSED}").status == 200
