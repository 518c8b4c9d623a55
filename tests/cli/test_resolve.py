"""``rehub resolve`` as a process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehub.server import EmbeddedHub

MODEL = Path(__file__).parents[1] / "data" / "models" / "half_plus_two"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[EmbeddedHub]:
    for version in ("1", "2"):
        shutil.copytree(MODEL, tmp_path / "hub/acme/half_plus_two" / version)
    with EmbeddedHub(tmp_path / "hub") as hub:
        yield hub


def _start(cache: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "rehub", "resolve", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TFHUB_CACHE_DIR": str(cache)},
    )


def _run(cache: Path, *arguments: str) -> tuple[int, str, str]:
    process = _start(cache, *arguments)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_resolve_prints_the_folders_of_downloaded_models(hub: EmbeddedHub, cache: Path) -> None:
    code, out, _ = _run(cache, f"{hub.url}/acme/half_plus_two/1", f"{hub.url}/acme/half_plus_two", str(MODEL))

    folders = [Path(line) for line in out.splitlines()]
    assert code == 0
    assert len(folders) == 3
    assert all(folder.is_relative_to(cache) for folder in folders[:2])
    assert folders[2] == MODEL
    assert len({(folder / "saved_model.pb").read_bytes() for folder in folders}) == 1


def test_resolve_prints_json_when_asked(hub: EmbeddedHub, cache: Path) -> None:
    handle = f"{hub.url}/acme/half_plus_two/2"

    code, out, _ = _run(cache, "--json", handle, str(MODEL))

    first, second = json.loads(out)
    assert code == 0
    assert first["handle"] == handle
    assert (Path(first["path"]) / "saved_model.pb").is_file()
    assert second == {"handle": str(MODEL), "path": str(MODEL)}


def test_resolve_tells_which_versions_exist_when_one_does_not(hub: EmbeddedHub, cache: Path) -> None:
    code, out, err = _run(cache, f"{hub.url}/acme/half_plus_two/7")

    assert (code, out) == (1, "")
    assert err.startswith("error: no version 7 of 'acme/half_plus_two'")
    assert "there are 1 and 2" in err
    assert "\nhint: " in err
    assert "Traceback" not in err


def test_resolve_leaves_nothing_behind_when_it_is_interrupted(cache: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        process = _start(cache, f"http://127.0.0.1:{silent.getsockname()[1]}/acme/net/1")
        connection, _ = silent.accept()
        with connection:
            connection.recv(10_000)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n\x1f\x8b\x08")
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)

    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert not [path for path in cache.rglob("*") if path.is_file() and path.stat().st_size]


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
