"""docs/install.md is true of a machine without TensorFlow, and of pyproject.toml."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
from pathlib import Path

import pytest

from scripts import build_distributions
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


def test_promised_size_and_time_are_those_that_are_checked_and_measured() -> None:
    packages, size_mb = re.search(r"at most (\d+) packages and (\d+) MB", TEXT).groups()
    (promised_ms,) = re.findall(r"`import rehub` takes\s+(\d+) ms", TEXT)
    (measured_ms,) = re.findall(r"^\| import rehub \| ([\d.]+) ms", text("BENCHMARKS.md"), re.MULTILINE)

    assert int(packages) == build_distributions.MOST_PACKAGES
    assert int(size_mb) == build_distributions.MOST_MB
    assert int(promised_ms) == round(float(measured_ms))
