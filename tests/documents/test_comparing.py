"""The examples of docs/comparing.md print what their comments say."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest
import tensorflow as tf

DOCUMENT = Path(__file__).parents[2] / "docs" / "comparing.md"


class Words(tf.Module):
    """Texts to the mean of the vectors of their words, of which so many have one of their own."""

    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.vectors = tf.Variable(tf.random.stateless_normal([words, width], seed=[1, 2]))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "texts")])
    def __call__(self, texts):
        words = tf.strings.split(texts)
        vectors = tf.gather(self.vectors, tf.strings.to_hash_bucket_fast(words.values, self.vectors.shape[0]))
        return tf.reduce_mean(tf.RaggedTensor.from_row_splits(vectors, words.row_splits), axis=1)


@pytest.fixture
def given(tmp_path: Path) -> dict[str, object]:
    """What the document takes for granted."""
    names: dict[str, object] = {}
    for name, model in (("small", Words(2, 2)), ("large", Words(1000, 32))):
        folder = tmp_path / "models" / name / "1"
        tf.saved_model.save(model, str(folder), signatures=model.__call__)
        names[f"{name}_text_model"] = str(folder)
    labels = ["good", "bad"] * 50
    texts = [f"a {label} film about word{place % 17} and word{place % 7}" for place, label in enumerate(labels)]
    return {**names, "texts": texts, "labels": labels}


def test_examples_print_what_their_comments_say(
    given: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code = "\n".join(
        re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    )
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, dict(given))

    promised = re.findall(r"^ *print\(.*\)  # (.*)$", code, flags=re.MULTILINE)
    assert len(promised) == 3
    assert [line for line in printed.getvalue().splitlines() if line in promised] == promised
    assert (tmp_path / "models.png").is_file()
