"""``rehub cache``: list, show, verify, remove, prune."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path, PurePosixPath
from typing import Any
from unittest.mock import ANY

import pytest

from rehub.cache.store import Store
from rehub.server import EmbeddedHub
from tests import sample
from tests.cli import command
from tests.misbehaving import Answer, MisbehavingServer


@pytest.fixture
def filled(hub: EmbeddedHub, cache: Path) -> str:
    """Fills the cache with both versions, one of them as the newest; returns the unversioned handle."""
    handle = f"{hub.url}/acme/net"
    assert command.run(cache, "resolve", handle, f"{handle}/1")[0] == 0
    return handle


def folder(cache: Path, version: int) -> Path:
    return next(cache.glob(f"*/acme/net/{version}"))


def listed(cache: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(command.run(cache, "cache", "list", "--json")[1])
    return value


def handles(cache: Path) -> list[str]:
    return [model["handle"] for model in listed(cache)["models"]]


def leave(cache: Path) -> Path:
    """Writes what a killed download leaves."""
    path = cache / ".staging" / f"{'0' * 32}.1234" / "model" / "saved_model.pb"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * 1000)
    return path.parents[1]


def test_list_shows_the_models_of_the_cache(filled: str, cache: Path) -> None:
    (folder(cache, 1) / "saved_model.pb").write_bytes(b"")

    code, out, err = command.run(cache, "cache", "list")

    head, first, second = out.splitlines()
    assert code == 0
    assert head.split() == ["HANDLE", "SIZE", "FETCHED", "STATE"]
    assert first.split()[0] == f"{filled}/1"
    assert first.endswith("damaged")
    assert second.split()[:3] == [f"{filled}/2", "60.0", "kB"]
    assert second.endswith("whole")
    assert time.strftime("%Y-%m-%d") in second
    assert f"2 models, 120 kB, in {cache}" in err
    assert not [line for line in out.splitlines() if "\x1b" in line]


def test_list_prints_json_when_asked(filled: str, cache: Path) -> None:
    (folder(cache, 1) / "assets" / "words.txt").unlink()
    leave(cache)

    found = listed(cache)

    first, second = found["models"]
    assert found["folder"] == str(cache)
    assert found["size_bytes"] == first["size_bytes"] + second["size_bytes"] + 1000
    assert (first["handle"], first["folder"]) == (f"{filled}/1", str(folder(cache, 1)))
    assert (first["whole"], first["damages"]) == (False, [{"file": "assets/words.txt", "what": "missing"}])
    assert (second["whole"], second["damages"], second["origin"]) == (True, [], "rehub")
    assert second["fetched"].endswith("Z")
    assert found["leftovers"] == [{"path": str(cache / ".staging" / f"{'0' * 32}.1234"), "size_bytes": 1000}]


@pytest.mark.parametrize("arguments", [("list",), ("verify",), ("prune",)])
def test_cache_that_does_not_exist_is_empty(cache: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    code, out, _ = command.run(cache, "cache", *arguments, TMPDIR=str(tmp_path))

    assert (code, out) == (0, "")
    assert not cache.exists()


def test_list_shows_what_tensorflow_hub_left(cache: Path) -> None:
    handle = "https://tfhub.dev/google/x/1"
    digest = hashlib.sha1(handle.encode()).hexdigest()
    sample.write(cache / digest)
    (cache / f"{digest}.descriptor.txt").write_text(f"Module: {handle}\nDownload Time: 2020-01-01 00:00:00\n")
    sample.write(cache / ("0" * 40))
    (cache / f"{'0' * 40}.descriptor.txt").write_text(f"Module: {handle}\n")

    unknown, known = listed(cache)["models"]

    assert (known["handle"], known["origin"], known["whole"]) == (handle, "tensorflow_hub", True)
    assert unknown["handle"] == str(cache / ("0" * 40))
    assert "whole, legacy" in command.run(cache, "cache", "list")[1]
    assert command.run(cache, "cache", "prune", "--older-than", "0h")[0] == 0
    help_text = " ".join(command.run(cache, "cache", "list", "--help")[1].split())
    assert "stay until they are named in 'rehub cache remove'" in help_text
    assert command.run(cache, "cache", "remove", handle)[0] == 0
    assert [path.name for path in cache.glob(f"{digest}*")] == []
    assert (cache / ("0" * 40)).is_dir()


def test_list_says_so_when_the_cache_cannot_be_read(cache: Path) -> None:
    code, out, err = command.run(cache, "cache", "list", TFHUB_CACHE_DIR="gs://bucket/cache")

    assert (code, out) == (1, "")
    assert "gs://bucket/cache is not on this machine" in err


def test_show_tells_where_a_model_came_from(filled: str, cache: Path) -> None:
    code, out, _ = command.run(cache, "cache", "show", f"{filled}/2")
    (shown,) = json.loads(command.run(cache, "cache", "show", f"{filled}/2", "--json")[1])

    assert code == 0
    assert f"handle    {filled}/2" in out
    assert shown["url"] == f"{filled}/2"
    assert shown["files"]["saved_model.pb"] == {
        "size_bytes": 4,
        "sha256": hashlib.sha256(sample.SAVED_MODEL).hexdigest(),
    }
    assert shown["pin"] in out
    assert command.run(cache, "resolve", f"{filled}/2#sha256={shown['pin']}", REHUB_OFFLINE="1")[0] == 0


def test_show_takes_all_versions_when_none_is_named(filled: str, cache: Path) -> None:
    shown = json.loads(command.run(cache, "cache", "show", filled, "--json")[1])

    assert [model["handle"] for model in shown] == [f"{filled}/1", f"{filled}/2"]


@pytest.mark.parametrize("subcommand", ["show", "verify", "remove"])
def test_cache_says_so_when_a_model_is_not_there(filled: str, cache: Path, subcommand: str) -> None:
    code, out, err = command.run(cache, "cache", subcommand, f"{filled}/7")

    assert (code, out) == (1, "")
    assert f"'{filled}/7' is not in the cache folder {cache}" in err
    assert "hint: Run: rehub cache list" in err


def test_verify_finds_changed_contents(filled: str, cache: Path) -> None:
    assert command.run(cache, "cache", "verify") == (0, f"whole     {filled}/1\nwhole     {filled}/2\n", ANY)
    (folder(cache, 1) / "assets/words.txt").write_text("X")

    code, out, err = command.run(cache, "cache", "verify")

    assert (code, out) == (1, f"damaged   {filled}/1\nwhole     {filled}/2\n")
    assert f"warning: {filled}/1: assets/words.txt: its content is not what was fetched" in err
    assert "hint: --repair" in err
    assert command.run(cache, "cache", "verify", f"{filled}/2")[0] == 0


def test_verify_repairs_with_what_was_fetched(filled: str, cache: Path) -> None:
    model = folder(cache, 1)
    (model / "assets/words.txt").write_text("X")
    (model / "saved_model.pb").unlink()
    good = (model / "variables/variables.data-00000-of-00001").stat().st_ino

    code, out, _ = command.run(cache, "cache", "verify", "--repair", "--json")

    first, second = json.loads(out)
    assert code == 0
    assert (first["whole"], first["repaired"], len(first["damages"])) == (True, True, 2)
    assert (second["whole"], second["repaired"]) == (True, False)
    assert (model / "assets/words.txt").read_text() == "1"
    assert (model / "variables/variables.data-00000-of-00001").stat().st_ino == good
    assert command.run(cache, "cache", "verify")[0] == 0


def test_verify_repairs_the_newest_version_of_a_server_that_does_not_redirect(cache: Path) -> None:
    with MisbehavingServer(Answer(sample.archive())) as server:
        path = Path(command.run(cache, "resolve", f"{server.url}/acme/net")[1].strip())
        (path / "assets/words.txt").write_text("x" * 12)

        assert command.run(cache, "cache", "verify", "--repair")[0] == 0

    assert command.files(path) == sample.FILES


def test_verify_does_not_take_other_contents_for_a_repair(filled: str, cache: Path, models: Path) -> None:
    (folder(cache, 1) / "assets/words.txt").write_text("X")
    (models / "acme/net/1/assets/words.txt").write_text("replaced by the publisher")

    code, out, err = command.run(cache, "cache", "verify", "--repair", f"{filled}/1")

    assert (code, out) == (1, f"damaged   {filled}/1\n")
    assert "The publisher replaced the model" in err
    assert command.run(cache, "cache", "list", "--json")[1].count('"whole": false') == 1


def test_remove_takes_a_model_out(filled: str, cache: Path) -> None:
    code, out, err = command.run(cache, "cache", "remove", f"{filled}/1")

    assert (code, out) == (0, f"{filled}/1\n")
    assert "Removed 1 model (60.0 kB)." in err
    assert handles(cache) == [f"{filled}/2"]
    assert list((cache / ".staging").iterdir()) == []
    assert command.run(cache, "resolve", filled, REHUB_OFFLINE="1")[0] == 0


def test_remove_takes_all_versions_and_the_note_of_the_newest(filled: str, cache: Path) -> None:
    assert command.run(cache, "cache", "remove", filled)[0] == 0

    assert {path.name for path in cache.iterdir()} == {".staging", ".locks"}
    assert command.run(cache, "resolve", filled)[0] == 0


def test_remove_only_says_what_it_would_do_when_it_runs_dry(filled: str, cache: Path) -> None:
    code, out, err = command.run(cache, "cache", "remove", filled, "--dry-run")

    assert (code, out.split()) == (0, [f"{filled}/1", f"{filled}/2"])
    assert "Would remove 2 models" in err
    assert len(handles(cache)) == 2


@pytest.mark.parametrize("arguments", [("prune", "--older-than", "0h"), ("remove",)])
def test_cache_goes_on_when_a_process_is_busy_with_one_model(
    filled: str, cache: Path, arguments: tuple[str, ...]
) -> None:
    names = (filled,) if arguments == ("remove",) else ()

    with Store(cache, 5).lock(PurePosixPath(folder(cache, 1).relative_to(cache))):
        code, out, err = command.run(cache, "cache", *arguments, *names)

    assert (code, out.split()[0], len(out.splitlines())) == (1, f"{filled}/2", 1)
    assert f"error: {filled}/1 was not removed" in err
    assert re.search(r"Removed 1 \w+ \(60.0 kB\)", err)
    assert handles(cache) == [f"{filled}/1"]


def test_prune_prints_json_when_a_process_is_busy(filled: str, cache: Path) -> None:
    with Store(cache, 5).lock(PurePosixPath(folder(cache, 1).relative_to(cache))):
        code, out, _ = command.run(cache, "cache", "prune", "--older-than", "0h", "--json")

    assert (code, [item["name"] for item in json.loads(out)]) == (1, [f"{filled}/2"])


@pytest.mark.parametrize(("answer", "code", "left"), [("n", 1, 2), ("y", 0, 1)])
def test_remove_asks_at_a_terminal(filled: str, cache: Path, answer: str, code: int, left: int) -> None:
    shown, exit_code = _at_terminal(cache, answer, "cache", "remove", f"{filled}/1")

    assert "Remove 1 item (60.0 kB)? [y/N]:" in shown
    assert exit_code == code
    assert len(handles(cache)) == left


def test_remove_does_not_ask_when_told_so(filled: str, cache: Path) -> None:
    shown, code = _at_terminal(cache, "", "cache", "remove", "--yes", f"{filled}/1")

    assert "[y/N]" not in shown
    assert code == 0


def _at_terminal(cache: Path, answer: str, *arguments: str, **environment: str) -> tuple[str, int]:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "rehub", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TFHUB_CACHE_DIR": str(cache), "TERM": "xterm-256color", **environment},
        start_new_session=True,
    )
    os.close(theirs)
    os.write(ours, f"{answer}\n".encode() if answer else b"")
    shown = b""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and select.select([ours], [], [], 30)[0]:
        try:
            data = os.read(ours, 10_000)
        except OSError:  # the other end is closed
            break
        shown += data
    code = process.wait(30)
    os.close(ours)
    return shown.decode(), code


@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_list_is_coloured_at_a_terminal_only_where_that_is_wanted(
    filled: str, cache: Path, environment: dict[str, str], coloured: bool
) -> None:
    shown, _ = _at_terminal(cache, "", "cache", "list", **environment)

    assert f"{filled}/1" in shown
    assert ("\x1b[" in shown) is coloured


def test_prune_removes_what_is_of_no_use(filled: str, cache: Path) -> None:
    (folder(cache, 2) / "saved_model.pb").write_bytes(b"")
    leftover = leave(cache)

    code, out, err = command.run(cache, "cache", "prune", "--dry-run")
    assert code == 0
    assert f"{filled}/2  (60.0 kB, damaged)" in out
    assert f"{leftover}  (1.0 kB, unfinished)" in out
    assert "Would remove 2 items (61.0 kB)." in err
    assert leftover.exists()

    removed = json.loads(command.run(cache, "cache", "prune", "--json")[1])

    assert [item["reason"] for item in removed] == ["damaged", "unfinished"]
    assert handles(cache) == [f"{filled}/1"]
    assert not leftover.exists()
    assert not list(cache.rglob("latest.rehub.json"))


def test_prune_leaves_folders_that_rehub_did_not_make(filled: str, cache: Path) -> None:
    own = sample.write(cache / "mine" / "net" / "1")

    code, out, _ = command.run(cache, "cache", "prune", "--older-than", "0h", "--max-size", "0", "--keep-latest")

    assert (code, len(out.splitlines())) == (0, 2)
    assert command.files(own) == sample.FILES
    assert listed(cache)["models"][0]["origin"] == "unknown"
    assert command.run(cache, "cache", "list")[1].endswith("no record\n")
    assert command.run(cache, "cache", "remove", str(own))[0] == 0
    assert not own.exists()


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (("--keep-latest",), [2]),
        (("--max-size", "100kB"), [1]),
        (("--max-size", "121kB"), [1, 2]),
        (("--max-size", "0.1MiB"), [1]),
        (("--older-than", "1d"), [1, 2]),
        (("--older-than", "0h"), []),
    ],
)
def test_prune_follows_its_rules(filled: str, cache: Path, arguments: tuple[str, ...], left: list[int]) -> None:
    assert command.run(cache, "cache", "prune", *arguments)[0] == 0

    assert handles(cache) == [f"{filled}/{version}" for version in left]


@pytest.mark.parametrize("arguments", [("--older-than", "soon"), ("--max-size", "big")])
def test_prune_refuses_what_is_no_age_and_no_size(cache: Path, arguments: tuple[str, str]) -> None:
    code, _, err = command.run(cache, "cache", "prune", *arguments)

    assert code == 2
    assert f"'{arguments[1]}' is no" in err
