"""docs/install.md is true of a machine without TensorFlow, and of pyproject.toml."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
from pathlib import Path

import pytest

from tests.documentation.pages import ROOT, text

TEXT = text("docs/install.md")


def test_examples_print_what_their_comments_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "src/rehub/demo/hub/rehub/face-features", tmp_path / "face-features")
    monkeypatch.chdir(tmp_path)
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE))
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "install.md", "exec"), {})

    promised = re.findall(r"^ *print\(.*\)  # (.*)$", code, flags=re.MULTILINE)
    assert len(promised) == 3
    assert printed.getvalue().splitlines() == promised


def test_extras_are_those_of_the_project() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = project.partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    table = TEXT.partition("## Extras")[2].partition("##")[0]
    rows = " ".join(re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE))
    assert set(re.findall(r"`([\w-]+)`", rows)) == set(re.findall(r"^([\w-]+) = \[", section, re.MULTILINE))
