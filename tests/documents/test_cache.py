"""The examples and commands of docs/cache.md do what it says."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

import rehub
from rehub.server import EmbeddedHub
from tests import sample
from tests.cli import command

TEXT = (Path(__file__).parents[2] / "docs" / "cache.md").read_text(encoding="utf-8")


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of models that the document names, in the working folder."""
    monkeypatch.chdir(tmp_path)
    for version in ("1", "2"):
        sample.write(tmp_path / "models/acme/net" / version)
    return tmp_path / "models"


@pytest.mark.usefixtures("models")
def test_examples_print_what_their_comments_say() -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "cache.md", "exec"), {})

    promised = re.findall(r"^ *print\(.*\)  # (.*)$", code, flags=re.MULTILINE)
    assert len(promised) == 3
    assert printed.getvalue().splitlines() == promised


def test_commands_work_as_they_are_printed(models: Path, tmp_path: Path) -> None:
    (block,) = re.findall(r"^```sh\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)
    commands = [line.removeprefix("rehub ") for line in block.splitlines()]
    cache = tmp_path / "cache"
    with EmbeddedHub(models) as served, rehub.settings(cache_dir=cache):
        rehub.resolve(f"{served.url}/acme/net/2")
        for line in commands:
            words = line.replace("https://tfhub.dev/google/nnlm-en-dim128", f"{served.url}/acme/net").split()
            code, _, err = command.call(cache, *words)
            assert code == 0, err

    assert len(commands) == 6
    assert Path("models.tar").is_file()


def test_layout_is_that_of_the_cache(models: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with EmbeddedHub(models) as served, rehub.settings(cache_dir=cache):
        folder = Path(rehub.resolve(f"{served.url}/acme/net"))
    block = re.split(r"^```.*\n", TEXT, flags=re.MULTILINE)[1]
    listed = re.findall(r"^    (\S+)", block, flags=re.MULTILINE)

    assert sorted(name.rstrip("/") for name in listed) == sorted(path.name for path in folder.parent.iterdir())
    assert {path.name for path in cache.iterdir()} - {folder.parents[2].name} == {".staging", ".locks"}
