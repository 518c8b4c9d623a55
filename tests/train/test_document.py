"""The examples of docs/training.md print what their comments say."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "training.md"


def test_examples_print_what_their_comments_say(
    reviews: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(reviews, tmp_path / "reviews.csv")
    code = "\n".join(
        re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    )
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, {"text_model": str(models / "words")})

    promised = re.findall(r"^ *print\(.*\)  # (.*)$", code, flags=re.MULTILINE)
    assert len(promised) == 3
    assert [line for line in printed.getvalue().splitlines() if line in promised] == promised
