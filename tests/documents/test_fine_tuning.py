"""The examples of docs/fine_tuning.md print what their comments say."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest
import tensorflow as tf

from tests.keras import convolution

TEXT = (Path(__file__).parents[2] / "docs" / "fine_tuning.md").read_text(encoding="utf-8")


def test_examples_print_what_their_comments_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE))
    given = {
        "model": convolution.save(tmp_path),
        "images": convolution.images(),
        "labels": tf.ones([4, 1]),
        "tf1_module": str(Path(__file__).parents[1] / "data" / "tf1_hub" / "rich"),
        "numbers": tf.ones([8, 4]),
        "targets": tf.ones([8, 1]),
    }
    printed = io.StringIO()
    monkeypatch.chdir(tmp_path)
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "fine_tuning.md", "exec"), given)

    promised = re.findall(r"^print\(.*\)  # (.*)$", code, flags=re.MULTILINE)
    inside = [
        "block1/StatefulPartitionedCall float32 (None, 6, 6, 4) IdentityN",
        "block1/StatefulPartitionedCall/convolution float32 (None, 6, 6, 4) Conv2D",
    ]
    lines = printed.getvalue().splitlines()
    assert [line for line in lines if line not in inside] == promised
    assert [line for line in lines if line in inside] == inside
