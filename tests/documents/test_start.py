"""docs/first_model.md and docs/which_keras.md do what they say."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from rehub.demo.run import HUB_FOLDER
from rehub.server.embedded import EmbeddedHub

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(("page", "count"), [("first_model.md", 4), ("which_keras.md", 2)])
def test_examples_print_what_their_comments_say(
    page: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (DOCS / page).read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE))
    with EmbeddedHub(HUB_FOLDER) as hub, contextlib.redirect_stdout(io.StringIO()) as printed:
        names = {"handle": f"{hub.url}/rehub/face-features/1"}
        exec(compile(code.replace("http://127.0.0.1:8000", hub.url), page, "exec"), names)

    promised = re.findall(r"^ *print\(.*\)  # (.*)$", code, flags=re.MULTILINE)
    assert len(promised) == count
    assert [line for line in printed.getvalue().splitlines() if line in promised] == promised
