"""The examples of docs/using.md print what their comments say."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest
import tensorflow as tf

import rehub as hub

TEXT = (Path(__file__).parents[2] / "docs" / "using.md").read_text(encoding="utf-8")


@pytest.fixture
def pair_model(tmp_path: Path) -> str:
    """Two int32 ``[batch]``, named ``user`` and ``item``, to ``score`` and ``vector``."""
    inputs = {name: tf.keras.Input((), dtype="int32", name=name) for name in ("user", "item")}
    user, item = (tf.keras.layers.Embedding(4, 3)(inputs[name]) for name in ("user", "item"))
    vector = tf.keras.layers.Multiply()([user, item])
    model = tf.keras.Model(inputs, {"score": tf.keras.layers.Dense(1)(vector), "vector": vector})
    hub.export(model, tmp_path / "pairs")
    return str(tmp_path / "pairs")


def test_examples_print_what_their_comments_say(
    hub_url: str, text_url: str, image_url: str, pair_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE))
    given = {
        "text_model": text_url,
        "image_model": image_url,
        "pair_model": pair_model,
        "module": f"{hub_url}/tf1/text_vocab/1",
    }
    monkeypatch.chdir(tmp_path)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "using.md", "exec"), given)

    promised = re.findall(r"^ *print\(.*\)  # (.*)$", code, flags=re.MULTILINE)
    assert len(promised) == 19
    assert printed.getvalue().splitlines() == promised
