"""The examples of docs/publishing.md: the command is run, and the code prints what its comments say."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from rehub.cli.main import rehub

TEXT = (Path(__file__).parents[2] / "docs" / "publishing.md").read_text(encoding="utf-8")


def test_examples_print_what_their_comments_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("words.txt").write_text("good 1 2 3\nfood 4 5 6\ncold 7 8 9\n", encoding="utf-8")
    (command,) = re.findall(r"^```sh\nrehub (.*)\n```", TEXT, flags=re.MULTILINE)
    done = CliRunner().invoke(rehub, shlex.split(command))
    assert done.exit_code == 0, done.output

    code = "\n".join(re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE))
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "publishing.md", "exec"), {})

    promised = re.findall(r"^print\(.*\)  # (.*)$", code, flags=re.MULTILINE)
    assert len(promised) == 2
    assert printed.getvalue().splitlines() == promised
