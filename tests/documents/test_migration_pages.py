"""The examples of the pages for programs that exist print what their comments say."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from rehub.handle import parse

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "tests" / "data" / "tf1_hub" / "text_vocab"
PAGES = [
    "from_other_loaders.md",
    "from_other_loaders.pt.md",
    "handles_of_tfhub_dev.md",
    "handles_of_tfhub_dev.pt.md",
    "keras2_to_keras3.md",
    "keras2_to_keras3.pt.md",
    "tf1_to_tf2.md",
    "tf1_to_tf2.pt.md",
]


@pytest.mark.parametrize("page", PAGES)
def test_examples_print_what_their_comments_say(
    page: str, hub_url: str, image_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE))
    monkeypatch.chdir(tmp_path)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, page, "exec"), {"module": str(MODULE), "model_path": image_url, "mirror": hub_url})

    promised = re.findall(r"^ *print\(.*\)  # (.*)$", code, flags=re.MULTILINE)
    assert promised
    assert printed.getvalue().splitlines() == promised


@pytest.mark.parametrize("page", ["handles_of_tfhub_dev.md", "handles_of_tfhub_dev.pt.md"])
def test_handles_of_kaggle_in_the_table_are_one_model(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    handles = re.findall(r"^\| `(https://[\w.]*kaggle\.com/[^`]*)`", text, flags=re.MULTILINE)

    assert len(handles) == 3
    assert len({parse(handle).location for handle in handles}) == 1
