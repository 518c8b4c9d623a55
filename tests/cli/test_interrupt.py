"""What a download leaves when it is ended in the middle."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from tests import sample
from tests.cli import command
from tests.misbehaving import Answer, MisbehavingServer

# So large that much of it is read and written while the rest is waited for.
FILES = {**sample.FILES, "assets/large.bin": random.Random(1).randbytes(4_000_000)}
ARCHIVE = sample.archive(FILES)


def _until_in_the_middle(folder: Path) -> None:
    deadline = time.monotonic() + 30
    while not any(path.stat().st_size > 500_000 for path in folder.rglob("large.bin")):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("to_folder", [False, True])
def test_download_leaves_nothing_when_it_is_ended_in_the_middle(
    tmp_path: Path, number: signal.Signals, code: int, *, to_folder: bool
) -> None:
    cache = tmp_path / "cache"
    with MisbehavingServer(Answer(ARCHIVE, cut_at=len(ARCHIVE) // 2, end="stall")) as server:
        url = f"{server.url}/acme/net/1"
        arguments = ["download", url, "--to", tmp_path / "a" / "b"] if to_folder else ["resolve", url]
        process = command.start(cache, *arguments)
        _until_in_the_middle(tmp_path)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)

    assert (process.returncode, out, err.strip()) == (code, "", "")
    left = command.everything(tmp_path)
    if to_folder:
        assert left == set()
    else:
        assert {name for name in left if not name.startswith("cache/.locks/")} == {
            "cache",
            "cache/.staging",
            "cache/.locks",
        }


def test_download_works_after_an_interrupted_one(tmp_path: Path) -> None:
    good = Answer(ARCHIVE)
    half = Answer(ARCHIVE, cut_at=len(ARCHIVE) // 2, end="stall")
    with MisbehavingServer(good, half, good) as server:
        arguments = ["download", f"{server.url}/acme/net/1", "--to", tmp_path / "model"]
        process = command.start(tmp_path / "cache", *arguments)
        _until_in_the_middle(tmp_path)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)

        assert command.run(tmp_path / "cache", *arguments)[0] == 0

    assert command.files(tmp_path / "model") == FILES
