"""The README's commands and snippets work as they are printed, in their order and in one folder."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehub.demo.run import HUB_FOLDER
from rehub.server.embedded import EmbeddedHub

ROOT = Path(__file__).parents[2]
ADDRESS = "http://127.0.0.1:8000"


def _blocks(language: str) -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def _commands() -> list[str]:
    return [line for block in _blocks("bash") for line in block.splitlines()]


@pytest.fixture
def url() -> Iterator[str]:
    with EmbeddedHub(HUB_FOLDER) as hub:
        yield hub.url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder in which the README's relative paths lead where they do in a clone."""
    shutil.copytree(HUB_FOLDER, tmp_path / "src" / "rehub" / "demo" / "hub")
    return tmp_path


def _run(*command: str, folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "TFHUB_CACHE_DIR": str(folder / "cache")}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, cwd=folder, env=environment, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_python_snippets_print_what_their_comments_say(folder: Path, url: str) -> None:
    code = "\n".join(_blocks("python")).replace(ADDRESS, url)
    (folder / "tour.py").write_text(code, encoding="utf-8")

    printed = _run(sys.executable, "tour.py", folder=folder)

    promised = re.findall(r"^ *print\(.*\)  # (.*)$", code, flags=re.MULTILINE)
    assert len(promised) == 3
    for line in promised:
        assert line in printed.splitlines()
    assert "no version 7" in printed
    assert "face-features" in printed


def test_resolve_command_prints_a_model_folder(folder: Path, url: str) -> None:
    command = next(line for line in _commands() if line.startswith("rehub resolve"))

    printed = _run(sys.executable, "-m", *command.replace(ADDRESS, url).split(), folder=folder)

    assert (Path(printed.strip()) / "saved_model.pb").is_file()


def test_lock_commands_bring_a_model_to_where_no_network_is(folder: Path, url: str) -> None:
    (block,) = (block for block in _blocks("bash") if block.startswith("rehub lock "))
    rehub = f'rehub() {{ "{sys.executable}" -m rehub "$@"; }}'

    printed = _run("bash", "-euc", f"{rehub}\n{block.replace(ADDRESS, url)}", folder=folder)

    *_, last = printed.splitlines()
    assert last.startswith("models/")
    assert (folder / last / "saved_model.pb").is_file()


@contextlib.contextmanager
def _served(command: str, folder: Path) -> Iterator[list[str]]:
    """Runs a command that serves a hub, on a free port; gives the first two lines that it prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", *command.split(), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        env=environment,
    ) as server:
        assert server.stdout is not None
        try:
            yield [server.stdout.readline() for _ in range(2)]
        finally:
            server.terminate()
            server.communicate()


def test_serve_command_announces_the_model(folder: Path) -> None:
    command = next(line for line in _commands() if line.startswith("rehub serve"))
    with _served(command, folder) as announced:
        assert "/rehub/face-features/1" in announced[1]


@pytest.mark.slow
def test_hub_commands_bring_a_model_from_its_publisher_to_a_colleague(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "home"))
    model = HUB_FOLDER / "rehub" / "face-features" / "1"
    shutil.copytree(model, folder / "tuned", ignore=shutil.ignore_patterns("card.md"))
    blocks = _blocks("bash")
    first = next(place for place, block in enumerate(blocks) if block.endswith("\nrehub serve\n"))
    programs = f'rehub() {{ "{sys.executable}" -m rehub "$@"; }}\npython() {{ "{sys.executable}" "$@"; }}\n'

    with _served("rehub serve", folder) as announced:
        (url,) = re.findall(r"http://\S+", announced[1])
        commands = "".join(blocks[first + 1 : first + 4]).replace(ADDRESS, url)
        printed = _run("bash", "-euc", programs + commands, folder=folder)

    *_, handle, loaded = printed.splitlines()
    assert handle == f"{url}/acme/faces/1"
    assert "serving_default" in loaded


def test_commands_are_ones_that_exist() -> None:
    tested_here = ("rehub serve", "rehub resolve ", "rehub lock ", "rehub download ", "TFHUB_CACHE_DIR=")
    of_a_hub = ("rehub login ", "rehub publish ", "python -c ")
    others = [line for line in _commands() if not line.startswith((*tested_here, *of_a_hub))]

    # The first is run by tests/test_packaging.py as far as it can be without a network, the second by tests/demo.
    assert others == ['pip install ".[tensorflow-cpu,demo]"', "rehub demo", 'pip install ".[server]"']
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for extra in ("tensorflow-cpu", "demo", "server", "publish", "bucket"):
        assert f"\n{extra} = [" in project


def test_make_targets_that_documents_name_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*##", makefile, flags=re.MULTILINE))
    rows = {f"test-{row}" for row in re.findall(r"^ROWS := (.*)$", makefile, flags=re.MULTILINE)[0].split()}

    for name in ("README.md", "CONTRIBUTING.md"):
        named = set(re.findall(r"`make ([^ `]+)`", (ROOT / name).read_text(encoding="utf-8")))
        assert named <= targets | rows
    assert rows <= named
