"""``rehub resolve`` as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from rehub.server import EmbeddedHub
from tests.cli import command

MODEL = Path(__file__).parents[1] / "data" / "models" / "half_plus_two"


def test_resolve_prints_the_folders_of_downloaded_models(hub: EmbeddedHub, cache: Path) -> None:
    code, out, _ = command.run(cache, "resolve", f"{hub.url}/acme/net/1", f"{hub.url}/acme/net", str(MODEL))

    folders = [Path(line) for line in out.splitlines()]
    assert code == 0
    assert len(folders) == 3
    assert all(folder.is_relative_to(cache) for folder in folders[:2])
    assert folders[2] == MODEL
    assert [(folder / "assets/words.txt").read_text() for folder in folders[:2]] == ["1", "2"]


def test_resolve_prints_json_when_asked(hub: EmbeddedHub, cache: Path) -> None:
    handle = f"{hub.url}/acme/net/2"

    code, out, _ = command.run(cache, "resolve", "--json", handle, str(MODEL))

    first, second = json.loads(out)
    assert code == 0
    assert first["handle"] == handle
    assert (Path(first["path"]) / "saved_model.pb").is_file()
    assert second == {"handle": str(MODEL), "path": str(MODEL)}


def test_resolve_tells_which_versions_exist_when_one_does_not(hub: EmbeddedHub, cache: Path) -> None:
    code, out, err = command.run(cache, "resolve", f"{hub.url}/acme/net/7")

    assert (code, out) == (1, "")
    assert err.startswith("error: no version 7 of 'acme/net'")
    assert "there are 1 and 2" in err
    assert "\nhint: " in err


def test_resolve_ends_quietly_when_nobody_reads() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "rehub", "resolve", str(MODEL)],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )

    assert (done.returncode, done.stderr) == (1, "")
